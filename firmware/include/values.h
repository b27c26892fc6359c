/*
 * Firmware that passes on what it reads, as hvmloader does with the strings of its SMBIOS tables:
 * the answers of all "read KEY" are written to memory below 1 MiB, one after the other.
 *
 * With its own reading of replies, since that is what one of the two images gets wrong.
 */
#ifndef VALUES_H
#define VALUES_H

#include <assert.h>
#include <close.h>
#include <command_line.h>
#include <requests.h>
#include <reset.h>
#include <shared.h>
#include <stage.h>
#include <xenbus.h>

#define VALUES 0x90000

enum second_piece { GOES_ON, STARTS_AGAIN };

static __attribute__((noinline)) void read_bytes(char *data, uint32_t len, enum second_piece second)
{
    struct xenstore_domain_interface *ring = xenbus_ring();

    while (len > 0) {
        uint32_t cons = READ_ONCE(ring->rsp_cons);
        uint32_t part = READ_ONCE(ring->rsp_prod) - cons;
        uint32_t to_the_end = XENSTORE_RING_SIZE - MASK_XENSTORE_IDX(cons);

        if (part > to_the_end)
            part = to_the_end;
        if (part > len)
            part = len;
        if (part == 0) {
            xenbus_wait();
            continue;
        }
        copy_shared(data, ring->rsp + MASK_XENSTORE_IDX(cons), part);
        barrier();
        WRITE_ONCE(ring->rsp_cons, cons + part);
        xenbus_signal();
        if (second == GOES_ON)
            data += part;
        len -= part;
    }
}

static char value[XENSTORE_PAYLOAD_MAX];

static __attribute__((noinline)) void pass_values_on(const char *command_line,
                                                     enum second_piece second)
{
    char *to = (char *)VALUES;
    struct request request;
    struct xsd_sockmsg header;
    char key[256];

    while (command_line_next(&command_line, &request)) {
        ASSERT(slice_equal(request.verb, slice_of("read")) && request.key.len < sizeof(key));
        memcpy(key, request.key.start, request.key.len);
        key[request.key.len] = '\0';
        xenbus_send(XS_READ, 0, (struct slice){key, request.key.len + 1});
        read_bytes((char *)&header, sizeof(header), GOES_ON);
        ASSERT(header.type == XS_READ && header.len <= sizeof(value));
        read_bytes(value, header.len, second);
        memcpy(to, value, header.len);
        to += header.len;
    }
}

static void no_events(struct slice path, struct slice token)
{
    (void)path, (void)token;
}

static inline __attribute__((noreturn)) void values_main(const char *command_line,
                                                         enum second_piece second)
{
    xenbus_setup(no_events);
    pass_values_on(command_line, second);
    if (close_offered()) {
        close_ask();
        close_wait();
    } else {
        reset_poison();
    }
    hand_over();
}

#endif
