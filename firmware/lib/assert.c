#include <assert.h>
#include <console.h>
#include <hypercall.h>
#include <xen/sched.h>

void assert_failed(const char *file, unsigned int line, const char *condition)
{
    print(file);
    print(":");
    print_number(line);
    print(": assertion '");
    print(condition);
    print("' failed\n");
    sched_shutdown(SHUTDOWN_crash);
}
