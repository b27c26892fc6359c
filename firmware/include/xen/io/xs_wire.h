/*
 * The xenstore wire protocol and the ring page.
 * Same names as Xen's public/io/xs_wire.h.
 */
#ifndef XEN_IO_XS_WIRE_H
#define XEN_IO_XS_WIRE_H

#include <stddef.h>
#include <stdint.h>

enum xsd_sockmsg_type {
    XS_CONTROL = 0,
    XS_DIRECTORY = 1,
    XS_READ = 2,
    XS_GET_PERMS = 3,
    XS_WATCH = 4,
    XS_UNWATCH = 5,
    XS_TRANSACTION_START = 6,
    XS_TRANSACTION_END = 7,
    XS_INTRODUCE = 8,
    XS_RELEASE = 9,
    XS_GET_DOMAIN_PATH = 10,
    XS_WRITE = 11,
    XS_MKDIR = 12,
    XS_RM = 13,
    XS_SET_PERMS = 14,
    XS_WATCH_EVENT = 15,
    XS_ERROR = 16,
    XS_IS_DOMAIN_INTRODUCED = 17,
    XS_RESUME = 18,
    XS_SET_TARGET = 19,
    XS_RESET_WATCHES = 21,
    XS_DIRECTORY_PART = 22,
    XS_GET_FEATURE = 23,
    XS_SET_FEATURE = 24,
    XS_GET_QUOTA = 25,
    XS_SET_QUOTA = 26,
    XS_INVALID = 0xffff,
};

struct xsd_sockmsg {
    uint32_t type;
    uint32_t req_id;
    uint32_t tx_id;
    uint32_t len;
};

_Static_assert(offsetof(struct xsd_sockmsg, type) == 0, "");
_Static_assert(offsetof(struct xsd_sockmsg, req_id) == 4, "");
_Static_assert(offsetof(struct xsd_sockmsg, tx_id) == 8, "");
_Static_assert(offsetof(struct xsd_sockmsg, len) == 12, "");
_Static_assert(sizeof(struct xsd_sockmsg) == 16, "");

/* Longest payload of a message; a longer one ends the connection. */
#define XENSTORE_PAYLOAD_MAX 4096

/* Bytes in each direction's buffer. */
#define XENSTORE_RING_SIZE 1024
#define MASK_XENSTORE_IDX(idx) ((idx) % XENSTORE_RING_SIZE)

typedef uint32_t XENSTORE_RING_IDX;

struct xenstore_domain_interface {
    char req[XENSTORE_RING_SIZE];
    char rsp[XENSTORE_RING_SIZE];
    XENSTORE_RING_IDX req_cons;
    XENSTORE_RING_IDX req_prod;
    XENSTORE_RING_IDX rsp_cons;
    XENSTORE_RING_IDX rsp_prod;
    uint32_t server_features;
    uint32_t connection;
    uint32_t error;
    uint32_t evtchn_port;
};

_Static_assert(offsetof(struct xenstore_domain_interface, req) == 0, "");
_Static_assert(offsetof(struct xenstore_domain_interface, rsp) == 1024, "");
_Static_assert(offsetof(struct xenstore_domain_interface, req_cons) == 2048, "");
_Static_assert(offsetof(struct xenstore_domain_interface, req_prod) == 2052, "");
_Static_assert(offsetof(struct xenstore_domain_interface, rsp_cons) == 2056, "");
_Static_assert(offsetof(struct xenstore_domain_interface, rsp_prod) == 2060, "");
_Static_assert(offsetof(struct xenstore_domain_interface, server_features) == 2064, "");
_Static_assert(offsetof(struct xenstore_domain_interface, connection) == 2068, "");
_Static_assert(offsetof(struct xenstore_domain_interface, error) == 2072, "");
_Static_assert(offsetof(struct xenstore_domain_interface, evtchn_port) == 2076, "");

/* Bits of server_features. */
#define XENSTORE_SERVER_FEATURE_RECONNECTION 1
#define XENSTORE_SERVER_FEATURE_ERROR 2
#define XENSTORE_SERVER_FEATURE_WATCHDEPTH 4
#define XENSTORE_SERVER_FEATURE_DOMID_ANY 8

/* Values of connection. */
#define XENSTORE_CONNECTED 0
#define XENSTORE_RECONNECT 1

/* Values of error. */
#define XENSTORE_ERROR_NONE 0
#define XENSTORE_ERROR_COMM 1
#define XENSTORE_ERROR_RINGIDX 2
#define XENSTORE_ERROR_PROTO 3

#endif
