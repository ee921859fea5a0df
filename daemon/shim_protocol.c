#include "daemon/shim_protocol.h"

#include <errno.h>

_Static_assert(sizeof(struct shim_header) == 16, "the header is part of the protocol");

int shim_message_send(int socket_fd, const struct shim_outgoing *message)
{
    struct shim_header header = {
        .magic = SHIM_MAGIC,
        .version = SHIM_VERSION,
        .type = (uint16_t)message->type,
        .sequence = message->sequence,
        .fixed_size = (uint32_t)message->fixed_size,
    };
    size_t size = sizeof(header) + message->fixed_size + message->tail_size;
    char small[512];
    CLEANUP_FREE char *large = NULL;
    char *packet = small;

    if (size > SHIM_MESSAGE_MAX)
        return -EMSGSIZE;
    if (size > sizeof(small))
        packet = large = xmalloc(size);
    memcpy(packet, &header, sizeof(header));
    if (message->fixed_size)
        memcpy(packet + sizeof(header), message->fixed, message->fixed_size);
    if (message->tail_size)
        memcpy(packet + sizeof(header) + message->fixed_size, message->tail, message->tail_size);
    return fd_send_message(socket_fd, packet, size, message->fds, message->fd_count);
}

int shim_message_parse(const char *packet, size_t size, struct shim_message *ret)
{
    struct shim_header header;

    if (size < sizeof(header))
        return -EPROTO;
    memcpy(&header, packet, sizeof(header));
    if (header.magic != SHIM_MAGIC || header.version != SHIM_VERSION || header.fixed_size > size - sizeof(header))
        return -EPROTO;
    ret->header = header;
    ret->fixed = packet + sizeof(header);
    ret->tail = ret->fixed + header.fixed_size;
    ret->tail_size = size - sizeof(header) - header.fixed_size;
    return 0;
}

int shim_message_receive(int socket_fd, char *buffer, size_t size, struct shim_message *ret)
{
    ssize_t n;
    int r;

    ret->fd_count = 0;
    n = fd_recv_message(socket_fd, buffer, size, ret->fds, &ret->fd_count);
    if (n < 0)
        return (int)n;
    if (n == 0) {
        shim_message_release(ret);
        return 0;
    }
    r = shim_message_parse(buffer, (size_t)n, ret);
    if (r < 0) {
        shim_message_release(ret);
        return r;
    }
    return 1;
}

void shim_message_release(struct shim_message *message)
{
    for (size_t i = 0; i < message->fd_count; i++)
        fd_close(message->fds[i]);
    message->fd_count = 0;
}

void shim_message_fixed(const struct shim_message *message, void *ret, size_t size)
{
    size_t have = message->header.fixed_size < size ? message->header.fixed_size : size;

    memset(ret, 0, size);
    memcpy(ret, message->fixed, have);
}

int shim_message_error(const struct shim_message *message, struct error *err)
{
    struct shim_failure failure;
    int size = message->tail_size > sizeof(err->message) ? (int)sizeof(err->message) : (int)message->tail_size;

    shim_message_fixed(message, &failure, sizeof(failure));
    if (failure.kind <= ERROR_NONE || failure.kind > ERROR_CANCELLED)
        failure.kind = ERROR_SYSTEM;
    if (failure.errnum <= 0)
        failure.errnum = EIO;
    return error_set(err, (enum error_kind)failure.kind, failure.errnum, "%.*s", size, message->tail);
}

int shim_message_take_fd(struct shim_message *message, size_t i)
{
    return i < message->fd_count ? TAKE_FD(message->fds[i]) : -1;
}
