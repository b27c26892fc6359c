#include <reset.h>
#include <shared.h>
#include <xenbus.h>

void reset_poison_fill(void)
{
    struct xenstore_domain_interface *ring = xenbus_ring();

    fill_shared(ring->req, 0xff, sizeof(ring->req));
    fill_shared(ring->rsp, 0xff, sizeof(ring->rsp));
}

/* The order of the stores is part of the contract: see reset.h. */
void reset_indices(void)
{
    struct xenstore_domain_interface *ring = xenbus_ring();

    WRITE_ONCE(ring->req_prod, 0);
    WRITE_ONCE(ring->req_cons, 0);
    WRITE_ONCE(ring->rsp_prod, 0);
    WRITE_ONCE(ring->rsp_cons, 0);
}

__attribute__((noinline)) void reset_poison(void)
{
    reset_poison_fill();
    reset_indices();
}
