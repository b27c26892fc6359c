/*
 * Hypercall numbers and the page that Xen shares with each guest.
 * Same names as Xen's public/xen.h; the layout is that of a 32-bit guest.
 */
#ifndef XEN_XEN_H
#define XEN_XEN_H

#include <stddef.h>
#include <stdint.h>

/* Which entry of the hypercall page to call. */
#define __HYPERVISOR_memory_op 12
#define __HYPERVISOR_sched_op 29
#define __HYPERVISOR_event_channel_op 32
#define __HYPERVISOR_hvm_op 34

#define DOMID_SELF 0x7FF0

#define XEN_LEGACY_MAX_VCPUS 32

struct vcpu_info {
    uint8_t evtchn_upcall_pending;
    uint8_t evtchn_upcall_mask;
    uint32_t evtchn_pending_sel;
    uint32_t arch[6];
    uint32_t time[8];
};

_Static_assert(offsetof(struct vcpu_info, evtchn_upcall_pending) == 0, "");
_Static_assert(offsetof(struct vcpu_info, evtchn_upcall_mask) == 1, "");
_Static_assert(offsetof(struct vcpu_info, evtchn_pending_sel) == 4, "");
_Static_assert(offsetof(struct vcpu_info, arch) == 8, "");
_Static_assert(offsetof(struct vcpu_info, time) == 32, "");
_Static_assert(sizeof(struct vcpu_info) == 64, "");

struct shared_info {
    struct vcpu_info vcpu_info[XEN_LEGACY_MAX_VCPUS];
    uint32_t evtchn_pending[32];
    uint32_t evtchn_mask[32];
    uint32_t wc_version;
    uint32_t wc_sec;
    uint32_t wc_nsec;
};

_Static_assert(offsetof(struct shared_info, vcpu_info) == 0, "");
_Static_assert(offsetof(struct shared_info, evtchn_pending) == 0x800, "");
_Static_assert(offsetof(struct shared_info, evtchn_mask) == 0x880, "");
_Static_assert(offsetof(struct shared_info, wc_version) == 0x900, "");
_Static_assert(offsetof(struct shared_info, wc_sec) == 0x904, "");
_Static_assert(offsetof(struct shared_info, wc_nsec) == 0x908, "");

#endif
