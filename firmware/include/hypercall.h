/* Calls to Xen. */
#ifndef HYPERCALL_H
#define HYPERCALL_H

#include <assert.h>
#include <inline.h>
#include <stdint.h>
#include <xen/event_channel.h>
#include <xen/sched.h>
#include <xen/xen.h>

/* Xen fills it with one entry for each hypercall, 32 bytes apart. */
extern char hypercall_page[];

#define HYPERCALL(number, op, argument)                                                            \
    ({                                                                                             \
        uint32_t arg1_ = (op);                                                                     \
        void *arg2_ = (argument);                                                                  \
        int32_t result_;                                                                           \
                                                                                                   \
        __asm__ volatile("call hypercall_page + %c3 * 32"                                          \
                         : "=a"(result_), "+b"(arg1_), "+c"(arg2_)                                 \
                         : "i"(number)                                                             \
                         : "memory", "cc");                                                        \
        result_;                                                                                   \
    })

/* Find Xen and have it fill our hypercall page. Before anything else in this header. */
void hypercall_setup(void);

uint64_t hvm_param_get(uint32_t index);

/* Map the page of events that Xen keeps for us, the first time, and say where it is. */
struct shared_info *shared_info_get(void);

INLINE void event_channel_send(evtchn_port_t port)
{
    struct evtchn_send send = {.port = port};

    ASSERT(HYPERCALL(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &send) == 0);
}

INLINE void event_channel_unmask(evtchn_port_t port)
{
    struct evtchn_unmask unmask = {.port = port};

    ASSERT(HYPERCALL(__HYPERVISOR_event_channel_op, EVTCHNOP_unmask, &unmask) == 0);
}

/* Sleep until `port` is pending, or for no reason at all. */
INLINE void sched_poll(evtchn_port_t port)
{
    struct sched_poll poll = {.ports = &port, .nr_ports = 1, .timeout = 0};

    ASSERT(HYPERCALL(__HYPERVISOR_sched_op, SCHEDOP_poll, &poll) == 0);
}

/* Stand still until the toolstack lets the domain go on, here or elsewhere. */
INLINE void sched_suspend(void)
{
    struct sched_shutdown suspend = {.reason = SHUTDOWN_suspend};

    ASSERT(HYPERCALL(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &suspend) == 0);
}

/* Sleep until the upcall is pending, and let it be delivered. */
INLINE void sched_block(void)
{
    ASSERT(HYPERCALL(__HYPERVISOR_sched_op, SCHEDOP_block, NULL) == 0);
}

INLINE __attribute__((noreturn)) void sched_shutdown(uint32_t reason)
{
    struct sched_shutdown shutdown = {.reason = reason};

    HYPERCALL(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &shutdown);
    for (;;)
        __asm__ volatile("cli; hlt");
}

#endif
