/*
 * Having the server close the ring (xenstore-ring.txt, "The ring reconnection feature").
 *
 * The guest sets `connection` to 1, signals, and looks at nothing else in the ring until the
 * server has set it back to 0. By then the server has emptied both queues and dropped everything
 * of the old connection.
 */
#ifndef CLOSE_H
#define CLOSE_H

#include <stdbool.h>

/* Whether the server offers it. Other bits of server_features mean nothing here. */
bool close_offered(void);

/* The first half: ask for it. The ring is the server's from here on. */
void close_ask(void);

/* The second half: wait until it is done. */
void close_wait(void);

#endif
