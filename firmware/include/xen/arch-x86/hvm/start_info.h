/* What a PVH guest gets in ebx. Same names as Xen's public/arch-x86/hvm/start_info.h. */
#ifndef XEN_ARCH_X86_HVM_START_INFO_H
#define XEN_ARCH_X86_HVM_START_INFO_H

#include <stddef.h>
#include <stdint.h>

#define XEN_HVM_START_MAGIC_VALUE 0x336ec578

struct hvm_start_info {
    uint32_t magic;
    uint32_t version;
    uint32_t flags;
    uint32_t nr_modules;
    uint64_t modlist_paddr;
    uint64_t cmdline_paddr;
    uint64_t rsdp_paddr;
    uint64_t memmap_paddr;
    uint32_t memmap_entries;
    uint32_t reserved;
};

_Static_assert(offsetof(struct hvm_start_info, magic) == 0, "");
_Static_assert(offsetof(struct hvm_start_info, version) == 4, "");
_Static_assert(offsetof(struct hvm_start_info, flags) == 8, "");
_Static_assert(offsetof(struct hvm_start_info, nr_modules) == 12, "");
_Static_assert(offsetof(struct hvm_start_info, modlist_paddr) == 16, "");
_Static_assert(offsetof(struct hvm_start_info, cmdline_paddr) == 24, "");
_Static_assert(offsetof(struct hvm_start_info, rsdp_paddr) == 32, "");
_Static_assert(offsetof(struct hvm_start_info, memmap_paddr) == 40, "");
_Static_assert(offsetof(struct hvm_start_info, memmap_entries) == 48, "");
_Static_assert(offsetof(struct hvm_start_info, reserved) == 52, "");
_Static_assert(sizeof(struct hvm_start_info) == 56, "");

#endif
