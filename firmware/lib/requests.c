#include <assert.h>
#include <command_line.h>
#include <console.h>
#include <hypercall.h>
#include <io.h>
#include <post.h>
#include <requests.h>
#include <xen/sched.h>
#include <xenbus.h>

#define WATCHES_MAX 32

#define NO_TRANSACTION 0

static enum strange_events on_strange_event;

static uint32_t open_transaction;
static bool half_sent;

static struct {
    struct slice key;
    uint32_t events; /* that nobody has waited for yet */
} watches[WATCHES_MAX];
static uint32_t watches_count;

static char body[XENSTORE_PAYLOAD_MAX];
static uint32_t body_len;

/* --- What a wrong reply looks like --- */

struct answer {
    bool is_error;
    struct slice text;
};

static void print_answer(struct answer answer)
{
    if (answer.is_error)
        print("error ");
    print_quoted(answer.text.start, answer.text.len);
}

static __attribute__((noreturn)) void give_up(void)
{
    print("\n");
    outb(POST_PORT, POST_WRONG_REPLY);
    sched_shutdown(SHUTDOWN_crash);
}

static __attribute__((noinline, noreturn, cold, nomerge)) void
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

static __attribute__((noinline, noreturn, cold, nomerge)) void
strange_watch_event(struct slice path, struct slice token)
{
    print("wrong reply: watch event ");
    print_bytes(path.start, path.len);
    print(": expected none, got token ");
    print_quoted(token.start, token.len);
    give_up();
}

static void expect(const struct request *request, struct answer expected, struct xenbus_reply reply)
{
    if (reply.is_error != expected.is_error || !slice_equal(reply.payload, expected.text))
        wrong_reply(request, expected, (struct answer){reply.is_error, reply.payload});
}

/* What the line says that the answer must be, where a success is `success`. */
static struct answer expected_answer(const struct request *request, struct slice success)
{
    if (request->error.len > 0)
        return (struct answer){true, request->error};
    return (struct answer){false, success};
}

/* The answer to everything that has none of its own; the NUL is part of it. */
static const struct slice ok = {"OK", 3};

/* --- Watches --- */

static uint32_t find_watch(struct slice key)
{
    uint32_t i = 0;

    while (i < watches_count && !slice_equal(watches[i].key, key))
        i++;
    return i;
}

static void add_watch(struct slice key)
{
    if (find_watch(key) < watches_count)
        return;
    ASSERT(watches_count < WATCHES_MAX);
    watches[watches_count].key = key;
    watches[watches_count].events = 0;
    watches_count++;
}

static void handle_watch_event(struct slice path, struct slice token)
{
    uint32_t i = find_watch(token);

    if (i < watches_count && slice_is_below(path, token))
        watches[i].events++;
    else if (on_strange_event == WRONG_STRANGE_EVENTS)
        strange_watch_event(path, token);
}

/* --- Requests --- */

static void body_add(struct slice bytes)
{
    ASSERT(bytes.len <= sizeof(body) - body_len);
    memcpy(body + body_len, bytes.start, bytes.len);
    body_len += bytes.len;
}

static void body_add_text(struct slice text)
{
    body_add(text);
    body_add((struct slice){"", 1});
}

static uint32_t tx_id_of(const struct request *request)
{
    return request->has_tx_id ? request->tx_id : open_transaction;
}

static struct slice take_body(void)
{
    struct slice taken = {body, body_len};

    body_len = 0;
    return taken;
}

static struct xenbus_reply ask(const struct request *request, enum xsd_sockmsg_type type)
{
    return xenbus_receive(xenbus_send(type, tx_id_of(request), take_body()), type);
}

static void ask_for_ok(const struct request *request, enum xsd_sockmsg_type type)
{
    expect(request, expected_answer(request, ok), ask(request, type));
}

static void run_read(const struct request *request)
{
    struct xenbus_reply reply;

    body_add_text(request->key);
    reply = ask(request, XS_READ);
    if (request->has_value || request->error.len > 0)
        expect(request, expected_answer(request, request->value), reply);
}

static void run_write(const struct request *request)
{
    body_add_text(request->key);
    body_add(request->value);
    ask_for_ok(request, XS_WRITE);
}

static void run_mkdir(const struct request *request)
{
    body_add_text(request->key);
    ask_for_ok(request, XS_MKDIR);
}

static void run_rm(const struct request *request)
{
    body_add_text(request->key);
    ask_for_ok(request, XS_RM);
}

static void run_watch(const struct request *request)
{
    body_add_text(request->key);
    body_add_text(request->key);
    /* Before the answer, because the first event may come before it. */
    if (request->error.len == 0)
        add_watch(request->key);
    ask_for_ok(request, XS_WATCH);
}

