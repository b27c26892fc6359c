#include <string.h>

void *memcpy(void *to, const void *from, size_t len)
{
    void *place = to;

    __asm__ volatile("rep movsb" : "+D"(place), "+S"(from), "+c"(len) : : "memory");
    return to;
}

void *memmove(void *to, const void *from, size_t len)
{
    char *last_to = (char *)to + len - 1;
    const char *last_from = (const char *)from + len - 1;

    if (to <= from)
        return memcpy(to, from, len);
    __asm__ volatile("std\n\t"
                     "rep movsb\n\t"
                     "cld"
                     : "+D"(last_to), "+S"(last_from), "+c"(len)
                     :
                     : "memory");
    return to;
}

void *memset(void *to, int byte, size_t len)
{
    void *place = to;

    __asm__ volatile("rep stosb" : "+D"(place), "+c"(len) : "a"(byte) : "memory");
    return to;
}

int memcmp(const void *left, const void *right, size_t len)
{
    const unsigned char *l = left;
    const unsigned char *r = right;

    for (size_t i = 0; i < len; i++)
        if (l[i] != r[i])
            return l[i] < r[i] ? -1 : 1;
    return 0;
}

size_t strlen(const char *text)
{
    size_t len = 0;

    while (text[len] != '\0')
        len++;
    return len;
}

struct slice slice_of(const char *text)
{
    return (struct slice){text, strlen(text)};
}

bool slice_equal(struct slice left, struct slice right)
{
    return left.len == right.len && memcmp(left.start, right.start, left.len) == 0;
}

bool slice_is_below(struct slice path, struct slice parent)
{
    if (path.len < parent.len || memcmp(path.start, parent.start, parent.len) != 0)
        return false;
    return path.len == parent.len || path.start[parent.len] == '/';
}
