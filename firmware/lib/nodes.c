#include <asking.h>
#include <nodes.h>
#include <spelling.h>

void run_read(const struct request *request)
{
    struct xenbus_reply reply;

    body_add_text(request->key);
    reply = ask(request, XS_READ);
    if (expects_something(request))
        expect(request, expected_answer(request, spelled_bytes(request->value)), reply);
}

void run_write(const struct request *request)
{
    body_add_text(request->key);
    body_add(spelled_bytes(request->value));
    ask_for_ok(request, XS_WRITE);
}

void run_mkdir(const struct request *request)
{
    body_add_text(request->key);
    ask_for_ok(request, XS_MKDIR);
}

void run_rm(const struct request *request)
{
    body_add_text(request->key);
    ask_for_ok(request, XS_RM);
}

/* The answer is a list, and VALUE has its entries. */
static void ask_for_list(const struct request *request, enum xsd_sockmsg_type type)
{
    struct xenbus_reply reply = ask(request, type);

    if (expects_something(request))
        expect(request, expected_answer(request, spelled_list(request->value)), reply);
}

void run_directory(const struct request *request)
{
    body_add_text(request->key);
    ask_for_list(request, XS_DIRECTORY);
}

void run_get_perms(const struct request *request)
{
    body_add_text(request->key);
    ask_for_list(request, XS_GET_PERMS);
}

void run_set_perms(const struct request *request)
{
    body_add_text(request->key);
    body_add(spelled_list(request->value));
    ask_for_ok(request, XS_SET_PERMS);
}

/* The number in front says which state of the node the part belongs to. Nobody can foretell it. */
static void drop_generation(struct slice *part)
{
    while (part->len > 0 && part->start[0] != '\0') {
        part->start++;
        part->len--;
    }
    if (part->len > 0) {
        part->start++;
        part->len--;
    }
}

/* An empty name ends the last part. */
static bool take_end(struct slice *part)
{
    bool is_last = part->len > 0 && part->start[part->len - 1] == '\0' &&
                   (part->len == 1 || part->start[part->len - 2] == '\0');

    if (is_last)
        part->len--;
    return is_last;
}

void run_directory_part(const struct request *request)
{
    struct slice rest = request->key, value = request->value;
    bool ends = value.len == 0 || value.start[value.len - 1] != ',';
    struct xenbus_reply reply;
    struct answer got;

    body_add_text(take_word(&rest));
    body_add_text(rest.len > 0 ? rest : slice_of("0"));
    reply = ask(request, XS_DIRECTORY_PART);
    if (!request->has_value) {
        if (request->error.len > 0)
            expect(request, expected_answer(request, slice_of("")), reply);
        return;
    }
    got = (struct answer){reply.is_error, reply.payload};
    if (!got.is_error) {
        drop_generation(&got.text);
        if (take_end(&got.text) != ends)
            wrong_reply(request, (struct answer){false, slice_of(ends ? "(the last part)"
                                                                      : "(not the last part)")},
                        (struct answer){false, reply.payload});
        reply.payload = got.text;
    }
    expect(request, (struct answer){false, spelled_list(value)}, reply);
}
