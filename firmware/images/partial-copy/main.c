/*
 * Stands for hvmloader before 2015, where a reply comes in two pieces: the second one is copied to
 * the beginning again, over the first.
 *
 * A payload that crosses the end of the ring's buffer, or of which the server had written only a
 * part, is garbled, and nothing says so. (hvmloader did the same to headers and to requests, which
 * shows: the stream is out of step from there on.)
 */
#include <values.h>

void image_main(const char *command_line)
{
    values_main(command_line, STARTS_AGAIN);
}
