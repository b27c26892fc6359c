/*
 * Stands for mirage-xen since September 2013: it masks all events, unmasks its own, and sleeps until
 * one comes.
 */
#include <blocking.h>

void xenbus_ready(void)
{
    mask_all_events();
    event_channel_unmask(xenbus_event_channel);
}

void xenbus_wait(void)
{
    block_until_event();
}
