/*
 * Stands for a guest that never signals.
 *
 * It puts its requests on the ring and waits for the answers. Where the server looks at the ring for
 * other reasons, all goes well, and nobody notices. It takes "read KEY" and "watch KEY", and is the
 * last stage.
 */
#include <stage.h>
#include <terse.h>

void image_main(const char *command_line)
{
    terse_run(command_line, false);
    power_off();
}
