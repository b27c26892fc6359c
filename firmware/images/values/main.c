/*
 * Stands for firmware that passes on what it reads: the values of its keys are in low memory when
 * it hands over, wherever in the ring the replies were.
 *
 * partial-copy is the same with a mistake of hvmloader's.
 */
#include <values.h>

void image_main(const char *command_line)
{
    values_main(command_line, GOES_ON);
}
