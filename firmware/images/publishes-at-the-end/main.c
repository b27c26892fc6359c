/*
 * Stands for iPXE: it moves an index when it is done with all of a header or a body, and not before.
 *
 * It waits for room byte by byte, and for bytes, while the server does not know of those that it has
 * put there or taken. It signals behind what it sends, never behind what it takes, and waits without
 * an event.
 */
#include <ring.h>
#include <xenbus.h>

void ring_write(const char *data, uint32_t len)
{
    struct xenstore_domain_interface *ring = xenbus_ring();
    uint32_t prod = READ_ONCE(ring->req_prod);

    for (; len > 0; len--) {
        while (prod - READ_ONCE(ring->req_cons) >= XENSTORE_RING_SIZE)
            ;
        *(volatile char *)&ring->req[MASK_XENSTORE_IDX(prod++)] = *data++;
    }
    barrier();
    WRITE_ONCE(ring->req_prod, prod);
    xenbus_signal();
}

void ring_read(char *data, uint32_t len)
{
    struct xenstore_domain_interface *ring = xenbus_ring();
    uint32_t cons = READ_ONCE(ring->rsp_cons);

    for (; len > 0; len--) {
        while (READ_ONCE(ring->rsp_prod) == cons)
            ;
        *data++ = *(volatile char *)&ring->rsp[MASK_XENSTORE_IDX(cons++)];
    }
    barrier();
    WRITE_ONCE(ring->rsp_cons, cons);
}
