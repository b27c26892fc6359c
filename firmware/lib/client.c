/*
 * The program of an image that has none of its own: it is frontend, but for the parts of the client
 * that the image defines.
 */
#include <requests.h>
#include <stage.h>
#include <xenbus.h>

__attribute__((weak)) void image_main(const char *command_line)
{
    requests_begin(WRONG_STRANGE_EVENTS);
    xenbus_drop_leftovers();
    requests_run(command_line);
    power_off();
}
