/* Scheduler operations. Same names as Xen's public/sched.h. */
#ifndef XEN_SCHED_H
#define XEN_SCHED_H

#include <stddef.h>
#include <stdint.h>
#include <xen/event_channel.h>

#define SCHEDOP_block 1
#define SCHEDOP_shutdown 2
#define SCHEDOP_poll 3

#define SHUTDOWN_poweroff 0
#define SHUTDOWN_suspend 2
#define SHUTDOWN_crash 3

struct sched_shutdown {
    uint32_t reason;
};

_Static_assert(offsetof(struct sched_shutdown, reason) == 0, "");
_Static_assert(sizeof(struct sched_shutdown) == 4, "");

struct sched_poll {
    evtchn_port_t *ports;
    uint32_t nr_ports;
    uint64_t timeout;
};

_Static_assert(offsetof(struct sched_poll, ports) == 0, "");
_Static_assert(offsetof(struct sched_poll, nr_ports) == 4, "");
_Static_assert(offsetof(struct sched_poll, timeout) == 8, "");
_Static_assert(sizeof(struct sched_poll) == 16, "");

#endif
