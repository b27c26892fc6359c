/*
 * The requests of an image's command line, one to a line.
 *
 *   read KEY                 any answer will do, an error too
 *   read KEY=VALUE           the answer must be VALUE (which may be empty)
 *   write KEY=VALUE
 *   mkdir KEY
 *   rm KEY
 *   directory KEY            any answer will do, an error too
 *   directory KEY=A,B        the answer must be these names, in this order (none: "KEY=")
 *   directory-part KEY       from the beginning; any answer will do
 *   directory-part KEY FROM  from that byte of the list on
 *   directory-part KEY=A,B   the answer must be these names, and the last part; with a comma at the
 *                            end: not the last part
 *   get-perms KEY            any answer will do, an error too
 *   get-perms KEY=n1,r0      the answer must be these entries
 *   set-perms KEY=n1,r0
 *   watch KEY                the token is KEY
 *   watch KEY TOKEN
 *   watch KEY TOKEN DEPTH    only for servers that offer depths
 *   unwatch KEY              the same with TOKEN
 *   event KEY                wait until the watch KEY has fired; each event counts once. The same
 *                            with TOKEN
 *   until KEY=VALUE          read it; while the answer is another, wait for an event of a watch on
 *                            KEY, and read it again
 *   reset-watches
 *   transaction              start one and leave it open: what follows is part of it
 *   transaction NAME         start one, of which only "tx NAME" is part
 *   commit                   end the open transaction
 *   abort                    drop the open transaction
 *   get-domain-path ID       any answer will do, an error too
 *   get-domain-path ID=PATH  the answer must be PATH
 *   message TYPE=BYTES       a request of any type, by its number, with BYTES as its payload
 *   send KEY                 a read whose answer nobody waits for: a request in flight
 *   raw=BYTES                these bytes, on the ring as they are; nobody waits for an answer
 *   partial KEY              the first half of a read; nothing can be sent after it
 *   suspend                  stand still until the toolstack resumes the domain
 *
 * After the verb and its KEY, and before any "=VALUE", "!ERROR" says that the answer must be that
 * error: "read KEY!ENOENT", "write KEY!EACCES=VALUE", "commit!EAGAIN". Without it the answer must
 * be a success. "tx ID " before a request sends it with that transaction id, "tx NAME " with that
 * of an open transaction; "tx NAME commit" and "tx NAME abort" end it. A NAME begins with a
 * lower-case letter. A KEY has no "=" and no "!", a VALUE has no newline. In values and tokens "\xNN"
 * is the byte with that number (two digits of 0-9 and a-f), "\\" a backslash. Empty lines mean
 * nothing.
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
