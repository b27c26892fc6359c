/*
 * Stands for a kernel that is replaced by another one (kexec): it uses the ring, and hands over
 * without a word to the server.
 */
#include <requests.h>
#include <stage.h>

void image_main(const char *command_line)
{
    requests_begin(SKIP_STRANGE_EVENTS);
    requests_run(command_line);
    hand_over();
}
