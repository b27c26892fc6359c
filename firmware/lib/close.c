#include <close.h>
#include <shared.h>
#include <xenbus.h>

bool close_offered(void)
{
    return READ_ONCE(xenbus_ring()->server_features) & XENSTORE_SERVER_FEATURE_RECONNECTION;
}

__attribute__((noinline)) void close_ask(void)
{
    WRITE_ONCE(xenbus_ring()->connection, XENSTORE_RECONNECT);
    xenbus_signal();
}

__attribute__((noinline)) void close_wait(void)
{
    struct xenstore_domain_interface *ring = xenbus_ring();

    while (READ_ONCE(ring->connection) == XENSTORE_RECONNECT)
        xenbus_wait();
}
