/*
 * Stands for hvmloader since 2014 where the server offers no reconnection: it uses the ring, then
 * resets it by hand.
 *
 * This image never asks for reconnection: it resets by hand even where the bit is set, so that the
 * fallback can be watched alone. What the reset does, and in which order, is in lib/reset.c.
 */
#include <requests.h>
#include <reset.h>
#include <stage.h>

void image_main(const char *command_line)
{
    requests_begin(SKIP_STRANGE_EVENTS);
    requests_run(command_line);
    reset_poison();
    hand_over();
}
