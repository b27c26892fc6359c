/*
 * A client that signals less than the specification asks for.
 *
 * Its command line has "read KEY" and "watch KEY" only. All requests go onto the ring first, each
 * whole, and only then are messages taken, until there is an answer to each and the first event of
 * each watch. So the requests together have to fit into the ring. Answers are not compared.
 */
#ifndef TERSE_H
#define TERSE_H

#include <assert.h>
#include <command_line.h>
#include <shared.h>
#include <string.h>
#include <xenbus.h>

static char terse_message[XENSTORE_RING_SIZE];

static void terse_skip_event(struct slice path, struct slice token)
{
    (void)path;
    (void)token;
}

static void terse_put(struct xenstore_domain_interface *ring, uint32_t len)
{
    uint32_t prod = READ_ONCE(ring->req_prod);
    uint32_t start = MASK_XENSTORE_IDX(prod);
    uint32_t first = XENSTORE_RING_SIZE - start;

    ASSERT(len <= XENSTORE_RING_SIZE - (prod - READ_ONCE(ring->req_cons)));
    if (first > len)
        first = len;
    copy_shared(ring->req + start, terse_message, first);
    copy_shared(ring->req, terse_message + first, len - first);
    barrier();
    WRITE_ONCE(ring->req_prod, prod + len);
}

/* How many messages come of it. */
static uint32_t terse_send(struct xenstore_domain_interface *ring, const struct request *request,
                           uint32_t req_id)
{
    bool watches = slice_equal(request->verb, slice_of("watch"));
    uint32_t key = (uint32_t)request->key.len + 1;
    struct xsd_sockmsg header = {
        .type = watches ? XS_WATCH : XS_READ,
        .req_id = req_id,
        .len = watches ? 2 * key : key,
    };
    char *payload = terse_message + sizeof(header);

    command_line_require(request, watches || slice_equal(request->verb, slice_of("read")),
                         "only read and watch");
    ASSERT(sizeof(header) + header.len <= sizeof(terse_message));
    memcpy(terse_message, &header, sizeof(header));
    for (uint32_t at = 0; at < header.len; at += key) {
        memcpy(payload + at, request->key.start, key - 1);
        payload[at + key - 1] = '\0';
    }
    terse_put(ring, sizeof(header) + header.len);
    return watches ? 2 : 1;
}

static void terse_take(struct xenstore_domain_interface *ring, char *data, uint32_t len)
{
    while (len > 0) {
        uint32_t cons = READ_ONCE(ring->rsp_cons);
        uint32_t ready = READ_ONCE(ring->rsp_prod) - cons;
        uint32_t part = XENSTORE_RING_SIZE - MASK_XENSTORE_IDX(cons);

        ASSERT(ready <= XENSTORE_RING_SIZE);
        if (part > ready)
            part = ready;
        if (part > len)
            part = len;
        if (part == 0) {
            xenbus_wait();
            continue;
        }
        copy_shared(data, ring->rsp + MASK_XENSTORE_IDX(cons), part);
        barrier();
        WRITE_ONCE(ring->rsp_cons, cons + part);
        data += part;
        len -= part;
    }
}

/* `signals`: one behind each request, or none at all. */
static void terse_run(const char *command_line, bool signals)
{
    struct xenstore_domain_interface *ring;
    uint32_t req_id = 0, expected = 0;
    struct xsd_sockmsg header;
    struct request request;

    xenbus_setup(terse_skip_event);
    ring = xenbus_ring();
    while (command_line_next(&command_line, &request)) {
        expected += terse_send(ring, &request, ++req_id);
        if (signals)
            xenbus_signal();
    }
    for (; expected > 0; expected--) {
        terse_take(ring, (char *)&header, sizeof(header));
        ASSERT(header.len <= sizeof(terse_message) && header.type != XS_ERROR);
        terse_take(ring, terse_message, header.len);
    }
}

#endif
