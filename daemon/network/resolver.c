#include "daemon/network/resolver.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/strmap.h"
#include "daemon/network/resolver_internal.h"

enum { STACK = 256 * 1024, CLASS_IN = 1, UDP_REPLY_MAX = 4096, TCP_REPLY_MAX = 16384, UDP_QUERY_MAX = 4096 };

/* What other threads ask the resolver's to do. */
struct command {
    struct command *next;
    struct resolver_client *add; /* NULL: remove */
    char *container_id;
};

struct resolver {
    resolver_lookup_fn lookup;
    void *data;
    pthread_mutex_t lock; /* thread, inbox */
    pthread_t thread;
    bool runs, stopping;
    struct command *first, **last;
    int wake_fd;
    struct loop *loop;
    struct map clients; /* container id -> struct resolver_client; the thread's */
    unsigned int turn;  /* which of several addresses comes first */
};

/* ---- answers ---- */

void resolver_reply(struct resolver_client *client, const struct asker *asker, const uint8_t *data, size_t size)
{
    if (asker->connection) {
        connection_reply(asker->connection, data, size);
        return;
    }
    /* A client that does not read loses answers, as on any network. */
    (void)sendto(client->sockets.udp, data, size, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&asker->peer,
                 sizeof(asker->peer));
}

static void answer(struct resolver_client *client, const struct asker *asker, const uint8_t *query,
                   const struct dns_question *question, const struct resolver_answer *known)
{
    uint8_t data[TCP_REPLY_MAX];
    struct dns_reply reply;
    size_t most = question->udp_size < UDP_REPLY_MAX ? question->udp_size : UDP_REPLY_MAX;
    size_t turn = client->resolver->turn++;
    dns_reply_begin(&reply, data, asker->connection ? sizeof(data) : most, query, question,
                    known->known ? DNS_NOERROR : DNS_SERVFAIL);
    for (size_t i = 0; question->type == DNS_A && i < known->count; i++) {
        dns_reply_add_a(&reply, known->addresses[(i + turn) % known->count]);
    }
    for (size_t i = 0; question->type == DNS_AAAA && i < known->count6; i++) {
        dns_reply_add_aaaa(&reply, &known->addresses6[(i + turn) % known->count6]);
    }
    for (size_t i = 0; question->type == DNS_PTR && i < known->names.count; i++) {
        dns_reply_add_ptr(&reply, known->names.items[i]);
    }
    resolver_reply(client, asker, data, dns_reply_end(&reply));
}

bool resolver_handle(struct resolver_client *client, const struct asker *asker, const uint8_t *query, size_t size)
{
    struct dns_question question;
    int r = dns_question_parse(query, size, &question);
    if (r == -ENOTSUP) {
        uint8_t header[DNS_HEADER_SIZE];
        resolver_reply(client, asker, header, dns_reply_error(header, query, DNS_NOTIMP));
        return true;
    }
    if (r < 0) {
        return false;
    }
    struct resolver *resolver = client->resolver;
    struct resolver_answer known = {0};
    struct in6_addr address6 = {0};
    uint32_t address = 0;
    int family = question.type == DNS_PTR ? dns_reverse_parse(question.name, &address, &address6) : 0;
    bool ours = question.plain && question.class == CLASS_IN;
    resolver->lookup(resolver->data, client->container_id, ours ? question.name : "", family, address, &address6,
                     &known);
    if (!known.known && known.may_forward) {
        forward_start(client, asker, query, size, &question);
    } else {
        answer(client, asker, query, &question, &known);
    }
    strv_release(&known.names);
    return true;
}

/* ---- sockets ---- */

static void on_udp(struct loop_source *source, int fd, uint32_t events, void *data)
{
    enum { BURST = 64 }; /* then others have their turn */
    struct resolver_client *client = data;
    uint8_t query[UDP_QUERY_MAX];
    (void)source;
    (void)events;
    for (int i = 0; i < BURST; i++) {
        struct asker asker = {0};
        socklen_t size = sizeof(asker.peer);
        ssize_t n = recvfrom(fd, query, sizeof(query), MSG_TRUNC, (struct sockaddr *)&asker.peer, &size);
        if (n < 0) {
            return;
        }
        if ((size_t)n <= sizeof(query)) {
            resolver_handle(client, &asker, query, (size_t)n);
        }
    }
}

static void on_tcp(struct loop_source *source, int fd, uint32_t events, void *data)
{
    (void)source;
    (void)fd;
    (void)events;
    connection_accept(data);
}

static void client_free(struct resolver_client *client)
{
    if (!client) {
        return;
    }
    connection_drop_all(client);
    forward_drop(client, NULL);
    loop_remove(client->udp);
    loop_remove(client->tcp);
    fd_close(client->sockets.udp);
    fd_close(client->sockets.tcp);
    strv_release(&client->dns);
    free(client->container_id);
    free(client);
}

/* ---- the thread ---- */

