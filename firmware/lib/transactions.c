#include <asking.h>
#include <assert.h>
#include <transactions.h>

/* More than any server lets a guest have. */
#define TRANSACTIONS_MAX 16

#define NO_TRANSACTION 0

static uint32_t open_transaction;

static struct {
    struct slice name;
    uint32_t id;
} named[TRANSACTIONS_MAX];
static uint32_t named_count;

static uint32_t find_named(struct slice name)
{
    uint32_t i = 0;

    while (i < named_count && !slice_equal(named[i].name, name))
        i++;
    return i;
}

uint32_t transaction_of(const struct request *request)
{
    uint32_t i;

    if (request->tx_name.len == 0)
        return request->has_tx_id ? request->tx_id : open_transaction;
    i = find_named(request->tx_name);
    command_line_require(request, i < named_count, "no transaction of that name is open");
    return named[i].id;
}

/* One with a name is begun outside of the open one: a server refuses one inside of another. */
static uint32_t begun_in(const struct request *request)
{
    bool says_where = request->has_tx_id || request->tx_name.len > 0;

    return says_where ? transaction_of(request) : NO_TRANSACTION;
}

static uint32_t id_in(const struct request *request, struct xenbus_reply reply)
{
    struct slice digits = reply.payload;
    uint32_t id;

    if (digits.len > 0 && digits.start[digits.len - 1] == '\0')
        digits.len--;
    if (reply.is_error || !parse_number(digits, &id) || id == NO_TRANSACTION)
        wrong_reply(request, (struct answer){false, slice_of("(a number)")},
                    (struct answer){reply.is_error, reply.payload});
    return id;
}

void run_transaction(const struct request *request)
{
    bool has_name = request->key.len > 0;
    struct xenbus_reply reply;

    if (has_name) {
        command_line_require(request, find_named(request->key) == named_count,
                             "one of that name is open already");
    } else {
        command_line_require(request, open_transaction == NO_TRANSACTION, "one is open already");
    }
    body_add_text(slice_of(""));
    reply = ask_in(begun_in(request), XS_TRANSACTION_START);
    if (request->error.len > 0) {
        expect(request, expected_answer(request, slice_of("")), reply);
        return;
    }
    if (!has_name) {
        open_transaction = id_in(request, reply);
        return;
    }
    ASSERT(named_count < TRANSACTIONS_MAX);
    named[named_count].name = request->key;
    named[named_count].id = id_in(request, reply);
    named_count++;
}

static void end_transaction(const struct request *request, const char *how)
{
    command_line_require(request, transaction_of(request) != NO_TRANSACTION,
                         "no transaction is open");
    body_add_text(slice_of(how));
    ask_for_ok(request, XS_TRANSACTION_END);
    if (request->tx_name.len > 0)
        named[find_named(request->tx_name)] = named[--named_count];
    else if (!request->has_tx_id)
        open_transaction = NO_TRANSACTION;
}

void run_commit(const struct request *request)
{
    end_transaction(request, "T");
}

void run_abort(const struct request *request)
{
    end_transaction(request, "F");
}
