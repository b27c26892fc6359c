#include <assert.h>
#include <ring.h>
#include <shared.h>
#include <xen/hvm/params.h>
#include <xenbus.h>

#define PAGE_SHIFT 12
#define PART __attribute__((noinline, weak)) /* an image may have its own: see xenbus.h */
#define IN_FLIGHT_MAX 64

static struct xenstore_domain_interface *ring;
evtchn_port_t xenbus_event_channel;
static watch_event_handler *watch_event;

static char payload[XENSTORE_PAYLOAD_MAX];

/* Ids begin at 1 in each stage, as if it were the only one: a client before us may have used the
 * same ones. 0 is left to the server's own messages. */
static uint32_t last_req_id;
static uint32_t in_flight[IN_FLIGHT_MAX];
static uint32_t in_flight_count;

static bool receive_one(uint32_t awaited, enum xsd_sockmsg_type type, struct xenbus_reply *reply);

void xenbus_setup(watch_event_handler *on_watch_event)
{
    watch_event = on_watch_event;
    ring = (void *)(uintptr_t)(hvm_param_get(HVM_PARAM_STORE_PFN) << PAGE_SHIFT);
    xenbus_event_channel = (evtchn_port_t)hvm_param_get(HVM_PARAM_STORE_EVTCHN);
    (void)shared_info_get();
    xenbus_ready();
}

PART void xenbus_ready(void)
{
    while (READ_ONCE(ring->connection) == XENSTORE_RECONNECT)
        xenbus_wait();
}

struct xenstore_domain_interface *xenbus_ring(void)
{
    return ring;
}

PART void xenbus_wait(void)
{
    while (!test_and_clear_bit(xenbus_event_channel, shared_info_get()->evtchn_pending))
        sched_poll(xenbus_event_channel);
}

PART void xenbus_drop_leftovers(void)
{
    uint32_t prod = READ_ONCE(ring->rsp_prod);

    if (READ_ONCE(ring->rsp_cons) == prod)
        return;
    WRITE_ONCE(ring->rsp_cons, prod);
    xenbus_signal();
}

/*
 * The server has not made room yet. It may be unable to: its own replies may have filled the other
 * direction, and then it is for us to take some out.
 */
static __attribute__((noinline)) void wait_for_room(void)
{
    if (READ_ONCE(ring->rsp_prod) != READ_ONCE(ring->rsp_cons))
        receive_one(0, XS_INVALID, NULL);
    else
        xenbus_wait();
}

/*
 * The indices are not judged here. Where they do not belong together, after a torn reset, real
 * firmware computes on with them and lets the server find out; so do we.
 */
PART void ring_write(const char *data, uint32_t len)
{
    while (len > 0) {
        uint32_t cons = READ_ONCE(ring->req_cons);
        uint32_t prod = READ_ONCE(ring->req_prod);
        uint32_t room = XENSTORE_RING_SIZE - (prod - cons);
        uint32_t part = ring_part(prod, room, len);

        if (part == 0) {
            wait_for_room();
            continue;
        }
        ring_put(ring, prod, data, part);
        xenbus_signal();
        data += part;
        len -= part;
    }
}

/* Bytes that were never produced are not ours to read, so here the indices have to make sense. */
PART void ring_read(char *data, uint32_t len)
{
    while (len > 0) {
        uint32_t cons = READ_ONCE(ring->rsp_cons);
        uint32_t prod = READ_ONCE(ring->rsp_prod);
        uint32_t ready = prod - cons;
        uint32_t part = ring_part(cons, ready, len);

        ASSERT(ready <= XENSTORE_RING_SIZE);
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

/* What the server makes of bytes that are no request of ours cannot be told from here. */
static bool raw_sent;

static struct xsd_sockmsg next_header(enum xsd_sockmsg_type type, uint32_t tx_id, uint32_t len)
{
    last_req_id++;
    return (struct xsd_sockmsg){.type = type, .req_id = last_req_id, .tx_id = tx_id, .len = len};
}

uint32_t xenbus_send(enum xsd_sockmsg_type type, uint32_t tx_id, struct slice body)
{
    struct xsd_sockmsg header = next_header(type, tx_id, body.len);

    ring_write((const char *)&header, sizeof(header));
    ring_write(body.start, body.len);
    return header.req_id;
}

void xenbus_send_half(enum xsd_sockmsg_type type, uint32_t tx_id, struct slice body)
{
    struct xsd_sockmsg header = next_header(type, tx_id, body.len);
    uint32_t half = (sizeof(header) + body.len) / 2;
    uint32_t of_header = least(half, sizeof(header));

    ring_write((const char *)&header, of_header);
    ring_write(body.start, half - of_header);
}

void xenbus_send_raw(struct slice bytes)
{
    raw_sent = true;
    ring_write(bytes.start, bytes.len);
}

void xenbus_abandon(uint32_t req_id)
{
    ASSERT(in_flight_count < IN_FLIGHT_MAX);
    in_flight[in_flight_count++] = req_id;
}

static bool was_in_flight(uint32_t req_id)
{
    for (uint32_t i = 0; i < in_flight_count; i++) {
        if (in_flight[i] == req_id) {
            in_flight[i] = in_flight[--in_flight_count];
            return true;
        }
    }
    return false;
}

/* The payload of XS_WATCH_EVENT: path, NUL, token, NUL. */
static void receive_watch_event(uint32_t len)
{
    struct slice path = {payload, 0}, token;
    uint32_t first;

    ASSERT(len > 0 && payload[len - 1] == '\0');
    first = (uint32_t)strlen(payload) + 1;
    ASSERT(first < len);
    path.len = first - 1;
    token = slice_of(payload + first);
    watch_event(path, token);
}

/* Take one message off the ring. True if it answers `awaited`; others are dealt with here. */
static bool receive_one(uint32_t awaited, enum xsd_sockmsg_type type, struct xenbus_reply *reply)
{
    struct xsd_sockmsg header;

    ring_read((char *)&header, sizeof(header));
    ASSERT(header.len <= XENSTORE_PAYLOAD_MAX);
    ring_read(payload, header.len);

    if (header.type == XS_WATCH_EVENT) {
        receive_watch_event(header.len);
        return false;
    }
    if (reply != NULL && header.req_id == awaited) {
        ASSERT(header.type == type || header.type == XS_ERROR);
        reply->is_error = header.type == XS_ERROR;
        reply->payload = (struct slice){payload, header.len};
        if (reply->is_error && header.len > 0 && payload[header.len - 1] == '\0')
            reply->payload.len--;
        return true;
    }
    /* Zeroes left in a ring look like this, and we never ask for one. */
    if (header.type == XS_CONTROL)
        return false;
    ASSERT(was_in_flight(header.req_id) || raw_sent);
    return false;
}

PART struct xenbus_reply xenbus_receive(uint32_t req_id, enum xsd_sockmsg_type type)
{
    struct xenbus_reply reply;

    while (!receive_one(req_id, type, &reply))
        ;
    return reply;
}

void xenbus_receive_other(void)
{
    receive_one(0, XS_INVALID, NULL);
}
