/*
 * Stands for a client that knows nothing of pieces: it publishes each byte of a request, and gives the
 * room of each byte of a reply back, with a signal for each.
 *
 * That is slow, and right: an index may move by any number.
 */
#include <ring.h>
#include <xenbus.h>

void ring_write(const char *data, uint32_t len)
{
    struct xenstore_domain_interface *ring = xenbus_ring();

    while (len > 0) {
        uint32_t prod = READ_ONCE(ring->req_prod);
        uint32_t room = XENSTORE_RING_SIZE - (prod - READ_ONCE(ring->req_cons));

        if (room == 0) {
            xenbus_wait();
            continue;
        }
        ring_put(ring, prod, data, 1);
        xenbus_signal();
        data++;
        len--;
    }
}

void ring_read(char *data, uint32_t len)
{
    struct xenstore_domain_interface *ring = xenbus_ring();

    while (len > 0) {
        uint32_t cons = READ_ONCE(ring->rsp_cons);

        if (READ_ONCE(ring->rsp_prod) == cons) {
            xenbus_wait();
            continue;
        }
        ring_take(ring, cons, data, 1);
        xenbus_signal();
        data++;
        len--;
    }
}
