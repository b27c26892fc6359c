/* Waiting as a kernel does that is told by upcalls: its processor sleeps, and an event wakes it. */
#ifndef BLOCKING_H
#define BLOCKING_H

#include <hypercall.h>
#include <shared.h>
#include <xenbus.h>

/* Mask all events, as Mini-OS does at its start. */
INLINE void mask_all_events(void)
{
    struct shared_info *shared_info = shared_info_get();

    for (uint32_t word = 0; word < sizeof(shared_info->evtchn_mask) / sizeof(uint32_t); word++)
        WRITE_ONCE(shared_info->evtchn_mask[word], UINT32_MAX);
}

/* Sleep until the event of xenstore has come, and clear it. */
INLINE void block_until_event(void)
{
    struct shared_info *shared_info = shared_info_get();
    struct vcpu_info *vcpu = &shared_info->vcpu_info[0];

    while (!test_and_clear_bit(xenbus_event_channel, shared_info->evtchn_pending)) {
        sched_block();
        /* In this order, and both: Xen raises no upcall for a selector's bit that is still set. */
        WRITE_ONCE_BYTE(vcpu->evtchn_upcall_pending, 0);
        test_and_clear_bit(xenbus_event_channel / 32, &vcpu->evtchn_pending_sel);
    }
}

#endif
