#include <assert.h>
#include <hypercall.h>
#include <shared.h>
#include <stage.h>

__attribute__((noreturn)) void trampoline_run(void);

void stage_begin(const struct hvm_start_info *info)
{
    hypercall_setup();
    ASSERT(info->magic == XEN_HVM_START_MAGIC_VALUE);
    ASSERT(info->cmdline_paddr <= UINTPTR_MAX);
    image_main(info->cmdline_paddr == 0 ? "" : (const char *)(uintptr_t)info->cmdline_paddr);
}

/*
 * An event that is still pending would make the next client think that it had been told already,
 * and sleep through the news: hvmloader clears all of vcpu_info and both event arrays for that
 * reason, and so do we. An event that comes after this still arrives stale.
 */
static __attribute__((noinline)) void clear_events(void)
{
    uint32_t *word = (uint32_t *)shared_info_get();
    uint32_t *end = (uint32_t *)((char *)word + offsetof(struct shared_info, wc_version));

    for (; word < end; word++)
        WRITE_ONCE(*word, 0);
}

void hand_over(void)
{
    clear_events();
    trampoline_run();
}

void power_off(void)
{
    sched_shutdown(SHUTDOWN_poweroff);
}
