#include "daemon/shim_sink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/base64.h"
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
/* A connection of dory-connect's that is so old stands. */
#define PROGRAM_SETTLED_NS (INT64_C(1) * 1000000000)
#define ANSWERS_READ 4096

struct log_sink {
    struct log_sink_config config;
    int fd;              /* -1: no connection */
    int64_t lost;        /* monotonic time of the last failure */
    int64_t connected;   /* monotonic time of the last connection's begin */
    int64_t progress;    /* monotonic time at which the socket last took or gave something, or had to begin to */
    int64_t failures;    /* connections in a row over which nothing went */
    int dropped;         /* errno of what was lost since the last report */
    struct strbuf queue; /* messages, each with its size (uint32_t) in front */
    size_t start;        /* of the first message in the queue */
    size_t next;         /* of the first that is not sent; those before it are not acknowledged */
    size_t sent;         /* bytes of it */
    /* ack: ids of messages are the nonce and their number, that of the queue's first and that of the next one */
    uint64_t nonce, first_number, next_number;
    struct strbuf answers; /* of which the end has not come */
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
        return log_sink_connect_tls(c, c->async ? 0 : CONNECT_MS, err);
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
        s->lost = s->connected = s->progress = timestamp_monotonic();
        r = s->fd < 0 && !s->config.async ? error_propagate(err, &failed) : 0;
    }
    if (r == 0 && getrandom(&s->nonce, sizeof(s->nonce), 0) != sizeof(s->nonce))
        r = error_errno(err, EIO, "random number");
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
    strbuf_release(&s->answers);
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

static bool has_unsent(const struct log_sink *s)
{
    return s->next < s->queue.size;
}

static bool has_unanswered(const struct log_sink *s)
{
    return s->start < s->next;
}

/* What is queued survives the connection. */
static bool keeps_queue(const struct log_sink *s)
{
    return s->config.async || s->config.limited || s->config.ack;
}

/* A server that is away for an unknown time holds nobody back. */
bool log_sink_is_full(const struct log_sink *s)
{
    return !s->config.non_blocking && (s->fd >= 0 || s->config.limited) &&
           s->queue.size - s->start > LOG_SINK_QUEUE_MAX;
}

bool log_sink_is_awaited(const struct log_sink *s)
{
    return log_sink_has_queue(s) && (s->fd >= 0 || s->config.ack || s->config.limited);
}

int log_sink_fd(const struct log_sink *s)
{
    return s->fd;
}

uint32_t log_sink_events(const struct log_sink *s)
{
    if (s->fd < 0)
        return 0;
    return (has_unsent(s) ? EPOLLOUT : 0) | (has_unanswered(s) ? EPOLLIN : 0);
}

static void forget_queue(struct log_sink *s)
{
    strbuf_release(&s->queue);
    s->start = s->next = s->sent = 0;
    s->first_number = s->next_number;
}

/* The connection is of no use: what waits for it is lost, unless it may wait for the next one. */
static void lose(struct log_sink *s, int errnum)
{
    s->fd = fd_close(s->fd);
    s->lost = timestamp_monotonic();
    s->next = s->start;
    s->sent = 0;
    strbuf_clear(&s->answers);
    if (keeps_queue(s) && !(s->config.limited && s->failures >= s->config.attempts))
        return;
    s->failures = 0; /* what comes now has its own attempts */
    s->dropped = errnum;
    forget_queue(s);
}

/* How long the socket may still be silent; -1: as long as it likes. */
static int64_t patience_left(const struct log_sink *s)
{
    int64_t limit = has_unsent(s) ? s->config.write_timeout_ns : has_unanswered(s) ? s->config.read_timeout_ns : 0;
    int64_t left = limit - (timestamp_monotonic() - s->progress); /* the limit may be as large as a number can be */
    if (s->fd < 0 || limit == 0)
        return -1;
    return left > 0 ? left : 0;
}

int64_t log_sink_wait_ms(const struct log_sink *s)
{
    int64_t left = patience_left(s);
    if (s->fd >= 0)
        return left < 0 ? -1 : left / 1000000 + 1;
    if (!log_sink_has_queue(s))
        return -1;
    left = s->lost + s->config.retry_ns - timestamp_monotonic();
    return left > RETRY_MIN_MS * 1000000 ? left / 1000000 : RETRY_MIN_MS;
}

static void connect_again(struct log_sink *s)
{
    int64_t now = timestamp_monotonic();
    bool never = s->config.limited && s->config.attempts == 0;
    if (s->fd >= 0 || never || now - s->lost < s->config.retry_ns)
        return;
    s->failures++; /* until something went over it */
    s->connected = s->progress = now;
    s->fd = start_connect(&s->config);
    if (s->fd < 0)
        lose(s, -s->fd);
}

/* As its users ask for: the address may lead to another server by now. Not in the middle of a message. */
static void renew(struct log_sink *s)
{
    if (s->config.renew_ns == 0 || s->fd < 0 || s->sent > 0 || has_unanswered(s) ||
        timestamp_monotonic() - s->connected < s->config.renew_ns)
        return;
    s->fd = fd_close(s->fd);
    s->lost = timestamp_monotonic() - s->config.retry_ns;
    connect_again(s);
}

