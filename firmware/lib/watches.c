#include <asking.h>
#include <assert.h>
#include <console.h>
#include <spelling.h>
#include <watches.h>

/* More than any server lets a guest have: the one that is too many is for the server to refuse. */
#define WATCHES_MAX 160

static enum strange_events on_strange_event;

static struct watch {
    struct slice path;
    struct slice token; /* as the line spells it */
    uint32_t events;    /* that nobody has waited for yet */
} watches[WATCHES_MAX];
static uint32_t watches_count;

void watches_begin(enum strange_events strange)
{
    on_strange_event = strange;
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

/* KEY is PATH, or "PATH TOKEN", or "PATH TOKEN DEPTH". */
static struct watch named_watch(const struct request *request, struct slice *depth)
{
    struct slice rest = request->key;
    struct watch named = {.path = take_word(&rest)};

    named.token = rest.len > 0 ? take_word(&rest) : named.path;
    *depth = rest;
    return named;
}

static uint32_t find_watch(struct watch wanted)
{
    uint32_t i = 0;

    while (i < watches_count && !(slice_equal(watches[i].path, wanted.path) &&
                                  spell_the_same(watches[i].token, wanted.token)))
        i++;
    return i;
}

static void add_watch(struct watch watch)
{
    if (find_watch(watch) < watches_count)
        return;
    ASSERT(watches_count < WATCHES_MAX);
    watches[watches_count++] = watch;
}

/* Everything that begins with a slash is below the root. */
static bool is_watched_by(struct slice path, struct slice watched)
{
    if (slice_equal(watched, slice_of("/")))
        return path.len > 0 && path.start[0] == '/';
    return slice_is_below(path, watched);
}

void watches_handle_event(struct slice path, struct slice token)
{
    for (uint32_t i = 0; i < watches_count; i++) {
        if (spells(watches[i].token, token) && is_watched_by(path, watches[i].path)) {
            watches[i].events++;
            return;
        }
    }
    if (on_strange_event == WRONG_STRANGE_EVENTS)
        strange_watch_event(path, token);
}

void run_watch(const struct request *request)
{
    struct slice depth;
    struct watch watch = named_watch(request, &depth);

    body_add_text(watch.path);
    body_add_text(spelled_bytes(watch.token));
    if (depth.len > 0)
        body_add_text(depth);
    /* Before the answer, because the first event may come before it. */
    if (request->error.len == 0)
        add_watch(watch);
    ask_for_ok(request, XS_WATCH);
}

/* The watch stays known: an event that was on its way may still come. */
void run_unwatch(const struct request *request)
{
    struct slice nothing;
    struct watch watch = named_watch(request, &nothing);

    command_line_require(request, nothing.len == 0, "only watch has a depth");
    body_add_text(watch.path);
    body_add_text(spelled_bytes(watch.token));
    ask_for_ok(request, XS_UNWATCH);
}

void run_event(const struct request *request)
{
    struct slice nothing;
    uint32_t i = find_watch(named_watch(request, &nothing));

    command_line_require(request, nothing.len == 0, "only watch has a depth");
    command_line_require(request, i < watches_count, "that key is not watched");
    while (watches[i].events == 0)
        xenbus_receive_other();
    watches[i].events--;
}

/* Some watch on KEY, whatever its token. */
static struct watch *watch_on(struct slice path)
{
    for (uint32_t i = 0; i < watches_count; i++)
        if (slice_equal(watches[i].path, path))
            return &watches[i];
    return NULL;
}

void run_until(const struct request *request)
{
    struct watch *watch = watch_on(request->key);

    command_line_require(request, watch != NULL, "that key is not watched");
    command_line_require(request, expects_something(request), "it needs =VALUE or !ERROR");
    for (;;) {
        struct xenbus_reply reply;

        body_add_text(request->key);
        reply = ask(request, XS_READ);
        if (is_answer(expected_answer(request, spelled_bytes(request->value)), reply))
            return;
        while (watch->events == 0)
            xenbus_receive_other();
        watch->events--;
    }
}

void run_reset_watches(const struct request *request)
{
    body_add_text(slice_of(""));
    ask_for_ok(request, XS_RESET_WATCHES);
}
