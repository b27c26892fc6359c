"""The emulated guest: real x86 code in Unicorn, with the hypervisor around it."""
