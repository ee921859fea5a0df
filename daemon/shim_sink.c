#include "daemon/shim_sink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fd.h"
#include "base/id.h"
#include "base/json_table.h"
#include "base/memory.h"
#include "base/strbuf.h"
#include "base/timestamp.h"

/* How long a start waits for a server to accept. */
#define CONNECT_MS 5000
/* A server that refuses at once is not asked more often. */
#define RETRY_MIN_MS 10

struct log_sink {
    struct log_sink_config config;
    int fd;              /* -1: no connection */
    int64_t lost;        /* monotonic time of the last failure */
    int dropped;         /* errno of what was lost since the last report */
    struct strbuf queue; /* messages, each with its size (uint32_t) in front */
    size_t start;        /* of the first message in the queue */
    size_t sent;         /* bytes of it */
    struct strbuf message;
    struct strbuf json;                             /* gelf: what becomes one or more messages */
    struct log_sink_piece pieces[LOG_STREAM_COUNT]; /* of lines that have not ended */
};

/* ---- connecting ---- */

static int address_of(const struct log_sink_config *c, struct sockaddr_storage *ret, socklen_t *ret_size)
{
    struct sockaddr_un *local = (struct sockaddr_un *)ret;
    struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
    memset(ret, 0, sizeof(*ret));
    if (c->path != NULL) {
        if (strlen(c->path) >= sizeof(local->sun_path))
            return -ENAMETOOLONG;
        local->sun_family = AF_UNIX;
        memcpy(local->sun_path, c->path, strlen(c->path) + 1);
        *ret_size = sizeof(*local);
        return 0;
    }
    if (inet_pton(AF_INET, c->host ? c->host : "", &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)c->port);
        *ret_size = sizeof(*v4);
        return 0;
    }
    if (inet_pton(AF_INET6, c->host ? c->host : "", &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)c->port);
        *ret_size = sizeof(*v6);
        return 0;
    }
    return -EINVAL;
}

/* Does not wait: a connection that is being made shows at the first write. The descriptor or -errno. */
static int start_connect(const struct log_sink_config *c)
{
    struct sockaddr_storage address;
    socklen_t size = 0;
    if (c->program != NULL)
        return log_sink_connect_tls(c, 0, NULL);
    int r = address_of(c, &address, &size);
    if (r < 0)
        return r;
    CLEANUP_CLOSE int fd =
        socket(address.ss_family, (c->stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&address, size) < 0 && errno != EINPROGRESS)
        return -errno;
    return TAKE_FD(fd);
}

static int await_connection(int fd)
{
    struct pollfd writable = {.fd = fd, .events = POLLOUT};
    int failed = 0;
    socklen_t size = sizeof(failed);
    int r = poll(&writable, 1, CONNECT_MS);
    if (r <= 0)
        return r < 0 ? -errno : -ETIMEDOUT;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size) < 0)
        return -errno;
    return -failed;
}

/* The first connection has to stand, unless it may come later. The descriptor or -errno. */
static int open_connection(const struct log_sink_config *c, struct error *err)
{
    if (c->program != NULL)
        return log_sink_connect_tls(c, CONNECT_MS, err);
    CLEANUP_CLOSE int fd = start_connect(c);
    int r = fd < 0 ? fd : c->stream && !c->async ? await_connection(fd) : 0;
    if (r == 0)
        return TAKE_FD(fd);
    return c->path != NULL
               ? error_errno(err, r, "dial unix %s", c->path)
               : error_errno(err, r, "dial %s %s:%d", c->stream ? "tcp" : "udp", c->host ? c->host : "", (int)c->port);
}

int log_sink_open(const char *config, size_t size, struct log_sink **ret, struct error *err)
{
    struct log_sink *s = xcalloc(1, sizeof(*s));
    struct error failed = {0};
    s->fd = -1;
    int r = json_table_decode_text(&log_sink_config_table, config, size, &s->config, err);
    if (r == 0) {
        s->fd = open_connection(&s->config, &failed);
        s->lost = timestamp_monotonic();
        r = s->fd < 0 && !s->config.async ? error_propagate(err, &failed) : 0;
    }
    if (r < 0) {
        log_sink_close(s);
        return r;
    }
    *ret = s;
    return 0;
}

void log_sink_close(struct log_sink *s)
{
    if (s == NULL)
        return;
    fd_close(s->fd);
    strbuf_release(&s->queue);
    strbuf_release(&s->message);
    strbuf_release(&s->json);
    json_table_release(&log_sink_config_table, &s->config);
    free(s);
}

/* ---- the queue ---- */

bool log_sink_has_queue(const struct log_sink *s)
{
    return s->start < s->queue.size;
}

bool log_sink_is_full(const struct log_sink *s)
{
    return !s->config.non_blocking && s->queue.size - s->start > LOG_SINK_QUEUE_MAX;
}

int log_sink_fd(const struct log_sink *s)
{
    return s->fd;
}

static void forget_queue(struct log_sink *s)
{
    strbuf_release(&s->queue);
    s->start = s->sent = 0;
}

/* The connection is of no use: what waits for it is lost, unless it may wait for the next one. */
static void lose(struct log_sink *s, int errnum)
{
    s->fd = fd_close(s->fd);
    s->lost = timestamp_monotonic();
    s->sent = 0;
    if (s->config.async)
        return;
    s->dropped = errnum;
    forget_queue(s);
}

int64_t log_sink_retry_ms(const struct log_sink *s)
{
    if (s->fd >= 0 || !log_sink_has_queue(s))
        return -1;
    int64_t left = s->lost + s->config.retry_ns - timestamp_monotonic();
    return left > RETRY_MIN_MS * 1000000 ? left / 1000000 : RETRY_MIN_MS;
}

