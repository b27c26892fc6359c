/*
 * Stands for hvmloader until 2017: it takes a full reply ring for an empty one.
 *
 * How many bytes are there is prod - cons, from 0 to 1024. Reduced to the places of the buffer, as
 * an index is, 1024 becomes 0, and the client waits for the server, which waits for room.
 */
#include <ring.h>
#include <xenbus.h>

void ring_read(char *data, uint32_t len)
{
    struct xenstore_domain_interface *ring = xenbus_ring();

    while (len > 0) {
        uint32_t cons = READ_ONCE(ring->rsp_cons);
        uint32_t ready = MASK_XENSTORE_IDX(READ_ONCE(ring->rsp_prod) - cons);
        uint32_t part = ring_part(cons, ready, len);

        if (part == 0) {
            xenbus_wait();
            continue;
        }
        ring_take(ring, cons, data, part);
        xenbus_signal();
        data += part;
        len -= part;
    }
}
