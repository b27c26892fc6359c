#include <assert.h>
#include <spelling.h>
#include <stdint.h>
#include <xen/io/xs_wire.h>

/* No text is longer than what fits into a message, and the NUL that ends a list. */
static char bytes[XENSTORE_PAYLOAD_MAX + 1];
static uint32_t count;

static uint32_t digit(char c)
{
    if (c >= '0' && c <= '9')
        return (uint32_t)(c - '0');
    ASSERT(c >= 'a' && c <= 'f');
    return (uint32_t)(c - 'a') + 10;
}

/* Take what spells one byte off the front. */
static char take_byte(struct slice *rest)
{
    char byte = rest->start[0];
    size_t len = 1;

    if (byte == '\\') {
        ASSERT(rest->len >= 2);
        len = 2;
        if (rest->start[1] == 'x') {
            ASSERT(rest->len >= 4);
            len = 4;
            byte = (char)(digit(rest->start[2]) * 16 + digit(rest->start[3]));
        } else {
            ASSERT(rest->start[1] == '\\');
        }
    }
    rest->start += len;
    rest->len -= len;
    return byte;
}

static void put(char byte)
{
    ASSERT(count < sizeof(bytes));
    bytes[count++] = byte;
}

struct slice spelled_bytes(struct slice text)
{
    count = 0;
    while (text.len > 0)
        put(take_byte(&text));
    return (struct slice){bytes, count};
}

struct slice spelled_list(struct slice text)
{
    bool in_entry = false;

    count = 0;
    while (text.len > 0) {
        in_entry = text.start[0] != ',';
        if (in_entry) {
            put(take_byte(&text));
        } else {
            put('\0');
            text.start++;
            text.len--;
        }
    }
    if (in_entry)
        put('\0');
    return (struct slice){bytes, count};
}

bool spells(struct slice text, struct slice wanted)
{
    for (; text.len > 0 && wanted.len > 0; wanted.start++, wanted.len--)
        if (take_byte(&text) != wanted.start[0])
            return false;
    return text.len == wanted.len;
}

bool spell_the_same(struct slice left, struct slice right)
{
    while (left.len > 0 && right.len > 0)
        if (take_byte(&left) != take_byte(&right))
            return false;
    return left.len == right.len;
}
