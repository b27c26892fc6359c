#include <console.h>
#include <io.h>

#define XEN_HVM_DEBUGCONS_IOPORT 0xe9

/* Longer texts are of no use to a reader, and every byte is an exit to the hypervisor. */
#define PRINT_MAX 64

static void print_char(char c)
{
    outb(XEN_HVM_DEBUGCONS_IOPORT, (uint8_t)c);
}

void print(const char *text)
{
    for (; *text != '\0'; text++)
        print_char(*text);
}

void print_number(uint32_t number)
{
    if (number >= 10)
        print_number(number / 10);
    print_char((char)('0' + number % 10));
}

void print_bytes(const char *bytes, uint32_t len)
{
    static const char digits[] = "0123456789abcdef";

    for (uint32_t i = 0; i < len && i < PRINT_MAX; i++) {
        uint8_t byte = (uint8_t)bytes[i];

        if (byte >= ' ' && byte <= '~') {
            print_char((char)byte);
            continue;
        }
        print("\\x");
        print_char(digits[byte / 16]);
        print_char(digits[byte % 16]);
    }
    if (len > PRINT_MAX)
        print("...");
}

void print_quoted(const char *bytes, uint32_t len)
{
    print_char('"');
    print_bytes(bytes, len);
    print_char('"');
}
