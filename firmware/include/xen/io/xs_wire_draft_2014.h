/*
 * NOT UPSTREAM: the two words that the 2014 draft of the closing protocol put after the indices.
 * The draft never went in; feature bits and a connection word took its place. The draft's own
 * offsets are not known, so these are where its successors landed.
 */
#ifndef XEN_IO_XS_WIRE_DRAFT_2014_H
#define XEN_IO_XS_WIRE_DRAFT_2014_H

#include <stddef.h>
#include <stdint.h>
#include <xen/io/xs_wire.h>

struct xenstore_domain_interface_draft_2014 {
    char req[XENSTORE_RING_SIZE];
    char rsp[XENSTORE_RING_SIZE];
    XENSTORE_RING_IDX req_cons;
    XENSTORE_RING_IDX req_prod;
    XENSTORE_RING_IDX rsp_cons;
    XENSTORE_RING_IDX rsp_prod;
    uint32_t version;       /* written by the server: 0 the old ring, 1 it can be closed */
    uint32_t close_request; /* the guest sets it to 1, the server sets it back to 0 */
};

_Static_assert(offsetof(struct xenstore_domain_interface_draft_2014, req) == 0, "");
_Static_assert(offsetof(struct xenstore_domain_interface_draft_2014, rsp) == 1024, "");
_Static_assert(offsetof(struct xenstore_domain_interface_draft_2014, req_cons) == 2048, "");
_Static_assert(offsetof(struct xenstore_domain_interface_draft_2014, req_prod) == 2052, "");
_Static_assert(offsetof(struct xenstore_domain_interface_draft_2014, rsp_cons) == 2056, "");
_Static_assert(offsetof(struct xenstore_domain_interface_draft_2014, rsp_prod) == 2060, "");
_Static_assert(offsetof(struct xenstore_domain_interface_draft_2014, version) == 2064, "");
_Static_assert(offsetof(struct xenstore_domain_interface_draft_2014, close_request) == 2068, "");

#endif
