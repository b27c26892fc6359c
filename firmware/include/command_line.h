/* A line of the command line, taken apart. The language is described in requests.h. */
#ifndef COMMAND_LINE_H
#define COMMAND_LINE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct request {
    struct slice line; /* all of it, for messages */
    struct slice verb;
    struct slice key;   /* empty where there is none */
    struct slice error; /* the same */
    struct slice value;
    bool has_value;
    bool has_tx_id;
    uint32_t tx_id;
    struct slice tx_name; /* instead of an id; empty where there is none */
};

/* Take the next line off `rest`; false at the end. Empty lines are passed over. */
bool command_line_next(const char **rest, struct request *request);

/* End the stage in an assertion that says what is wrong with the line, unless `makes_sense`. */
void command_line_require(const struct request *request, bool makes_sense, const char *otherwise);

/* Take the first word, and the space behind it, off the front. */
struct slice take_word(struct slice *rest);

/* Read a decimal number that fills all of `text`. */
bool parse_number(struct slice text, uint32_t *number);

#endif
