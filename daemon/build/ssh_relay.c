/* RUN --mount=type=ssh: a socket of ours in the container, each connection of which is one to the agent. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/relay.h"
#include "daemon/build/run_mounts.h"
#include "daemon/engine.h"
#include "daemon/userns_remap.h"
#include "daemon/worker.h"

#define CONNECTIONS_MAX 32

struct ssh_connection {
    struct ssh_relay *relay;
    int client, agent;
    pthread_t thread;
    bool done; /* atomic: the thread is about to end */
};

struct ssh_relay {
    struct build *build;
    char *id;
    int listen_fd, stop_fd;
    pthread_t thread;
    struct ssh_connection *connections[CONNECTIONS_MAX];
    size_t count;
};

static void *connection_main(void *data)
{
    struct ssh_connection *c = data;
    struct relay_way ways[RELAY_WAYS] = {{.from = c->client, .to = c->agent}, {.from = c->agent, .to = c->client}};
    struct pollfd polls[RELAY_POLLS + 1];
    pthread_setname_np(pthread_self(), "build-ssh");
    while (!ways[0].ended && !ways[1].ended && !ways[0].broken && !ways[1].broken) {
        relay_prepare(ways, polls);
        polls[RELAY_POLLS] = (struct pollfd){.fd = c->relay->stop_fd, .events = POLLIN};
        if (poll(polls, RELAY_POLLS + 1, -1) < 0 && errno != EINTR)
            break;
        if (polls[RELAY_POLLS].revents != 0)
            break;
        relay_move(ways, polls);
    }
    relay_release(&ways[0]);
    relay_release(&ways[1]);
    shutdown(c->client, SHUT_RDWR);
    shutdown(c->agent, SHUT_RDWR);
    __atomic_store_n(&c->done, true, __ATOMIC_RELEASE);
    return NULL;
}

static void connection_end(struct ssh_connection *c)
{
    pthread_join(c->thread, NULL);
    fd_close(c->client);
    fd_close(c->agent);
}

/* Those that have ended make room: a step may have any number, one after the other. */
static void drop_done(struct ssh_relay *relay)
{
    for (size_t i = relay->count; i-- > 0;) {
        struct ssh_connection *c = relay->connections[i];
        if (!__atomic_load_n(&c->done, __ATOMIC_ACQUIRE))
            continue;
        connection_end(c);
        free(c);
        relay->connections[i] = relay->connections[--relay->count];
    }
}

static int start_thread(pthread_t *thread, void *(*run)(void *), void *data)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, DAEMON_STACK_SIZE);
    int r = pthread_create(thread, &attributes, run, data);
    pthread_attr_destroy(&attributes);
    return -r;
}

static void serve(struct ssh_relay *relay, int client)
{
    const struct build_suppliers *s = &relay->build->options->suppliers;
    struct error err = {0};
    drop_done(relay);
    int agent = relay->count < CONNECTIONS_MAX ? s->ssh_agent(relay->id, s->data, &err)
                                               : error_set(&err, ERROR_UNAVAILABLE, 0, "too many connections");
    if (agent < 0) {
        log_warn("build: ssh agent %s: %s", relay->id, err.message);
        fd_close(client);
        return;
    }
    struct ssh_connection *c = xcalloc(1, sizeof(*c));
    *c = (struct ssh_connection){.relay = relay, .client = client, .agent = agent};
    if (start_thread(&c->thread, connection_main, c) < 0) {
        fd_close(client);
        fd_close(agent);
        free(c);
        return;
    }
    relay->connections[relay->count++] = c;
}

static void *relay_main(void *data)
{
    struct ssh_relay *relay = data;
    pthread_setname_np(pthread_self(), "build-ssh");
    for (;;) {
        struct pollfd polls[2] = {{.fd = relay->listen_fd, .events = POLLIN}, {.fd = relay->stop_fd, .events = POLLIN}};
        if (poll(polls, 2, -1) < 0 && errno != EINTR)
            break;
        if (polls[1].revents != 0)
            break;
        int client = accept4(relay->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (client >= 0)
            serve(relay, client);
    }
    for (size_t i = 0; i < relay->count; i++) {
        connection_end(relay->connections[i]);
        free(relay->connections[i]);
    }
    return NULL;
}

static void relay_free(struct ssh_relay *relay)
{
    fd_close(relay->listen_fd);
    fd_close(relay->stop_fd);
    free(relay->id);
    free(relay);
}

int ssh_relay_start(struct build *build, const char *path, const struct run_mount *mount, struct ssh_relay **ret,
                    struct error *err)
{
    uint32_t uid, gid;
    int r = userns_remap_outside(engine_options(build->engine)->remap, mount->uid, mount->gid, &uid, &gid, err);
    if (r < 0)
        return r;
    struct ssh_relay *relay = xcalloc(1, sizeof(*relay));
    *relay = (struct ssh_relay){.build = build, .id = xstrdup(mount->id), .stop_fd = eventfd(0, EFD_CLOEXEC)};
    relay->listen_fd = fd_listen_unix(AT_FDCWD, path, SOCK_STREAM, mount->mode & 0777);
    r = relay->listen_fd < 0 ? relay->listen_fd : relay->stop_fd < 0 ? -EMFILE : 0;
    if (r == 0 && lchown(path, uid, gid) < 0)
        r = -errno;
    if (r == 0)
        r = start_thread(&relay->thread, relay_main, relay);
    if (r < 0) {
        relay_free(relay);
        return error_errno(err, r, "a socket for the ssh agent");
    }
    *ret = relay;
    return 0;
}

void ssh_relay_stop(struct ssh_relay *relay)
{
    eventfd_write(relay->stop_fd, 1);
    pthread_join(relay->thread, NULL);
    relay_free(relay);
}
