"""guestsim: boot real x86 firmware against a xenstore ring and own every interleaving."""

__version__ = "0.1.0"
