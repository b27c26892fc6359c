/*
 * Stands for a guest that gets the closing protocol wrong: it asks for a close, and uses the ring
 * again without waiting for it.
 *
 * It makes its requests, asks, and makes them once more, as the next user of the ring would. That
 * the server may still be wiping the ring then is the mistake; reconnect does it right. Only for
 * servers that offer reconnection.
 */
#include <assert.h>
#include <close.h>
#include <requests.h>
#include <stage.h>

void image_main(const char *command_line)
{
    requests_begin(SKIP_STRANGE_EVENTS);
    requests_run(command_line);
    ASSERT(close_offered());
    close_ask();
    requests_run(command_line);
    hand_over();
}
