#include <assert.h>
#include <command_line.h>
#include <console.h>

void command_line_require(const struct request *request, bool makes_sense, const char *otherwise)
{
    if (!makes_sense) {
        print("command line: ");
        print_quoted(request->line.start, request->line.len);
        print(": ");
        print(otherwise);
        print("\n");
    }
    ASSERT(makes_sense);
}

bool parse_number(struct slice text, uint32_t *number)
{
    uint64_t result = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.start[i] < '0' || text.start[i] > '9')
            return false;
        result = result * 10 + (uint64_t)(text.start[i] - '0');
        if (result > UINT32_MAX)
            return false;
    }
    *number = (uint32_t)result;
    return text.len > 0;
}

/* Take bytes off the front of `rest` up to any of `stops`, or all of it. */
static struct slice take_until(struct slice *rest, const char *stops)
{
    struct slice taken = {rest->start, 0};

    while (taken.len < rest->len) {
        for (const char *stop = stops; *stop != '\0'; stop++)
            if (taken.start[taken.len] == *stop)
                goto found;
        taken.len++;
    }
found:
    rest->start += taken.len;
    rest->len -= taken.len;
    return taken;
}

static bool take_char(struct slice *rest, char c)
{
    if (rest->len == 0 || *rest->start != c)
        return false;
    rest->start++;
    rest->len--;
    return true;
}

struct slice take_word(struct slice *rest)
{
    struct slice word = take_until(rest, " ");

    take_char(rest, ' ');
    return word;
}

/* After "tx": an id, or the name of a transaction, which begins with a letter. */
static void parse_tx(struct request *request, struct slice *rest)
{
    struct slice id;
    bool understood;

    understood = take_char(rest, ' ');
    id = take_word(rest);
    if (id.len > 0 && id.start[0] >= 'a' && id.start[0] <= 'z')
        request->tx_name = id;
    else
        request->has_tx_id = parse_number(id, &request->tx_id);
    command_line_require(request,
                         understood && rest->len > 0 &&
                             (request->has_tx_id || request->tx_name.len > 0),
                         "tx needs a number or a name, and a request");
}

static void parse(struct request *request)
{
    struct slice rest = request->line;

    request->verb = take_until(&rest, " !=");
    if (slice_equal(request->verb, slice_of("tx"))) {
        parse_tx(request, &rest);
        request->verb = take_until(&rest, " !=");
    }
    if (take_char(&rest, ' ')) {
        request->key = take_until(&rest, "!=");
        command_line_require(request, request->key.len > 0, "there is no key after the space");
    }
    if (take_char(&rest, '!')) {
        request->error = take_until(&rest, "=");
        command_line_require(request, request->error.len > 0, "there is no error after the !");
    }
    request->has_value = take_char(&rest, '=');
    if (request->has_value)
        request->value = rest;
}

bool command_line_next(const char **rest, struct request *request)
{
    while (**rest == '\n')
        (*rest)++;
    if (**rest == '\0')
        return false;

    *request = (struct request){.line = {*rest, 0}};
    while (**rest != '\n' && **rest != '\0')
        (*rest)++;
    request->line.len = (size_t)(*rest - request->line.start);
    parse(request);
    return true;
}
