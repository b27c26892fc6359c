#include <asking.h>
#include <command_line.h>
#include <hypercall.h>
#include <nodes.h>
#include <requests.h>
#include <spelling.h>
#include <transactions.h>
#include <watches.h>
#include <xenbus.h>

static bool half_sent;

static void run_get_domain_path(const struct request *request)
{
    struct xenbus_reply reply;

    body_add_text(request->key);
    reply = ask(request, XS_GET_DOMAIN_PATH);
    /* The answer has a NUL at its end, as a list of one has. */
    if (expects_something(request))
        expect(request, expected_answer(request, spelled_list(request->value)), reply);
}

static void run_message(const struct request *request)
{
    struct xenbus_reply reply;
    uint32_t type;

    command_line_require(request, parse_number(request->key, &type), "its key is a number");
    body_add(spelled_bytes(request->value));
    reply = ask(request, type);
    if (request->error.len > 0)
        expect(request, expected_answer(request, slice_of("")), reply);
    else if (reply.is_error)
        wrong_reply(request, (struct answer){false, slice_of("(no error)")},
                    (struct answer){true, reply.payload});
}

static void run_send(const struct request *request)
{
    body_add_text(request->key);
    xenbus_abandon(xenbus_send(XS_READ, transaction_of(request), body_take()));
}

static void run_raw(const struct request *request)
{
    xenbus_send_raw(spelled_bytes(request->value));
}

static void run_partial(const struct request *request)
{
    body_add_text(request->key);
    xenbus_send_half(XS_READ, transaction_of(request), body_take());
    half_sent = true;
}

static void run_suspend(const struct request *request)
{
    (void)request;
    sched_suspend();
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
    {"directory", run_directory, ALWAYS, MAYBE, MAYBE},
    {"directory-part", run_directory_part, ALWAYS, MAYBE, MAYBE},
    {"get-perms", run_get_perms, ALWAYS, MAYBE, MAYBE},
    {"set-perms", run_set_perms, ALWAYS, ALWAYS, MAYBE},
    {"watch", run_watch, ALWAYS, NEVER, MAYBE},
    {"unwatch", run_unwatch, ALWAYS, NEVER, MAYBE},
    {"event", run_event, ALWAYS, NEVER, NEVER},
    {"until", run_until, ALWAYS, MAYBE, MAYBE},
    {"reset-watches", run_reset_watches, NEVER, NEVER, MAYBE},
    {"transaction", run_transaction, MAYBE, NEVER, MAYBE},
    {"commit", run_commit, NEVER, NEVER, MAYBE},
    {"abort", run_abort, NEVER, NEVER, MAYBE},
    {"get-domain-path", run_get_domain_path, ALWAYS, MAYBE, MAYBE},
    {"message", run_message, ALWAYS, ALWAYS, MAYBE},
    {"send", run_send, ALWAYS, NEVER, NEVER},
    {"raw", run_raw, NEVER, ALWAYS, NEVER},
    {"partial", run_partial, ALWAYS, NEVER, NEVER},
    {"suspend", run_suspend, NEVER, NEVER, NEVER},
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
    watches_begin(strange);
    xenbus_setup(watches_handle_event);
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