static void add_client(struct resolver *resolver, struct resolver_client *client)
{
    client->loop = resolver->loop;
    if (loop_add_io(resolver->loop, client->sockets.udp, EPOLLIN, on_udp, client, &client->udp) < 0 ||
        loop_add_io(resolver->loop, client->sockets.tcp, EPOLLIN, on_tcp, client, &client->tcp) < 0) {
        log_error("network: container %s has no resolver: out of descriptors", client->container_id);
        client_free(client);
        return;
    }
    client_free(map_set(&resolver->clients, client->container_id, client));
}

static void on_wake(struct loop_source *source, int fd, uint32_t events, void *data)
{
    struct resolver *resolver = data;
    eventfd_t count;
    (void)source;
    (void)events;
    (void)eventfd_read(fd, &count);
    pthread_mutex_lock(&resolver->lock);
    struct command *command = resolver->first;
    resolver->first = NULL;
    resolver->last = &resolver->first;
    bool stopping = resolver->stopping;
    pthread_mutex_unlock(&resolver->lock);
    while (command) {
        struct command *next = command->next;
        if (command->add) {
            add_client(resolver, command->add);
        } else {
            client_free(map_unset(&resolver->clients, command->container_id));
        }
        free(command->container_id);
        free(command);
        command = next;
    }
    if (stopping) {
        loop_quit(resolver->loop, 0);
    }
}

static void *run(void *data)
{
    struct resolver *resolver = data;
    int r = loop_run(resolver->loop);
    if (r < 0) {
        log_error("network: the resolver ends: %s", strerror(-r));
    }
    return NULL;
}

struct resolver *resolver_new(resolver_lookup_fn lookup, void *data)
{
    struct resolver *resolver = xcalloc(1, sizeof(*resolver));
    *resolver = (struct resolver){.lookup = lookup, .data = data, .wake_fd = -1};
    resolver->last = &resolver->first;
    pthread_mutex_init(&resolver->lock, NULL);
    return resolver;
}

/* Lock held. */
static int start(struct resolver *resolver, struct error *err)
{
    struct loop_source *wake;
    int r = loop_new(&resolver->loop, err);
    if (r < 0) {
        return r;
    }
    resolver->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r = resolver->wake_fd < 0 ? -errno
                              : loop_add_io(resolver->loop, resolver->wake_fd, EPOLLIN, on_wake, resolver, &wake);
    if (r == 0) {
        pthread_attr_t attr;
        pthread_attr_init(&attr);
        pthread_attr_setstacksize(&attr, STACK);
        r = -pthread_create(&resolver->thread, &attr, run, resolver);
        pthread_attr_destroy(&attr);
    }
    if (r < 0) {
        loop_free(resolver->loop);
        resolver->loop = NULL;
        resolver->wake_fd = fd_close(resolver->wake_fd);
        return error_errno(err, r, "start the resolver");
    }
    resolver->runs = true;
    return 0;
}

/* Lock held. */
static void send_command(struct resolver *resolver, struct resolver_client *add, const char *container_id)
{
    struct command *command = xcalloc(1, sizeof(*command));
    *command = (struct command){.add = add, .container_id = xstrdup(container_id)};
    *resolver->last = command;
    resolver->last = &command->next;
    (void)eventfd_write(resolver->wake_fd, 1);
}

int resolver_add(struct resolver *resolver, const char *container_id, const struct resolver_sockets *sockets,
                 const struct strv *dns, struct error *err)
{
    pthread_mutex_lock(&resolver->lock);
    int r = resolver->runs ? 0 : start(resolver, err);
    if (r == 0) {
        struct resolver_client *client = xcalloc(1, sizeof(*client));
        *client =
            (struct resolver_client){.resolver = resolver, .container_id = xstrdup(container_id), .sockets = *sockets};
        if (dns) {
            strv_copy(&client->dns, dns);
        }
        send_command(resolver, client, container_id);
    } else {
        fd_close(sockets->udp);
        fd_close(sockets->tcp);
    }
    pthread_mutex_unlock(&resolver->lock);
    return r;
}

void resolver_remove(struct resolver *resolver, const char *container_id)
{
    pthread_mutex_lock(&resolver->lock);
    if (resolver->runs) {
        send_command(resolver, NULL, container_id);
    }
    pthread_mutex_unlock(&resolver->lock);
}

void resolver_free(struct resolver *resolver)
{
    if (!resolver) {
        return;
    }
    if (resolver->runs) {
        pthread_mutex_lock(&resolver->lock);
        resolver->stopping = true;
        (void)eventfd_write(resolver->wake_fd, 1);
        pthread_mutex_unlock(&resolver->lock);
        pthread_join(resolver->thread, NULL);
    }
    size_t i = 0;
    const char *id;
    void *client;
    while (map_next(&resolver->clients, &i, &id, &client)) {
        client_free(client);
    }
    map_release(&resolver->clients);
    if (resolver->loop) {
        loop_free(resolver->loop);
    }
    fd_close(resolver->wake_fd);
    pthread_mutex_destroy(&resolver->lock);
    free(resolver);
}
