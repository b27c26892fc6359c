/*
 * Stands for the first proposal of a closing protocol, from 2014: a protocol version and a
 * close-request flag.
 *
 * Where the server's version is at least 1 the guest sets the flag, signals, and waits until the
 * server has reset the ring and cleared the flag. The guest may write the flag only while it is 0,
 * the server only while it is not. An older server gets a reset by hand, as in reset-poison. The
 * two words are described in xen/io/xs_wire_draft_2014.h; they never became part of Xen.
 */
#include <console.h>
#include <requests.h>
#include <reset.h>
#include <shared.h>
#include <stage.h>
#include <xen/io/xs_wire_draft_2014.h>
#include <xenbus.h>

static __attribute__((noinline)) void close_ring(struct xenstore_domain_interface_draft_2014 *ring)
{
    WRITE_ONCE(ring->close_request, 1);
    xenbus_signal();
    while (READ_ONCE(ring->close_request) != 0)
        xenbus_wait();
}

void image_main(const char *command_line)
{
    struct xenstore_domain_interface_draft_2014 *ring;

    requests_begin(SKIP_STRANGE_EVENTS);
    requests_run(command_line);
    ring = (struct xenstore_domain_interface_draft_2014 *)xenbus_ring();
    if (READ_ONCE(ring->version) >= 1) {
        close_ring(ring);
    } else {
        print("the ring cannot be closed: reset by hand\n");
        reset_poison();
    }
    hand_over();
}
