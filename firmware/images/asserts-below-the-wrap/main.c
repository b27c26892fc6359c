/*
 * Stands for U-Boot and Unikraft: it makes sure that a request fits by a comparison of counters.
 *
 * cons + 1024 passes 2^32 before prod does, and is a small number then.
 */
#include <assert.h>
#include <ring.h>
#include <xenbus.h>

void ring_write(const char *data, uint32_t len)
{
    struct xenstore_domain_interface *ring = xenbus_ring();

    while (len > 0) {
        uint32_t prod = READ_ONCE(ring->req_prod);
        uint32_t part = ring_part(prod, XENSTORE_RING_SIZE, len);

        ASSERT(prod + part <= READ_ONCE(ring->req_cons) + XENSTORE_RING_SIZE);
        ring_put(ring, prod, data, part);
        xenbus_signal();
        data += part;
        len -= part;
    }
}
