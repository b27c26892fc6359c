/*
 * Stands for hvmloader's first attempt, in 2010, to clear its event before it hands over: right for
 * the first four ports, wrong for all others.
 *
 * It uses the ring, and has the server close it where that is offered. Then it forgets the upcall,
 * as firmware does that has nobody to tell, and clears what it takes for the event's bit: the words
 * of the array and the bits of a word are counted as if a word had sizeof(long) bits.
 */
#include <close.h>
#include <hypercall.h>
#include <requests.h>
#include <reset.h>
#include <shared.h>
#include <stage.h>
#include <xenbus.h>

static __attribute__((noinline)) void clear_the_event(void)
{
    struct shared_info *shared_info = shared_info_get();
    uint32_t word = xenbus_event_channel / sizeof(unsigned long);
    uint32_t bit = xenbus_event_channel % sizeof(unsigned long);

    WRITE_ONCE_BYTE(shared_info->vcpu_info[0].evtchn_upcall_pending, 0);
    WRITE_ONCE(shared_info->vcpu_info[0].evtchn_pending_sel, 0);
    (void)test_and_clear_bit(bit, &shared_info->evtchn_pending[word]);
}

void image_main(const char *command_line)
{
    requests_begin(SKIP_STRANGE_EVENTS);
    requests_run(command_line);
    if (close_offered()) {
        close_ask();
        close_wait();
    } else {
        reset_poison();
    }
    clear_the_event();
    trampoline_run();
}
