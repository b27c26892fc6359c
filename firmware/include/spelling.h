/*
 * Bytes as a line of text spells them: "\xNN" is any byte, "\\" a backslash, all else itself.
 */
#ifndef SPELLING_H
#define SPELLING_H

#include <string.h>

/* The bytes that a text spells; good until the next call of either. */
struct slice spelled_bytes(struct slice text);

/* The same for a list: a NUL ends each of its entries, where a comma stands between two. None where
 * the text is empty; a comma at the end adds no entry. */
struct slice spelled_list(struct slice text);

/* Whether a text spells these bytes. */
bool spells(struct slice text, struct slice bytes);

/* Whether two texts spell the same. */
bool spell_the_same(struct slice left, struct slice right);

#endif
