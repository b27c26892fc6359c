/*
 * Stands for drivers that lose an event: it looks at the ring, clears the pending event, and sleeps.
 *
 * What comes between the look and the clearing is cleared without having been seen. The Windows
 * drivers and mirage-xen did so, each with a queue and a handler in between.
 */
#include <ring.h>
#include <xenbus.h>

void xenbus_wait(void)
{
    uint32_t *pending = shared_info_get()->evtchn_pending;

    test_and_clear_bit(xenbus_event_channel, pending);
    sched_poll(xenbus_event_channel);
}
