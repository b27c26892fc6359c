/*
 * Stands for hvmloader since 2014 where the server offers reconnection: it uses the ring, then has
 * the server close it.
 *
 * xenstore-ring.txt, "The ring reconnection feature": the guest sets `connection` to 1, signals,
 * and looks at nothing else in the ring until the server has set it back to 0. Without the bit in
 * server_features it resets by hand, as reset-poison does. Bits that it does not know change
 * nothing.
 */
#include <console.h>
#include <requests.h>
#include <reset.h>
#include <shared.h>
#include <stage.h>
#include <xenbus.h>

static __attribute__((noinline)) void close_ring(void)
{
    struct xenstore_domain_interface *ring = xenbus_ring();

    WRITE_ONCE(ring->connection, XENSTORE_RECONNECT);
    xenbus_signal();
    while (READ_ONCE(ring->connection) == XENSTORE_RECONNECT)
        xenbus_wait();
}

void image_main(const char *command_line)
{
    requests_begin(SKIP_STRANGE_EVENTS);
    requests_run(command_line);
    if (READ_ONCE(xenbus_ring()->server_features) & XENSTORE_SERVER_FEATURE_RECONNECTION) {
        close_ring();
    } else {
        print("no reconnection offered: reset by hand\n");
        reset_poison();
    }
    hand_over();
}
