/*
 * Stands for U-Boot: it waits until rsp_prod is not what it was, and looks what it was when the
 * request is under way already.
 *
 * A reply that is there by then is the one that it waits for, and rsp_prod will not move again. It
 * waits without an event; U-Boot gives up after ten seconds.
 */
#include <assert.h>
#include <ring.h>
#include <xenbus.h>

static char message[XENSTORE_RING_SIZE];

static void copy(struct xenstore_domain_interface *ring, uint32_t cons, uint32_t len)
{
    for (uint32_t done = 0, part; done < len; done += part) {
        part = ring_part(cons + done, len, len - done);
        copy_shared(message + done, ring->rsp + MASK_XENSTORE_IDX(cons + done), part);
    }
}

struct xenbus_reply xenbus_receive(uint32_t req_id, enum xsd_sockmsg_type type)
{
    struct xenstore_domain_interface *ring = xenbus_ring();
    const struct xsd_sockmsg *header = (const struct xsd_sockmsg *)message;
    uint32_t prod = READ_ONCE(ring->rsp_prod);
    uint32_t cons = READ_ONCE(ring->rsp_cons);
    uint32_t len = sizeof(*header);
    struct xenbus_reply reply;

    (void)type;
    do {
        uint32_t before = prod;

        while ((prod = READ_ONCE(ring->rsp_prod)) == before)
            ;
        if (prod - cons >= sizeof(*header)) {
            copy(ring, cons, sizeof(*header));
            len = sizeof(*header) + header->len;
            ASSERT(len <= sizeof(message) && header->req_id == req_id);
        }
    } while (prod - cons < len);
    copy(ring, cons, len);
    barrier();
    WRITE_ONCE(ring->rsp_cons, cons + len);
    xenbus_signal();

    reply.is_error = header->type == XS_ERROR;
    reply.payload = (struct slice){message + sizeof(*header), header->len};
    if (reply.is_error)
        reply.payload.len--;
    return reply;
}
