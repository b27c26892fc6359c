/*
 * Back to real mode and on to the reset vector. The way there needs code below 1 MiB, because the
 * instruction after the change of mode is fetched with a 16-bit segment. It is copied to
 * TRAMPOLINE, which spares the real-mode interrupt table at 0.
 */
    .set TRAMPOLINE, 0x8000
    .set SELECTOR_CODE16, 0x18
    .set SELECTOR_DATA16, 0x20

    .section .text.trampoline, "ax", @progbits
    .code32
    .globl trampoline_run
    .type trampoline_run, @function
trampoline_run:
    cli
    cld
    mov $trampoline_start, %esi
    mov $TRAMPOLINE, %edi
    mov $(trampoline_end - trampoline_start), %ecx
    rep movsb
    mov $SELECTOR_DATA16, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %fs
    mov %eax, %gs
    mov %eax, %ss
    ljmp $SELECTOR_CODE16, $TRAMPOLINE
    .size trampoline_run, . - trampoline_run

    .code16
trampoline_start:
    mov %cr0, %eax
    and $0xfffffffe, %eax
    mov %eax, %cr0
    ljmp $0, $(TRAMPOLINE + 1f - trampoline_start)
1:  xor %eax, %eax              /* a machine that was just reset has nothing in its registers */
    mov %ax, %ds
    mov %ax, %es
    mov %ax, %fs
    mov %ax, %gs
    mov %ax, %ss
    lidtw TRAMPOLINE + 2f - trampoline_start
    xor %ebx, %ebx
    xor %ecx, %ecx
    xor %edx, %edx
    xor %esi, %esi
    xor %edi, %edi
    xor %ebp, %ebp
    xor %esp, %esp
    ljmp $0xf000, $0xfff0
2:  .word 0x3ff
    .long 0
trampoline_end:
