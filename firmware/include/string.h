/* Memory and text that nobody else can see. For shared memory see shared.h. */
#ifndef STRING_H
#define STRING_H

#include <stdbool.h>
#include <stddef.h>

void *memcpy(void *to, const void *from, size_t len);
void *memmove(void *to, const void *from, size_t len);
void *memset(void *to, int byte, size_t len);
int memcmp(const void *left, const void *right, size_t len);
size_t strlen(const char *text);

/* Bytes with a length, of which nobody owns a copy. */
struct slice {
    const char *start;
    size_t len;
};

struct slice slice_of(const char *text);
bool slice_equal(struct slice left, struct slice right);

/* Whether `path` is `parent`, or below it in the store. */
bool slice_is_below(struct slice path, struct slice parent);

#endif