/* The watch stays known: an event that was on its way may still come. */
static void run_unwatch(const struct request *request)
{
    body_add_text(request->key);
    body_add_text(request->key);
    ask_for_ok(request, XS_UNWATCH);
}

static void run_event(const struct request *request)
{
    uint32_t i = find_watch(request->key);

    command_line_require(request, i < watches_count, "that key is not watched");
    while (watches[i].events == 0)
        xenbus_receive_other();
    watches[i].events--;
}

static void run_reset_watches(const struct request *request)
{
    body_add_text(slice_of(""));
    ask_for_ok(request, XS_RESET_WATCHES);
}

static void run_transaction(const struct request *request)
{
    struct xenbus_reply reply;
    struct slice digits;

    command_line_require(request, open_transaction == NO_TRANSACTION, "one is open already");
    body_add_text(slice_of(""));
    reply = ask(request, XS_TRANSACTION_START);
    if (request->error.len > 0) {
        expect(request, expected_answer(request, ok), reply);
        return;
    }
    digits = reply.payload;
    if (digits.len > 0 && digits.start[digits.len - 1] == '\0')
        digits.len--;
    if (reply.is_error || !parse_number(digits, &open_transaction) ||
        open_transaction == NO_TRANSACTION)
        wrong_reply(request, (struct answer){false, slice_of("(a number)")},
                    (struct answer){reply.is_error, reply.payload});
}

static void end_transaction(const struct request *request, const char *how)
{
    command_line_require(request, tx_id_of(request) != NO_TRANSACTION, "no transaction is open");
    body_add_text(slice_of(how));
    ask_for_ok(request, XS_TRANSACTION_END);
    if (!request->has_tx_id)
        open_transaction = NO_TRANSACTION;
}

static void run_commit(const struct request *request)
{
    end_transaction(request, "T");
}

static void run_abort(const struct request *request)
{
    end_transaction(request, "F");
}

static void run_send(const struct request *request)
{
    body_add_text(request->key);
    xenbus_abandon(xenbus_send(XS_READ, tx_id_of(request), take_body()));
}

static void run_partial(const struct request *request)
{
    body_add_text(request->key);
    xenbus_send_half(XS_READ, tx_id_of(request), take_body());
    half_sent = true;
}

enum need { NEVER, MAYBE, ALWAYS };

static const struct verb {
    const char *name;
    void (*run)(const struct request *request);
    enum need key;
    enum need value;
    enum need error;
} verbs[] = {
    {"read", run_read, ALWAYS, MAYBE, MAYBE},
    {"write", run_write, ALWAYS, ALWAYS, MAYBE},
    {"mkdir", run_mkdir, ALWAYS, NEVER, MAYBE},
    {"rm", run_rm, ALWAYS, NEVER, MAYBE},
    {"watch", run_watch, ALWAYS, NEVER, MAYBE},
    {"unwatch", run_unwatch, ALWAYS, NEVER, MAYBE},
    {"event", run_event, ALWAYS, NEVER, NEVER},
    {"reset-watches", run_reset_watches, NEVER, NEVER, MAYBE},
    {"transaction", run_transaction, NEVER, NEVER, MAYBE},
    {"commit", run_commit, NEVER, NEVER, MAYBE},
    {"abort", run_abort, NEVER, NEVER, MAYBE},
    {"send", run_send, ALWAYS, NEVER, NEVER},
    {"partial", run_partial, ALWAYS, NEVER, NEVER},
};

static const struct verb *find_verb(const struct request *request)
{
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (slice_equal(request->verb, slice_of(verbs[i].name)))
            return &verbs[i];
    command_line_require(request, false, "there is no such request");
    return NULL;
}

static void check_part(const struct request *request, enum need need, bool there,
                       const char *missing, const char *too_many)
{
    command_line_require(request, there || need != ALWAYS, missing);
    command_line_require(request, !there || need != NEVER, too_many);
}

void requests_begin(enum strange_events strange)
{
    on_strange_event = strange;
    xenbus_setup(handle_watch_event);
}

void requests_run(const char *command_line)
{
    struct request request;

    while (command_line_next(&command_line, &request)) {
        const struct verb *verb = find_verb(&request);

        check_part(&request, verb->key, request.key.len > 0, "it needs a key", "it takes no key");
        check_part(&request, verb->value, request.has_value, "it needs =VALUE",
                   "it takes no =VALUE");
        check_part(&request, verb->error, request.error.len > 0, "", "it takes no !ERROR");
        /* Where the value is what the answer must be, there cannot be an error too. */
        command_line_require(&request,
                             verb->value != MAYBE || !request.has_value || request.error.len == 0,
                             "it takes !ERROR or =VALUE, not both");
        command_line_require(&request, !half_sent, "nothing can be sent after partial");
        verb->run(&request);
    }
}
