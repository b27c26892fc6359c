/* Event channel operations. Same names as Xen's public/event_channel.h. */
#ifndef XEN_EVENT_CHANNEL_H
#define XEN_EVENT_CHANNEL_H

#include <stddef.h>
#include <stdint.h>

#define EVTCHNOP_send 4
#define EVTCHNOP_unmask 9

typedef uint32_t evtchn_port_t;

struct evtchn_send {
    evtchn_port_t port;
};

_Static_assert(offsetof(struct evtchn_send, port) == 0, "");
_Static_assert(sizeof(struct evtchn_send) == 4, "");

struct evtchn_unmask {
    evtchn_port_t port;
};

_Static_assert(offsetof(struct evtchn_unmask, port) == 0, "");
_Static_assert(sizeof(struct evtchn_unmask) == 4, "");

#endif
