/*
 * Stands for hvmloader since 2014 where the server offers reconnection: it uses the ring, then has
 * the server close it.
 *
 * xenstore-ring.txt, "The ring reconnection feature": the guest sets `connection` to 1, signals,
 * and looks at nothing else in the ring until the server has set it back to 0. Without the bit in
 * server_features it resets by hand, as reset-poison does. Bits that it does not know change
 * nothing.
 */
#include <close.h>
#include <console.h>
#include <requests.h>
#include <reset.h>
#include <stage.h>

void image_main(const char *command_line)
{
    requests_begin(SKIP_STRANGE_EVENTS);
    requests_run(command_line);
    if (close_offered()) {
        close_ask();
        close_wait();
    } else {
        print("no reconnection offered: reset by hand\n");
        reset_poison();
    }
    hand_over();
}
