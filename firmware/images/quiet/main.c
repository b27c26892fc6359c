/*
 * Stands for a guest that signals once behind each request, and never when it has taken something
 * out of the ring.
 *
 * hvmloader does so, and Linux does unless the ring was full. It is enough for a server that goes on
 * by itself as long as there is anything to do; one that waits to be told may wait for ever. It
 * takes "read KEY" and "watch KEY", and is the last stage.
 */
#include <stage.h>
#include <terse.h>

void image_main(const char *command_line)
{
    terse_run(command_line, true);
    power_off();
}
