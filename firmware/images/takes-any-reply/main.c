/*
 * Stands for hvmloader until 2015: it takes the next message for the answer to its request.
 *
 * Type and ids are not looked at, but for an error.
 */
#include <assert.h>
#include <xenbus.h>

static char payload[XENSTORE_PAYLOAD_MAX];

struct xenbus_reply xenbus_receive(uint32_t req_id, enum xsd_sockmsg_type type)
{
    struct xsd_sockmsg header;
    struct xenbus_reply reply;

    (void)req_id;
    (void)type;
    ring_read((char *)&header, sizeof(header));
    ASSERT(header.len <= sizeof(payload));
    ring_read(payload, header.len);
    reply.is_error = header.type == XS_ERROR;
    reply.payload = (struct slice){payload, header.len};
    if (reply.is_error && header.len > 0 && payload[header.len - 1] == '\0')
        reply.payload.len--;
    return reply;
}
