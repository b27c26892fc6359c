#include <asking.h>
#include <assert.h>
#include <console.h>
#include <hypercall.h>
#include <io.h>
#include <post.h>
#include <transactions.h>
#include <xen/sched.h>

static char body[XENSTORE_PAYLOAD_MAX];
static uint32_t body_len;

/* The answer to everything that has none of its own; the NUL is part of it. */
static const struct slice ok = {"OK", 3};

static void print_answer(struct answer answer)
{
    if (answer.is_error)
        print("error ");
    print_quoted(answer.text.start, answer.text.len);
}

__attribute__((noreturn)) void give_up(void)
{
    print("\n");
    outb(POST_PORT, POST_WRONG_REPLY);
    sched_shutdown(SHUTDOWN_crash);
}

__attribute__((noinline, noreturn, cold, nomerge)) void
wrong_reply(const struct request *request, struct answer expected, struct answer got)
{
    print("wrong reply: ");
    print_bytes(request->verb.start, request->verb.len);
    if (request->key.len > 0)
        print(" ");
    print_bytes(request->key.start, request->key.len);
    print(": expected ");
    print_answer(expected);
    print(", got ");
    print_answer(got);
    give_up();
}

bool is_answer(struct answer expected, struct xenbus_reply reply)
{
    return reply.is_error == expected.is_error && slice_equal(reply.payload, expected.text);
}

void expect(const struct request *request, struct answer expected, struct xenbus_reply reply)
{
    if (!is_answer(expected, reply))
        wrong_reply(request, expected, (struct answer){reply.is_error, reply.payload});
}

struct answer expected_answer(const struct request *request, struct slice success)
{
    if (request->error.len > 0)
        return (struct answer){true, request->error};
    return (struct answer){false, success};
}

bool expects_something(const struct request *request)
{
    return request->has_value || request->error.len > 0;
}

void body_add(struct slice bytes)
{
    ASSERT(bytes.len <= sizeof(body) - body_len);
    memcpy(body + body_len, bytes.start, bytes.len);
    body_len += bytes.len;
}

void body_add_text(struct slice text)
{
    body_add(text);
    body_add((struct slice){"", 1});
}

struct slice body_take(void)
{
    struct slice taken = {body, body_len};

    body_len = 0;
    return taken;
}

struct xenbus_reply ask_in(uint32_t tx_id, enum xsd_sockmsg_type type)
{
    return xenbus_receive(xenbus_send(type, tx_id, body_take()), type);
}

struct xenbus_reply ask(const struct request *request, enum xsd_sockmsg_type type)
{
    return ask_in(transaction_of(request), type);
}

void ask_for_ok(const struct request *request, enum xsd_sockmsg_type type)
{
    expect(request, expected_answer(request, ok), ask(request, type));
}
