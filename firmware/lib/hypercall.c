#include <hypercall.h>
#include <stddef.h>
#include <xen/arch-x86/cpuid.h>
#include <xen/hvm/hvm_op.h>
#include <xen/memory.h>

#define PAGE_SIZE 4096
#define PAGE_SHIFT 12

/* Where Xen's leaves may be, in steps of 0x100: another hypervisor's can come first. */
#define LAST_LEAF 0x40010000

/* Where we have Xen map the shared page: between the PCI hole and the firmware's special pages.
 * Linux takes the same address. */
#define SHARED_INFO_GPFN 0xfe700

char hypercall_page[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));

static void cpuid(uint32_t leaf, uint32_t *eax, uint32_t *ebx, uint32_t *ecx, uint32_t *edx)
{
    __asm__ volatile("cpuid"
                     : "=a"(*eax), "=b"(*ebx), "=c"(*ecx), "=d"(*edx)
                     : "a"(leaf), "c"(0));
}

static void wrmsr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "A"(value) : "memory");
}

static uint32_t find_xen(void)
{
    uint32_t max_leaf, ebx, ecx, edx;

    for (uint32_t base = XEN_CPUID_FIRST_LEAF; base < LAST_LEAF; base += 0x100) {
        cpuid(base, &max_leaf, &ebx, &ecx, &edx);
        if (ebx == XEN_CPUID_SIGNATURE_EBX && ecx == XEN_CPUID_SIGNATURE_ECX &&
            edx == XEN_CPUID_SIGNATURE_EDX && max_leaf >= base + 2)
            return base;
    }
    return 0;
}

void hypercall_setup(void)
{
    uint32_t xen = find_xen();
    uint32_t pages, msr, ecx, edx;

    ASSERT(xen != 0);
    cpuid(xen + 2, &pages, &msr, &ecx, &edx);
    ASSERT(pages == 1);
    wrmsr(msr, (uintptr_t)hypercall_page);
}

uint64_t hvm_param_get(uint32_t index)
{
    struct xen_hvm_param param = {.domid = DOMID_SELF, .index = index};

    ASSERT(HYPERCALL(__HYPERVISOR_hvm_op, HVMOP_get_param, &param) == 0);
    return param.value;
}

struct shared_info *shared_info_get(void)
{
    static struct shared_info *shared_info;

    if (shared_info == NULL) {
        struct xen_add_to_physmap map = {
            .domid = DOMID_SELF,
            .space = XENMAPSPACE_shared_info,
            .idx = 0,
            .gpfn = SHARED_INFO_GPFN,
        };

        ASSERT(HYPERCALL(__HYPERVISOR_memory_op, XENMEM_add_to_physmap, &map) == 0);
        shared_info = (struct shared_info *)((uintptr_t)SHARED_INFO_GPFN << PAGE_SHIFT);
    }
    return shared_info;
}
