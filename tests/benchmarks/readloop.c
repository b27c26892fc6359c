/* One xenstore client in C: sends READ after READ on a Unix socket, waits for each answer.
 *
 *     readloop SOCKET PATH COUNT
 *
 * Prints nothing. Ends with 0 if COUNT answers came, all of type READ.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct header {
    uint32_t type, req_id, tx_id, len;
};

enum { XS_READ = 2, PAYLOAD_MAX = 4096 };

static void take(int server, void *to, size_t length)
{
    char *at = to;
    while (length) {
        ssize_t part = read(server, at, length);
        if (part <= 0)
            exit(1);
        at += part;
        length -= (size_t)part;
    }
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(argv[2]) + 1;
    static char request[sizeof(struct header) + PAYLOAD_MAX], payload[PAYLOAD_MAX];
    if (strlen(argv[1]) >= sizeof(address.sun_path) || size > PAYLOAD_MAX)
        return 2;
    strcpy(address.sun_path, argv[1]);
    int server = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(server, (struct sockaddr *)&address, sizeof(address)))
        return 1;
    struct header header = {.type = XS_READ, .len = (uint32_t)size};
    memcpy(request, &header, sizeof(header));
    memcpy(request + sizeof(header), argv[2], size);
    for (long count = atol(argv[3]); count > 0; count--) {
        if (write(server, request, sizeof(header) + size) != (ssize_t)(sizeof(header) + size))
            return 1;
        take(server, &header, sizeof(header));
        if (header.type != XS_READ || header.len > PAYLOAD_MAX)
            return 1;
        take(server, payload, header.len);
    }
    return 0;
}
