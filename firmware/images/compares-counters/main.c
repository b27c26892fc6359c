/*
 * Stands for GRUB: it waits as long as one counter is not above the other.
 *
 * Counters wrap at 2^32, and what is behind the wrap is below what is before it. Only differences
 * mean anything.
 */
#include <ring.h>
#include <xenbus.h>

void ring_write(const char *data, uint32_t len)
{
    struct xenstore_domain_interface *ring = xenbus_ring();

    while (len > 0) {
        uint32_t end = READ_ONCE(ring->req_cons) + XENSTORE_RING_SIZE;
        uint32_t prod = READ_ONCE(ring->req_prod);
        uint32_t part = ring_part(prod, end - prod, len);

        if (prod >= end) {
            xenbus_wait();
            continue;
        }
        ring_put(ring, prod, data, part);
        xenbus_signal();
        data += part;
        len -= part;
    }
}

void ring_read(char *data, uint32_t len)
{
    struct xenstore_domain_interface *ring = xenbus_ring();

    while (len > 0) {
        uint32_t cons = READ_ONCE(ring->rsp_cons);
        uint32_t prod = READ_ONCE(ring->rsp_prod);
        uint32_t part = ring_part(cons, prod - cons, len);

        if (prod <= cons) {
            xenbus_wait();
            continue;
        }
        ring_take(ring, cons, data, part);
        xenbus_signal();
        data += part;
        len -= part;
    }
}
