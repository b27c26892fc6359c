/*
 * The first instructions of every image: PVH entry, in 32-bit flat protected mode without paging,
 * ebx = physical address of struct hvm_start_info.
 */
#include <xen/elfnote.h>

    .section .note.Xen, "a", @note
    .balign 4
    .long 4f - 3f
    .long 6f - 5f
    .long XEN_ELFNOTE_PHYS32_ENTRY
3:  .asciz "Xen"
4:  .balign 4
5:  .long _start
6:  .balign 4

    .section .text.entry, "ax", @progbits
    .code32
    .globl _start
    .type _start, @function
_start:
    cli
    cld
    lgdt gdt_pointer
    mov $SELECTOR_DATA32, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %fs
    mov %eax, %gs
    mov %eax, %ss
    ljmp $SELECTOR_CODE32, $1f
1:  mov $stack_top, %esp
    xor %ebp, %ebp
    sub $12, %esp               /* the ABI wants esp + 4 aligned to 16 at a function's start */
    push %ebx
    call stage_begin
    ud2
    .size _start, . - _start

    .section .rodata, "a", @progbits
    .balign 8
gdt:
    .quad 0
    .quad 0x00cf9a000000ffff    /* 32-bit code, base 0, limit 4 GiB */
    .quad 0x00cf92000000ffff    /* 32-bit data, base 0, limit 4 GiB */
    .quad 0x00009a000000ffff    /* 16-bit code, base 0, limit 64 KiB: what real mode has */
    .quad 0x000092000000ffff    /* 16-bit data, base 0, limit 64 KiB */
gdt_end:
gdt_pointer:
    .word gdt_end - gdt - 1
    .long gdt

    .set SELECTOR_CODE32, 0x08
    .set SELECTOR_DATA32, 0x10

    .section .bss
    .balign 16
    /* By this symbol a search knows which memory below the stack pointer is dead. */
    .type stack, @object
    .size stack, 0x4000
stack:
    .skip 0x4000
stack_top:
