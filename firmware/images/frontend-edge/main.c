/*
 * Stands for a kernel that is driven by interrupts, the last stage: frontend, but for how it waits.
 *
 * It sleeps until Xen raises its upcall, and looks at an event's pending bit only where the upcall
 * and the selector's bit have led it there. That is how the code of kernels does it (Linux's
 * evtchn_2l_handle_events among them), and it is naive: it takes for granted that no bit was left
 * by a client before it. Xen raises nothing for an event that is pending already.
 */
#include <hypercall.h>
#include <requests.h>
#include <shared.h>
#include <stage.h>
#include <xenbus.h>

/* In place of the library's. */
__attribute__((noinline)) void xenbus_wait(void)
{
    struct shared_info *shared_info = shared_info_get();
    struct vcpu_info *vcpu = &shared_info->vcpu_info[0];
    uint32_t port = xenbus_event_channel;

    do {
        sched_block();
        /* In this order: an event that comes in between raises the upcall again, or is seen. */
        WRITE_ONCE_BYTE(vcpu->evtchn_upcall_pending, 0);
    } while (!test_and_clear_bit(port / 32, &vcpu->evtchn_pending_sel) ||
             !test_and_clear_bit(port, shared_info->evtchn_pending));
}

void image_main(const char *command_line)
{
    requests_begin(WRONG_STRANGE_EVENTS);
    xenbus_drop_leftovers();
    requests_run(command_line);
    power_off();
}
