/*
 * Stands for hvmloader: it takes replies off the ring, and does not say that there is room again.
 *
 * It signals behind a request only. A server that waits for room has to find it by itself.
 */
#include <ring.h>
#include <xenbus.h>

void ring_read(char *data, uint32_t len)
{
    struct xenstore_domain_interface *ring = xenbus_ring();

    while (len > 0) {
        uint32_t cons = READ_ONCE(ring->rsp_cons);
        uint32_t part = ring_part(cons, READ_ONCE(ring->rsp_prod) - cons, len);

        if (part == 0) {
            xenbus_wait();
            continue;
        }
        ring_take(ring, cons, data, part);
        data += part;
        len -= part;
    }
}
