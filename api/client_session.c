#include "api/client_session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define READ_SIZE 65536
/* The other side takes nothing for so long: it is given up. */
#define SEND_PATIENCE_MS 150000

int session_send(int fd, enum session_type type, unsigned channel, const void *data, size_t size)
{
    unsigned char header[SESSION_HEADER] = {(unsigned char)type, (unsigned char)(channel >> 16),
                                            (unsigned char)(channel >> 8), (unsigned char)channel};
    uint32_t length = htonl((uint32_t)size);
    memcpy(header + 4, &length, sizeof(length));
    struct iovec parts[2] = {{header, sizeof(header)}, {(void *)data, size}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = size > 0 ? 2 : 1};
    while (message.msg_iovlen > 0) {
        ssize_t n = sendmsg(fd, &message, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            struct pollfd room = {.fd = fd, .events = POLLOUT};
            if (poll(&room, 1, SEND_PATIENCE_MS) == 0)
                return -ETIMEDOUT;
            continue;
        }
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == ECONNRESET ? -EPIPE : -errno;
        while (message.msg_iovlen > 0 && (size_t)n >= message.msg_iov->iov_len) {
            n -= (ssize_t)message.msg_iov->iov_len;
            message.msg_iov++;
            message.msg_iovlen--;
        }
        if (message.msg_iovlen > 0) {
            message.msg_iov->iov_base = (char *)message.msg_iov->iov_base + n;
            message.msg_iov->iov_len -= (size_t)n;
        }
    }
    return 0;
}

void session_reader_release(struct session_reader *reader)
{
    strbuf_release(&reader->buffer);
    reader->used = 0;
}

/* Size of the frame at the front of what is buffered; 0: its header is not complete. */
static size_t frame_size(const struct session_reader *reader)
{
    uint32_t length;
    if (reader->buffer.size - reader->used < SESSION_HEADER)
        return 0;
    memcpy(&length, reader->buffer.data + reader->used + 4, sizeof(length));
    return SESSION_HEADER + (size_t)ntohl(length);
}

bool session_buffered(const struct session_reader *reader)
{
    size_t size = frame_size(reader);
    return size > 0 && reader->buffer.size - reader->used >= size;
}

/* Reads once behind what is buffered. */
static ssize_t fill(struct session_reader *reader)
{
    ssize_t n;
    if (reader->used > 0) {
        size_t left = reader->buffer.size - reader->used;
        memmove(reader->buffer.data, reader->buffer.data + reader->used, left);
        reader->buffer.size = left;
        reader->used = 0;
    }
    char *room = strbuf_reserve(&reader->buffer, READ_SIZE);
    do
        n = recv(reader->fd, room, READ_SIZE, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN) {
        struct pollfd ready = {.fd = reader->fd, .events = POLLIN};
        poll(&ready, 1, -1);
        return fill(reader);
    }
    if (n < 0)
        return -errno;
    reader->buffer.size += (size_t)n;
    strbuf_terminate(&reader->buffer);
    return n;
}

int session_receive(struct session_reader *reader, struct session_frame *ret, struct error *err)
{
    for (;;) {
        size_t size = frame_size(reader);
        if (size > SESSION_HEADER + SESSION_FRAME_MAX)
            return error_set(err, ERROR_INVALID, EPROTO, "a frame of the build session is too large");
        if (size > 0 && reader->buffer.size - reader->used >= size) {
            const unsigned char *header = (unsigned char *)reader->buffer.data + reader->used;
            *ret = (struct session_frame){.type = header[0],
                                          .channel = (unsigned)header[1] << 16 | (unsigned)header[2] << 8 | header[3],
                                          .data = (const char *)header + SESSION_HEADER,
                                          .size = size - SESSION_HEADER};
            reader->used += size;
            return 1;
        }
        ssize_t n = fill(reader);
        if (n == 0 && reader->buffer.size > reader->used)
            return error_set(err, ERROR_UNAVAILABLE, ECONNRESET, "the build session broke off");
        if (n == 0)
            return 0;
        if (n < 0)
            return error_errno(err, (int)n, "build session");
    }
}
