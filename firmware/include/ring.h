/* Bytes in and out of the two buffers, for whoever has found out how many there are. */
#ifndef RING_H
#define RING_H

#include <inline.h>
#include <shared.h>
#include <xen/io/xs_wire.h>

INLINE uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* How many of `len` bytes go in one piece: not more than there is, nor beyond the buffer's end. */
INLINE uint32_t ring_part(XENSTORE_RING_IDX index, uint32_t there_is, uint32_t len)
{
    return least(least(there_is, len), XENSTORE_RING_SIZE - MASK_XENSTORE_IDX(index));
}

/* Store one piece of a request behind `prod`, and publish it. */
INLINE void ring_put(struct xenstore_domain_interface *ring, XENSTORE_RING_IDX prod,
                     const char *data, uint32_t part)
{
    copy_shared(ring->req + MASK_XENSTORE_IDX(prod), data, part);
    barrier();
    WRITE_ONCE(ring->req_prod, prod + part);
}

/* Load one piece of a reply from `cons` on, and give its room back. */
INLINE void ring_take(struct xenstore_domain_interface *ring, XENSTORE_RING_IDX cons, char *data,
                      uint32_t part)
{
    copy_shared(data, ring->rsp + MASK_XENSTORE_IDX(cons), part);
    barrier();
    WRITE_ONCE(ring->rsp_cons, cons + part);
}

#endif
