/*
 * Stands for a repair that does not work: the reset by hand, with the two indices of each
 * direction zeroed by one atomic store.
 *
 * It looks as if the race were in the guest's four stores: make them one, and the server could see
 * no mixture. But the server loads req_cons and req_prod one after the other. If the pair changes
 * between those two loads, however atomically, it still compares an old index with a new one. Only
 * asking the server to do the reset helps (see reconnect). One store for all four indices would
 * need a 16-byte store, which the general registers do not have, and would change nothing.
 */
#include <requests.h>
#include <reset.h>
#include <shared.h>
#include <stage.h>
#include <xenbus.h>

static void zero_pair(XENSTORE_RING_IDX *cons, XENSTORE_RING_IDX *prod)
{
    while (!compare_and_swap8((uint64_t *)cons,
                              (uint64_t)READ_ONCE(*prod) << 32 | READ_ONCE(*cons), 0))
        ;
}

static __attribute__((noinline)) void reset_atomic(void)
{
    struct xenstore_domain_interface *ring = xenbus_ring();

    reset_poison_fill();
    zero_pair(&ring->req_cons, &ring->req_prod);
    zero_pair(&ring->rsp_cons, &ring->rsp_prod);
}

void image_main(const char *command_line)
{
    requests_begin(SKIP_STRANGE_EVENTS);
    requests_run(command_line);
    reset_atomic();
    hand_over();
}
