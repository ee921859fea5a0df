/* Questions that are passed on: each from a socket and with an id of its own, so that nobody can guess what to forge.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "daemon/network/resolver_internal.h"
#include "daemon/network/resolver_upstream.h"

enum { PATIENCE_MS = 3000, ANSWER_UDP_MAX = 65535, PREFIX = 2 };

struct forward {
    struct resolver_client *client;
    struct forward *next;
    struct asker asker;
    struct dns_question question;
    uint16_t id;
    uint8_t *query; /* with a length in front */
    size_t size;    /* without it */
    struct sockaddr_storage servers[UPSTREAMS_MAX];
    size_t count, server;
    int fd;
    struct loop_source *source, *timer;
    uint8_t *answer; /* TCP: what has come, with the length in front */
    size_t sent, received;
};

static void ask_next(struct forward *f);

static void close_socket(struct forward *f)
{
    loop_remove(f->source);
    loop_remove(f->timer);
    f->source = f->timer = NULL;
    f->fd = fd_close(f->fd);
    free(f->answer);
    f->answer = NULL;
    f->sent = f->received = 0;
}

static void finish(struct forward *f)
{
    for (struct forward **p = &f->client->forwards; *p; p = &(*p)->next) {
        if (*p == f) {
            *p = f->next;
            break;
        }
    }
    f->client->forward_count--;
    close_socket(f);
    free(f->query);
    free(f);
}

/* The answer as it came, under the id that the client knows. */
static void deliver(struct forward *f, uint8_t *answer, size_t size)
{
    struct resolver_client *client = f->client;
    struct asker asker = f->asker;
    answer[0] = (uint8_t)(f->question.id >> 8);
    answer[1] = (uint8_t)f->question.id;
    uint8_t *copy = xmalloc(size);
    memcpy(copy, answer, size);
    finish(f);
    resolver_reply(client, &asker, copy, size);
    free(copy);
}

static void give_up(struct forward *f)
{
    uint8_t data[DNS_UDP_SIZE];
    struct dns_reply reply;
    struct resolver_client *client = f->client;
    struct asker asker = f->asker;
    dns_reply_begin(&reply, data, sizeof(data), f->query + PREFIX, &f->question, DNS_SERVFAIL);
    size_t size = dns_reply_end(&reply);
    finish(f);
    resolver_reply(client, &asker, data, size);
}

/* It is the answer to what was asked, or another server may know more. */
static void take_answer(struct forward *f, uint8_t *answer, size_t size)
{
    enum { QR = 0x80, CODE = 0x0f, SERVFAIL = 2, REFUSED = 5 };
    bool ours = size >= DNS_HEADER_SIZE && (answer[2] & QR) && answer[0] == (uint8_t)(f->id >> 8) &&
                answer[1] == (uint8_t)f->id;
    if (!ours) {
        if (f->asker.connection) {
            ask_next(f);
        }
        return; /* over UDP: somebody else's guess */
    }
    int code = answer[3] & CODE;
    if ((code == SERVFAIL || code == REFUSED) && f->server < f->count) {
        ask_next(f);
        return;
    }
    deliver(f, answer, size);
}

static void on_udp(struct loop_source *source, int fd, uint32_t events, void *data)
{
    struct forward *f = data;
    static const size_t most = ANSWER_UDP_MAX;
    uint8_t *answer = xmalloc(most);
    (void)source;
    (void)events;
    ssize_t n = recv(fd, answer, most, 0);
    if (n >= 0) {
        take_answer(f, answer, (size_t)n);
    } else if (errno != EAGAIN && errno != EINTR) {
        ask_next(f); /* nobody listens there */
    }
    free(answer);
}

static void send_more(struct forward *f)
{
    ssize_t n = send(f->fd, f->query + f->sent, PREFIX + f->size - f->sent, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        ask_next(f);
        return;
    }
    f->sent += n > 0 ? (size_t)n : 0;
    if (f->sent == PREFIX + f->size) {
        loop_source_set_events(f->source, EPOLLIN);
    }
}

static void receive_more(struct forward *f)
{
    if (!f->answer) {
        f->answer = xmalloc(PREFIX + DNS_MESSAGE_MAX);
    }
    ssize_t n = recv(f->fd, f->answer + f->received, PREFIX + DNS_MESSAGE_MAX - f->received, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n <= 0) {
        ask_next(f);
        return;
    }
    f->received += (size_t)n;
    size_t length = f->received >= PREFIX ? (size_t)f->answer[0] << 8 | f->answer[1] : SIZE_MAX;
    if (f->received >= PREFIX && f->received >= PREFIX + length) {
        take_answer(f, f->answer + PREFIX, length);
    }
}

static void on_tcp(struct loop_source *source, int fd, uint32_t events, void *data)
{
    struct forward *f = data;
    (void)source;
    (void)fd;
    if (f->sent < PREFIX + f->size) {
        send_more(f);
    } else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        receive_more(f);
    }
}

static void on_timeout(struct loop_source *source, void *data)
{
    struct forward *f = data;
    (void)source;
    f->timer = NULL;
    ask_next(f);
}

/* False: this server cannot be asked. */
static bool ask(struct forward *f, const struct sockaddr_storage *server)
{
    bool tcp = f->asker.connection != NULL;
    f->fd = socket(server->ss_family, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t size = server->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    if (f->fd < 0 || (connect(f->fd, (const struct sockaddr *)server, size) < 0 && errno != EINPROGRESS)) {
        return false;
    }
    if (!tcp && send(f->fd, f->query + PREFIX, f->size, MSG_NOSIGNAL) < 0) {
        return false;
    }
    return loop_add_io(f->client->loop, f->fd, tcp ? EPOLLOUT : EPOLLIN, tcp ? on_tcp : on_udp, f, &f->source) == 0 &&
           loop_add_timer(f->client->loop, PATIENCE_MS, on_timeout, f, &f->timer) == 0;
}

static void ask_next(struct forward *f)
{
    close_socket(f);
    while (f->server < f->count) {
        if (ask(f, &f->servers[f->server++])) {
            return;
        }
        close_socket(f);
    }
    give_up(f);
}

void forward_start(struct resolver_client *client, const struct asker *asker, const uint8_t *query, size_t size,
                   const struct dns_question *question)
{
    struct forward *f = xcalloc(1, sizeof(*f));
    *f = (struct forward){.client = client, .next = client->forwards, .asker = *asker, .question = *question, .fd = -1};
    f->query = xmalloc(PREFIX + size);
    f->size = size;
    memcpy(f->query + PREFIX, query, size);
    f->query[0] = (uint8_t)(size >> 8);
    f->query[1] = (uint8_t)size;
    bool full = client->forward_count >= FORWARDS_MAX;
    if (getrandom(&f->id, sizeof(f->id), GRND_NONBLOCK) != sizeof(f->id)) {
        full = true;
    }
    f->query[PREFIX] = (uint8_t)(f->id >> 8);
    f->query[PREFIX + 1] = (uint8_t)f->id;
    client->forwards = f;
    client->forward_count++;
    f->count = full ? 0 : upstream_list(&client->dns, f->servers);
    ask_next(f);
}

void forward_drop(struct resolver_client *client, const struct connection *connection)
{
    for (struct forward *f = client->forwards, *next; f; f = next) {
        next = f->next;
        if (!connection || f->asker.connection == connection) {
            finish(f);
        }
    }
}
