/* A xenstore client: it reads a key, and checks the answer. One file, no headers, no library. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
#define SHARED_INFO 0xfe700000u /* any address where nothing is: no RAM, no device, no ring */

/* The note: owner "Xen", type 18 (XEN_ELFNOTE_PHYS32_ENTRY), the address of the first instruction.
 * There: 32-bit flat code without paging, no interrupts, no stack, ebx = struct hvm_start_info. */
__asm__(".pushsection .note.Xen, \"a\", @note\n .balign 4\n"
        ".long 4, 4, 18\n .asciz \"Xen\"\n .long _start\n .popsection\n"
        ".globl _start\n_start: mov $stack + 0x4000, %esp\n sub $12, %esp\n push %ebx\n call client\n");
u8 stack[0x4000] __attribute__((aligned(512))); /* its name tells guestsim what is dead below esp */
u8 hypercall_page[4096] __attribute__((aligned(4096)));

static volatile struct {
    u8 req[1024], rsp[1024];
    u32 req_cons, req_prod, rsp_cons, rsp_prod, server_features, connection, error;
} *ring;
static u32 port;
static struct { u32 type, req_id, tx_id, size; u8 payload[4096]; } message;

static void hypercall(u32 number, u32 command, void *argument)
{
    u8 *entry = hypercall_page + 32 * number;
    __asm__ volatile("call *%0" : "+a"(entry) : "b"(command), "c"(argument) : "memory");
}

static u32 hvm_param(u32 index)
{
    struct { u16 domain, pad; u32 index; u64 value; } param = {0x7ff0 /* DOMID_SELF */, 0, index, 0};
    hypercall(34, 1, &param); /* hvm_op, HVMOP_get_param */
    return (u32)param.value;
}

static void print(const char *text)
{
    while (*text)
        __asm__ volatile("outb %b0, $0xe9" : : "a"(*text++));
}

static void shut_down(u32 reason)
{
    hypercall(29, 2, &reason); /* sched_op, SCHEDOP_shutdown: does not return */
}

#define TEXT_(line) #line
#define TEXT(line) TEXT_(line)
#define WRONG_REPLY(what) wrong_reply("\n" __FILE__ ":" TEXT(__LINE__) ": wrong reply: " what "\n")
static void wrong_reply(const char *text)
{
    print(text);
    __asm__ volatile("outb %b0, $0x80" : : "a"(0xe0));
    shut_down(3); /* SHUTDOWN_crash */
}

#ifdef EARLIER /* How a stage ends that is not the last: in real mode, by a jump to F000:FFF0. */
__attribute__((noreturn)) void hand_over(void);
__asm__("hand_over: mov $to_real_mode, %esi\n mov $0x8000, %edi\n mov $64, %ecx\n rep movsb\n"
        "lgdt table_at\n mov $16, %eax\n mov %eax, %ds\n mov %eax, %es\n mov %eax, %ss\n"
        "ljmp $8, $0x8000\n" /* the change of mode needs code below 1 MiB */
        ".code16\nto_real_mode: mov %cr0, %eax\n and $-2, %eax\n mov %eax, %cr0\n"
        "ljmp $0xf000, $0xfff0\n.code32\n"
        ".balign 8\ntable: .quad 0, 0x00009a000000ffff, 0x000092000000ffff\n"
        "table_at: .word 23\n .long table\n");
#endif

static void signal(void)
{
    hypercall(32, 4, &port); /* event_channel_op, EVTCHNOP_send */
}

static void clear_event(void) /* evtchn_pending is at 2048 in struct shared_info */
{
    __sync_fetch_and_and((u32 *)(SHARED_INFO + 2048) + port / 32, ~(1u << port % 32));
}

static void wait(void) /* Sleep, clear the event, then look at the ring again: in this order. */
{
    struct { u32 *ports, count; u64 timeout; } poll = {&port, 1, 0};
    hypercall(29, 3, &poll); /* sched_op, SCHEDOP_poll */
    clear_event();
}

static void send(const u8 *from, u32 size) /* At most 1024 bytes. */
{
    while (1024 - (ring->req_prod - ring->req_cons) < size)
        wait();
    u32 prod = ring->req_prod;
    for (u32 i = 0; i < size; i++)
        ring->req[(prod + i) % 1024] = from[i];
    ring->req_prod = prod + size;
    signal();
}

static void receive(u8 *to, u32 size)
{
    while (size > 0) {
        u32 cons = ring->rsp_cons, part = ring->rsp_prod - cons;
        if (part == 0) {
            wait();
            continue;
        }
        part = part < size ? part : size;
        for (u32 i = 0; i < part; i++)
            *to++ = ring->rsp[(cons + i) % 1024];
        ring->rsp_cons = cons + part;
        signal();
        size -= part;
    }
}

__attribute__((used)) static void client(const u32 *start_info)
{
    u32 leaf = 0x40000002, msr, ecx = 0, edx; /* Xen's third leaf: where to ask for the page */
    __asm__ volatile("cpuid" : "+a"(leaf), "=b"(msr), "+c"(ecx), "=d"(edx));
    __asm__ volatile("wrmsr" : : "c"(msr), "a"(hypercall_page), "d"(0) : "memory");
    struct { u16 domain, size; u32 space, index, frame; } map = {0x7ff0, 0, 0, 0, SHARED_INFO >> 12};
    hypercall(12, 7, &map); /* memory_op, XENMEM_add_to_physmap: the event words */
    ring = (void *)(hvm_param(1) << 12); /* HVM_PARAM_STORE_PFN */
    port = hvm_param(2);                 /* HVM_PARAM_STORE_EVTCHN */
    while (ring->connection == 1) /* the daemon is not done with a reconnection */
        wait();

    const char *line = (const char *)start_info[6]; /* cmdline_paddr: "read KEY=VALUE" */
    print(line);
    message.type = 2; /* XS_READ */
    message.req_id = 1;
    for (line += 5; *line != '='; line++)
        message.payload[message.size++] = (u8)*line;
    message.size++; /* the NUL behind the key */
    send((u8 *)&message, 16 + message.size);
    do { /* what is not ours was for a stage before us */
        receive((u8 *)&message, 16);
        if (message.size > 4096)
            WRONG_REPLY("a reply that does not fit");
        receive(message.payload, message.size);
    } while (message.req_id != 1);
    for (u32 i = 0; i < message.size; i++)
        if (*++line != (char)message.payload[i])
            WRONG_REPLY("the value differs");
    if (line[1])
        WRONG_REPLY("the value is shorter");
#ifdef EARLIER
    clear_event(); /* the next stage would take it for its own */
    hand_over();
#else
    shut_down(0); /* SHUTDOWN_poweroff */
#endif
}