static void connect_again(struct log_sink *s)
{
    if (s->fd >= 0 || timestamp_monotonic() - s->lost < s->config.retry_ns)
        return;
    s->fd = start_connect(&s->config);
    if (s->fd < 0)
        lose(s, -s->fd);
}

/* As much of one message as goes. 1: all of it, 0: later, -errno. */
static int send_some(struct log_sink *s, const char *data, size_t size, size_t *sent)
{
    while (*sent < size) {
        ssize_t n = send(s->fd, data + *sent, size - *sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == ENOBUFS))
            return 0;
        if (n < 0)
            return -errno;
        *sent += (size_t)n;
    }
    return 1;
}

/* A datagram that is refused is lost alone (UDP says of the one before that nobody listened); a stream altogether. */
static void on_failure(struct log_sink *s, int errnum)
{
    if (s->config.stream || (s->config.path != NULL && errnum != EMSGSIZE))
        lose(s, errnum);
    else
        s->dropped = errnum;
}

static int report(struct log_sink *s)
{
    int errnum = s->dropped;
    s->dropped = 0;
    return -errnum;
}

int log_sink_flush(struct log_sink *s)
{
    connect_again(s);
    while (s->fd >= 0 && log_sink_has_queue(s)) {
        uint32_t size;
        memcpy(&size, s->queue.data + s->start, sizeof(size));
        int r = send_some(s, s->queue.data + s->start + sizeof(size), size, &s->sent);
        if (r == 0)
            return report(s);
        if (r < 0)
            on_failure(s, -r);
        if (s->fd < 0)
            break;
        s->start += sizeof(size) + size;
        s->sent = 0;
    }
    if (!log_sink_has_queue(s))
        forget_queue(s);
    return report(s);
}

static void enqueue(struct log_sink *s, size_t sent)
{
    uint32_t size = (uint32_t)s->message.size;
    size_t limit = s->config.non_blocking ? (size_t)s->config.buffer_size : SIZE_MAX;
    if (s->queue.size - s->start + size > limit && sent == 0) {
        s->dropped = ENOBUFS;
        return;
    }
    if (!log_sink_has_queue(s))
        s->sent = sent;
    if (s->start > 0 && s->start >= s->queue.size / 2) {
        memmove(s->queue.data, s->queue.data + s->start, s->queue.size - s->start);
        s->queue.size -= s->start;
        s->start = 0;
    }
    strbuf_add(&s->queue, &size, sizeof(size));
    strbuf_add(&s->queue, s->message.data, size);
}

/* The message, or what is left of it when the socket takes no more. */
static void put_message(struct log_sink *s)
{
    size_t sent = 0;
    int r;
    if (s->fd < 0 || log_sink_has_queue(s)) {
        enqueue(s, 0);
        return;
    }
    r = send_some(s, s->message.data, s->message.size, &sent);
    if (r == -ECONNREFUSED && !s->config.stream && s->config.path == NULL)
        r = send_some(s, s->message.data, s->message.size, &sent); /* the answer to the one before */
    if (r < 0)
        on_failure(s, -r);
    else if (r == 0)
        enqueue(s, sent);
    if (r < 0 && s->config.async && s->fd < 0)
        enqueue(s, 0); /* with the next connection */
}

/* As datagrams: compressed, and in chunks where one is not enough. */
static int put_datagrams(struct log_sink *s)
{
    CLEANUP_STRBUF struct strbuf packed = STRBUF_INIT;
    unsigned char id[8];
    int r = gelf_compress(&s->config, &s->json, &packed);
    int count = r < 0 ? r : gelf_chunk_count(packed.size);
    if (count < 0)
        return count;
    if (count > 1 && getrandom(id, sizeof(id), 0) != sizeof(id))
        return -EIO;
    for (int i = 0; i < count; i++) {
        strbuf_clear(&s->message);
        if (count == 1)
            strbuf_add(&s->message, packed.data, packed.size);
        else
            gelf_chunk(&packed, id, i, count, &s->message);
        put_message(s);
    }
    return 0;
}

/* Which piece of a line this is; the next record of the stream is the next one, until one ends the line. */
static struct log_sink_piece next_piece(struct log_sink *s, enum log_stream stream, bool newline)
{
    struct log_sink_piece *piece = &s->pieces[stream];
    if (piece->number == 0 && !newline)
        id_random_hex(piece->id, (sizeof(piece->id) - 1) / 2);
    if (piece->number > 0 || !newline)
        piece->number++;
    struct log_sink_piece this = *piece;
    if (newline)
        piece->number = 0;
    return this;
}

int log_sink_add(struct log_sink *s, enum log_stream stream, const char *text, size_t size, bool newline, int64_t time)
{
    bool datagrams = s->config.kind == LOG_SINK_GELF && !s->config.stream;
    struct strbuf *out = datagrams ? &s->json : &s->message;
    if (size == 0 && s->config.kind != LOG_SINK_FLUENTD)
        return 0; /* an empty line is nothing to these */
    struct log_sink_piece piece = next_piece(s, stream, newline);
    connect_again(s);
    if (s->fd < 0 && !s->config.async) {
        s->dropped = ENOTCONN;
        return report(s);
    }
    strbuf_clear(out);
    log_sink_format(&s->config, stream, text, size, newline, time, &piece, out);
    if (datagrams) {
        int r = put_datagrams(s);
        s->dropped = r < 0 ? -r : s->dropped;
    } else {
        put_message(s);
    }
    return report(s);
}
