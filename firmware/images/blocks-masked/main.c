/*
 * Stands for mirage-xen in 2013: it sleeps until an event comes, and the one that it waits for is
 * masked.
 *
 * A poll looks at the pending bit, whatever the mask. A processor that sleeps is woken by an upcall,
 * and a masked event raises none.
 */
#include <blocking.h>

void xenbus_ready(void)
{
    mask_all_events();
}

void xenbus_wait(void)
{
    block_until_event();
}
