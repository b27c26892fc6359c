/*
 * Stands for a guest that gets the closing protocol wrong: it asks for a close, and zeroes the
 * indices itself as well.
 *
 * It looks harmless, because the server is going to zero them anyway. But the server may be in the
 * middle of a look at the ring that began before it was asked, and then this is the torn reset
 * again. reconnect does it right. Only for servers that offer reconnection.
 */
#include <assert.h>
#include <close.h>
#include <requests.h>
#include <reset.h>
#include <stage.h>

void image_main(const char *command_line)
{
    requests_begin(SKIP_STRANGE_EVENTS);
    requests_run(command_line);
    ASSERT(close_offered());
    close_ask();
    reset_indices();
    close_wait();
    hand_over();
}
