/*
 * A synchronous client of the xenstore ring.
 *
 * It keeps no copy of the indices: each time it looks at the ring it takes them as they are, so
 * they may start anywhere, pass 2^32, and be anything after a reset. It signals after every move
 * of an index, as the specification asks (xenstore-ring.txt: "Whenever the ring structure is
 * updated the event channel must be signalled").
 */
#ifndef XENBUS_H
#define XENBUS_H

#include <hypercall.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <xen/io/xs_wire.h>

/* What to do with a watch event that comes in between. Both texts are good for this call only. */
typedef void watch_event_handler(struct slice path, struct slice token);

struct xenbus_reply {
    bool is_error;
    struct slice payload; /* good until the next call into this client; of an error its name */
};

/*
 * Find the ring and its event channel.
 *
 * If `connection` is 1 already, somebody else has begun a reconnection (Xen does for dom0less
 * guests), and no other field means anything until the server has set it to 0: wait for that.
 * Whether the server offers reconnection cannot be asked first, because server_features is one of
 * the fields that mean nothing yet.
 */
void xenbus_setup(watch_event_handler *on_watch_event);

/* For those who reset or close the ring themselves. */
struct xenstore_domain_interface *xenbus_ring(void);
extern evtchn_port_t xenbus_event_channel;

INLINE void xenbus_signal(void)
{
    event_channel_send(xenbus_event_channel);
}

/* The last thing that xenbus_setup does: wait until `connection` is 0. */
void xenbus_ready(void);

/* Wait for an event, and clear it. May return without any news: look again. An image may have one of
 * its own. */
void xenbus_wait(void);

/* Drop replies and events that a client before us has left. */
void xenbus_drop_leftovers(void);

/* Send a request; its id. */
uint32_t xenbus_send(enum xsd_sockmsg_type type, uint32_t tx_id, struct slice payload);

/* Say that nobody will wait for the answer to `req_id`: it is dropped when it comes. */
void xenbus_abandon(uint32_t req_id);

/* Put the first half of a request on the ring, and no more. */
void xenbus_send_half(enum xsd_sockmsg_type type, uint32_t tx_id, struct slice payload);

/* Put these bytes on the ring, whatever they are. From then on a reply to nobody is dropped. */
void xenbus_send_raw(struct slice bytes);

/* Wait for the answer to `req_id`, which asked for `type`. */
struct xenbus_reply xenbus_receive(uint32_t req_id, enum xsd_sockmsg_type type);

/*
 * The two directions, each for any length. With xenbus_ready, xenbus_wait,
 * xenbus_drop_leftovers and xenbus_receive, they are the parts that an image may define itself, to
 * stand for a client that gets one of them wrong: the linker takes that definition, and the rest of
 * this client works with it.
 */
void ring_write(const char *data, uint32_t len);
void ring_read(char *data, uint32_t len);

/* Wait for any one message that is not an awaited answer: in practice, for a watch event. */
void xenbus_receive_other(void);

#endif
