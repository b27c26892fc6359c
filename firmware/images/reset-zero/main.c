/*
 * Stands for hvmloader from 2009 to 2014: it uses the ring, then sets all of it to zero.
 *
 * The structure ended after the four indices in those days, and it is zeroed from its first byte
 * to its last, one byte at a time: the buffers, then req_cons, req_prod, rsp_cons, rsp_prod.
 * While that goes on req_cons is 0 and req_prod is not, which looks like a request that waits,
 * and the zeroes in the buffer look like requests of type XS_CONTROL.
 */
#include <requests.h>
#include <shared.h>
#include <stage.h>
#include <xenbus.h>

#define RING_SIZE_UNTIL_2014 offsetof(struct xenstore_domain_interface, server_features)

static __attribute__((noinline)) void reset_zero(void)
{
    fill_shared(xenbus_ring(), 0, RING_SIZE_UNTIL_2014);
}

void image_main(const char *command_line)
{
    requests_begin(SKIP_STRANGE_EVENTS);
    requests_run(command_line);
    reset_zero();
    hand_over();
}
