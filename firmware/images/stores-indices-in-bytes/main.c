/*
 * Stands for mirage-xen until July 2013: it stores an index one byte at a time.
 *
 * Where more than the lowest byte changes, there is a moment at which the index is none of the two.
 */
#include <ring.h>
#include <xenbus.h>

static void store_index(XENSTORE_RING_IDX *index, uint32_t value)
{
    for (uint32_t byte = 0; byte < sizeof(*index); byte++)
        ((volatile uint8_t *)index)[byte] = (uint8_t)(value >> (8 * byte));
}

void ring_write(const char *data, uint32_t len)
{
    struct xenstore_domain_interface *ring = xenbus_ring();

    while (len > 0) {
        uint32_t prod = READ_ONCE(ring->req_prod);
        uint32_t room = XENSTORE_RING_SIZE - (prod - READ_ONCE(ring->req_cons));
        uint32_t part = ring_part(prod, room, len);

        if (part == 0) {
            xenbus_wait();
            continue;
        }
        copy_shared(ring->req + MASK_XENSTORE_IDX(prod), data, part);
        barrier();
        store_index(&ring->req_prod, prod + part);
        xenbus_signal();
        data += part;
        len -= part;
    }
}
