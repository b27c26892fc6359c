/* HVM operations. Same names as Xen's public/hvm/hvm_op.h. */
#ifndef XEN_HVM_HVM_OP_H
#define XEN_HVM_HVM_OP_H

#include <stddef.h>
#include <stdint.h>

#define HVMOP_get_param 1

struct xen_hvm_param {
    uint16_t domid;
    uint16_t pad;
    uint32_t index;
    uint64_t value;
};

_Static_assert(offsetof(struct xen_hvm_param, domid) == 0, "");
_Static_assert(offsetof(struct xen_hvm_param, pad) == 2, "");
_Static_assert(offsetof(struct xen_hvm_param, index) == 4, "");
_Static_assert(offsetof(struct xen_hvm_param, value) == 8, "");
_Static_assert(sizeof(struct xen_hvm_param) == 16, "");

#endif
