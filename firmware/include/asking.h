/*
 * One request of the command line, asked and its answer judged. For the files that know what each
 * verb means; the language is described in requests.h.
 */
#ifndef ASKING_H
#define ASKING_H

#include <command_line.h>
#include <xenbus.h>

struct answer {
    bool is_error;
    struct slice text; /* of an error its name, without a NUL */
};

/* The payload of the next request, piece by piece. */
void body_add(struct slice bytes);
void body_add_text(struct slice text); /* and a NUL behind it */

/* The payload as it is now; the next one begins empty. */
struct slice body_take(void);

/* Send it as a request of this type in a transaction, and wait for the answer. */
struct xenbus_reply ask_in(uint32_t tx_id, enum xsd_sockmsg_type type);

/* The same in the transaction that the line is part of. */
struct xenbus_reply ask(const struct request *request, enum xsd_sockmsg_type type);

/* The same, and the answer must be "OK", or the error that the line says. */
void ask_for_ok(const struct request *request, enum xsd_sockmsg_type type);

/* What the line says that the answer must be, where a success is `success`. */
struct answer expected_answer(const struct request *request, struct slice success);

/* Whether the line says what the answer must be. */
bool expects_something(const struct request *request);

bool is_answer(struct answer expected, struct xenbus_reply reply);

/* A wrong reply, unless it is as expected. */
void expect(const struct request *request, struct answer expected, struct xenbus_reply reply);

__attribute__((noinline, noreturn, cold, nomerge)) void
wrong_reply(const struct request *request, struct answer expected, struct answer got);

/* End the stage; what is wrong was printed before. */
__attribute__((noreturn)) void give_up(void);

#endif
