/* The beginning and the ends of a stage of the boot chain. */
#ifndef STAGE_H
#define STAGE_H

#include <xen/arch-x86/hvm/start_info.h>

/* Called by the entry code. */
__attribute__((noreturn)) void stage_begin(const struct hvm_start_info *info);

/* Each image's program, called with the hypercall page ready. */
__attribute__((noreturn)) void image_main(const char *command_line);

/* Clear the events, go back to real mode, and jump to the reset vector F000:FFF0, where the next
 * stage begins. Memory below 1 MiB is no longer ours then. */
__attribute__((noreturn)) void hand_over(void);

/* The same without the events. */
__attribute__((noreturn)) void trampoline_run(void);

/* The last stage is done and all was right. */
__attribute__((noreturn)) void power_off(void);

#endif
