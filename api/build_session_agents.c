/*
 * Connections of steps to the client's ssh agents. Each has a socket pair: one end is the step's, the other is read by
 * a thread that sends frames, and written by the thread that receives them.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/build_session.h"
#include "base/fd.h"

#define PIECE 16384

struct relay {
    struct build_session *session;
    unsigned channel;
    int fd; /* of the table, or a duplicate of it */
};

/* The table's slot; under the lock. */
static struct session_agent *find(struct build_session *session, unsigned channel)
{
    for (size_t i = 0; i < SESSION_AGENTS_MAX; i++) {
        if (session->agents[i].fd >= 0 && session->agents[i].channel == channel)
            return &session->agents[i];
    }
    return NULL;
}

static void forget(struct build_session *session, unsigned channel)
{
    pthread_mutex_lock(&session->agent_lock);
    struct session_agent *agent = find(session, channel);
    if (agent)
        agent->fd = fd_close(agent->fd);
    pthread_mutex_unlock(&session->agent_lock);
}

static void *relay_main(void *data)
{
    struct relay *relay = data;
    struct build_session *session = relay->session;
    CLEANUP_FREE char *piece = xmalloc(PIECE);
    ssize_t n;
    while ((n = read(relay->fd, piece, PIECE)) > 0 || (n < 0 && errno == EINTR)) {
        if (n > 0 && build_session_send(session, SESSION_AGENT_DATA, relay->channel, piece, (size_t)n) < 0)
            break;
    }
    build_session_send(session, SESSION_AGENT_DATA, relay->channel, NULL, 0);
    fd_close(relay->fd);
    forget(session, relay->channel);
    free(relay);
    pthread_mutex_lock(&session->agent_lock);
    session->relays--;
    pthread_cond_broadcast(&session->agent_changed);
    pthread_mutex_unlock(&session->agent_lock);
    return NULL;
}

static int start_relay(struct build_session *session, unsigned channel, int fd, struct error *err)
{
    struct relay *relay = xcalloc(1, sizeof(*relay));
    pthread_attr_t attributes;
    pthread_t thread;
    *relay = (struct relay){.session = session, .channel = channel, .fd = fd_dup(fd)};
    int r = relay->fd < 0 ? -relay->fd : 0;
    if (r == 0) {
        pthread_attr_init(&attributes);
        pthread_attr_setstacksize(&attributes, (size_t)128 * 1024);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        pthread_mutex_lock(&session->agent_lock);
        r = pthread_create(&thread, &attributes, relay_main, relay);
        session->relays += r == 0;
        pthread_mutex_unlock(&session->agent_lock);
        pthread_attr_destroy(&attributes);
    }
    if (r == 0)
        return 0;
    fd_close(relay->fd);
    free(relay);
    return error_errno(err, r, "relay to the ssh agent");
}

/* A slot for our end of a pair; the channel's number. */
static int reserve(struct build_session *session, int fd, unsigned *ret_channel, struct error *err)
{
    struct session_agent *agent = NULL;
    pthread_mutex_lock(&session->agent_lock);
    for (size_t i = 0; i < SESSION_AGENTS_MAX && !agent; i++)
        agent = session->agents[i].fd < 0 ? &session->agents[i] : NULL;
    if (agent) {
        *ret_channel = session->next_channel++;
        *agent = (struct session_agent){.channel = *ret_channel, .fd = fd};
    }
    pthread_mutex_unlock(&session->agent_lock);
    return agent ? 0
                 : error_set(err, ERROR_UNAVAILABLE, 0, "more than %d connections to ssh agents", SESSION_AGENTS_MAX);
}

int build_session_agent(const char *id, void *data, struct error *err)
{
    struct build_session *session = data;
    unsigned channel = 0;
    int pair[2];
    if (!strv_contains(&session->options.ssh, id))
        return error_set(err, ERROR_NOT_FOUND, 0, "unset ssh forward key %s", id);
    int r = fd_socketpair(SOCK_STREAM, pair);
    if (r < 0)
        return error_errno(err, r, "socketpair");
    r = reserve(session, pair[0], &channel, err);
    if (r < 0) {
        fd_close(pair[0]);
        fd_close(pair[1]);
        return r;
    }
    /* Announced before anything of it can be sent; without the lock, which the thread that reads frames takes. */
    r = build_session_send(session, SESSION_AGENT, channel, id, strlen(id));
    r = r < 0 ? error_set(err, ERROR_CANCELLED, -r, "the client has gone")
              : start_relay(session, channel, pair[0], err);
    if (r < 0) {
        forget(session, channel);
        fd_close(pair[1]);
        return r;
    }
    return pair[1];
}

/* The thread that receives frames must not wait for a step that does not read: then its cancelling would not be seen.
 * The socket's buffer holds more than an agent's answers. */
static bool hand_over(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return false;
        data += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

int build_session_agent_data(struct build_session *session, const struct session_frame *frame)
{
    pthread_mutex_lock(&session->agent_lock);
    struct session_agent *agent = find(session, frame->channel);
    CLEANUP_CLOSE int fd = agent ? fd_dup(agent->fd) : -1;
    pthread_mutex_unlock(&session->agent_lock);
    if (fd < 0)
        return 0; /* the step was quicker */
    if (frame->size == 0)
        shutdown(fd, SHUT_WR);
    else if (!hand_over(fd, frame->data, frame->size))
        shutdown(fd, SHUT_RDWR); /* the relay ends with it */
    return 0;
}

void build_session_agents_close(struct build_session *session)
{
    pthread_mutex_lock(&session->agent_lock);
    for (size_t i = 0; i < SESSION_AGENTS_MAX; i++) {
        if (session->agents[i].fd >= 0)
            shutdown(session->agents[i].fd, SHUT_RDWR);
    }
    while (session->relays > 0)
        pthread_cond_wait(&session->agent_changed, &session->agent_lock);
    pthread_mutex_unlock(&session->agent_lock);
}
