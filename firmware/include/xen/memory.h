/* Memory operations. Same names as Xen's public/memory.h. */
#ifndef XEN_MEMORY_H
#define XEN_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#define XENMEM_add_to_physmap 7

#define XENMAPSPACE_shared_info 0

struct xen_add_to_physmap {
    uint16_t domid;
    uint16_t size;
    uint32_t space;
    uint32_t idx;
    uint32_t gpfn;
};

_Static_assert(offsetof(struct xen_add_to_physmap, domid) == 0, "");
_Static_assert(offsetof(struct xen_add_to_physmap, size) == 2, "");
_Static_assert(offsetof(struct xen_add_to_physmap, space) == 4, "");
_Static_assert(offsetof(struct xen_add_to_physmap, idx) == 8, "");
_Static_assert(offsetof(struct xen_add_to_physmap, gpfn) == 12, "");
_Static_assert(sizeof(struct xen_add_to_physmap) == 16, "");

#endif