/* A program in between takes bytes although it has no connection. */
static void note_progress(struct log_sink *s)
{
    s->progress = timestamp_monotonic();
    if (s->config.program == NULL || s->progress - s->connected > PROGRAM_SETTLED_NS)
        s->failures = 0;
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
        if (s->config.stream)
            note_progress(s);
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

static size_t message_size(const struct log_sink *s, size_t at)
{
    uint32_t size;
    memcpy(&size, s->queue.data + at, sizeof(size));
    return size;
}

static void make_id(const struct log_sink *s, uint64_t number, struct strbuf *out)
{
    const uint64_t id[2] = {s->nonce, number};
    base64_encode(id, sizeof(id), false, out);
}

/* Answers come in the order of the messages. */
static int take_answer(struct log_sink *s, const char *id, size_t size)
{
    CLEANUP_STRBUF struct strbuf expected = STRBUF_INIT;
    make_id(s, s->first_number, &expected);
    if (!has_unanswered(s) || size != expected.size || memcmp(id, expected.data, size) != 0)
        return -EPROTO;
    s->start += sizeof(uint32_t) + message_size(s, s->start);
    s->first_number++;
    return 0;
}

static int take_answers(struct log_sink *s)
{
    size_t used = 0, taken;
    const char *id;
    size_t id_size;
    int r;
    while ((r = fluentd_take_ack(s->answers.data + used, s->answers.size - used, &id, &id_size, &taken)) > 0) {
        r = take_answer(s, id, id_size);
        if (r < 0)
            return r;
        used += taken;
    }
    if (used > 0)
        memmove(s->answers.data, s->answers.data + used, s->answers.size - used);
    s->answers.size -= used;
    return r;
}

/* What the server has said so far. */
static int read_answers(struct log_sink *s)
{
    for (;;) {
        ssize_t n = recv(s->fd, strbuf_reserve(&s->answers, ANSWERS_READ), ANSWERS_READ, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return 0;
        if (n <= 0)
            return n < 0 ? -errno : -ECONNRESET;
        s->answers.size += (size_t)n;
        strbuf_terminate(&s->answers);
        note_progress(s);
        int r = take_answers(s);
        if (r < 0)
            return r;
    }
}

static void send_queue(struct log_sink *s)
{
    while (s->fd >= 0 && has_unsent(s)) {
        size_t size = message_size(s, s->next);
        int r = send_some(s, s->queue.data + s->next + sizeof(uint32_t), size, &s->sent);
        if (r == 0)
            return;
        if (r < 0)
            on_failure(s, -r);
        if (s->fd < 0)
            return;
        s->next += sizeof(uint32_t) + size;
        s->sent = 0;
        if (!s->config.ack)
            s->start = s->next;
    }
}

int log_sink_flush(struct log_sink *s)
{
    int r = s->fd >= 0 && has_unanswered(s) ? read_answers(s) : 0;
    if (r < 0)
        lose(s, -r);
    renew(s);
    connect_again(s);
    send_queue(s);
    if (patience_left(s) == 0)
        lose(s, ETIMEDOUT);
    if (!log_sink_has_queue(s))
        forget_queue(s);
    return report(s);
}

/* What may be queued at this moment. */
static size_t queue_limit(const struct log_sink *s)
{
    if (s->config.non_blocking)
        return (size_t)s->config.buffer_size;
    return s->fd < 0 && !s->config.limited ? LOG_SINK_QUEUE_MAX : SIZE_MAX;
}

static void enqueue(struct log_sink *s, size_t sent)
{
    uint32_t size = (uint32_t)s->message.size;
    if (s->queue.size - s->start + size > queue_limit(s) && sent == 0) {
        s->dropped = ENOBUFS;
        return;
    }
    if (!has_unsent(s)) {
        s->sent = sent;
        s->progress = timestamp_monotonic(); /* from now on it is waited for */
    }
    if (s->start > 0 && s->start >= s->queue.size / 2) {
        memmove(s->queue.data, s->queue.data + s->start, s->queue.size - s->start);
        s->queue.size -= s->start;
        s->next -= s->start;
        s->start = 0;
    }
    strbuf_add(&s->queue, &size, sizeof(size));
    strbuf_add(&s->queue, s->message.data, size);
    s->next_number++;
}

/* The message, or what is left of it when the socket takes no more. */
static void put_message(struct log_sink *s)
{
    size_t sent = 0;
    int r;
    if (s->fd < 0 || s->config.ack || log_sink_has_queue(s)) {
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
    if (r < 0 && s->fd < 0 && s->dropped == 0)
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

static void add_chunk(struct log_sink *s)
{
    CLEANUP_STRBUF struct strbuf id = STRBUF_INIT;
    make_id(s, s->next_number, &id);
    fluentd_add_chunk(&s->message, strbuf_str(&id));
}

int log_sink_add(struct log_sink *s, enum log_stream stream, const char *text, size_t size, bool newline, int64_t time)
{
    bool datagrams = s->config.kind == LOG_SINK_GELF && !s->config.stream;
    struct strbuf *out = datagrams ? &s->json : &s->message;
    if (size == 0 && s->config.kind != LOG_SINK_FLUENTD)
        return 0; /* an empty line is nothing to these */
    struct log_sink_piece piece = next_piece(s, stream, newline);
    if (!log_sink_has_queue(s)) /* else the loop knows the socket */
        renew(s);
    connect_again(s);
    if (s->fd < 0 && (!keeps_queue(s) || (s->config.limited && s->config.attempts == 0))) {
        s->dropped = ENOTCONN;
        return report(s);
    }
    strbuf_clear(out);
    log_sink_format(&s->config, stream, text, size, newline, time, &piece, out);
    if (datagrams) {
        int r = put_datagrams(s);
        s->dropped = r < 0 ? -r : s->dropped;
    } else {
        if (s->config.ack)
            add_chunk(s);
        put_message(s);
    }
    return report(s);
}
