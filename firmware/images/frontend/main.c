/*
 * Stands for a guest's kernel, the last stage: it takes over the ring as it finds it, and connects
 * a paravirtual driver.
 *
 * As Linux does, it waits where a reconnection is in progress, drops what was left in the reply
 * ring, and then talks to the server as its command line says; for a block device that is reading
 * the backend and the ring's details under device/vbd/51712, writing its own state and reading it
 * back. Every answer is compared. The event of a watch that it did not set is a wrong reply too:
 * that watch should have died with the connection of the stage that set it. It ends by powering
 * off, and an empty command line asks for nothing before that.
 */
#include <requests.h>
#include <stage.h>
#include <xenbus.h>

void image_main(const char *command_line)
{
    requests_begin(WRONG_STRANGE_EVENTS);
    xenbus_drop_leftovers();
    requests_run(command_line);
    power_off();
}
