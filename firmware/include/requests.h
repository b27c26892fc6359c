/*
 * The requests of an image's command line, one to a line.
 *
 *   read KEY                 any answer will do, an error too
 *   read KEY=VALUE           the answer must be VALUE (which may be empty)
 *   write KEY=VALUE
 *   mkdir KEY
 *   rm KEY
 *   watch KEY                the token is KEY
 *   unwatch KEY
 *   event KEY                wait until the watch KEY has fired; each event counts once
 *   reset-watches
 *   transaction              start one and leave it open: what follows is part of it
 *   commit                   end the open transaction
 *   abort                    drop the open transaction
 *   send KEY                 a read whose answer nobody waits for: a request in flight
 *   partial KEY              the first half of a read; nothing can be sent after it
 *
 * After the verb and its KEY, and before any "=VALUE", "!ERROR" says that the answer must be that
 * error: "read KEY!ENOENT", "write KEY!EACCES=VALUE", "commit!EAGAIN". Without it the answer must
 * be a success. "tx ID " before a request sends it with that transaction id. A KEY has no "=" and
 * no "!", a VALUE has no newline. Empty lines mean nothing.
 *
 * An answer that is well-formed but not what the line says is a wrong reply: one line on the
 * console, POST_WRONG_REPLY, and a crash. A line that makes no sense is a failed assertion.
 */
#ifndef REQUESTS_H
#define REQUESTS_H

/* What to make of the event of a watch that the command line did not ask for. */
enum strange_events {
    SKIP_STRANGE_EVENTS,  /* firmware looks at none */
    WRONG_STRANGE_EVENTS, /* a wrong reply: somebody else's watch has outlived its connection */
};

/* Set the client up: before anything that touches the ring. */
void requests_begin(enum strange_events strange);

/* Run them all, in order. */
void requests_run(const char *command_line);

#endif
