#include "api/buildkit/session.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/condition.h"
#include "base/memory.h"
#include "base/timestamp.h"

void session_list_init(struct session_list *list)
{
    *list = (struct session_list){0};
    pthread_mutex_init(&list->lock, NULL);
    pthread_cond_init(&list->changed, NULL);
}

void session_list_release(struct session_list *list)
{
    pthread_mutex_destroy(&list->lock);
    pthread_cond_destroy(&list->changed);
}

static void session_free(struct session *session)
{
    for (size_t i = 0; i < session->registries.count; i++) {
        struct registry_auth *login = session->logins[i];
        if (!login)
            continue;
        free(login->username);
        if (login->password)
            explicit_bzero(login->password, strlen(login->password));
        free(login->password);
        if (login->identity_token)
            explicit_bzero(login->identity_token, strlen(login->identity_token));
        free(login->identity_token);
        free(login);
    }
    free(session->logins);
    strv_release(&session->registries);
    pthread_mutex_destroy(&session->lock);
    http2_unref(session->connection);
    free(session->id);
    free(session->shared_key);
    free(session);
}

struct session *session_add(struct session_list *list, const char *id, const char *shared_key, struct http2 *connection)
{
    struct session *session = xcalloc(1, sizeof(*session));
    session->references = 1;
    session->id = xstrdup(id);
    session->shared_key = xstrdup(shared_key ? shared_key : "");
    session->connection = connection;
    pthread_mutex_init(&session->lock, NULL);
    pthread_mutex_lock(&list->lock);
    session->next = list->first; /* the first of an id is the one that is found */
    list->first = session;
    pthread_cond_broadcast(&list->changed);
    pthread_mutex_unlock(&list->lock);
    return session;
}

void session_put(struct session_list *list, struct session *session)
{
    if (!session)
        return;
    pthread_mutex_lock(&list->lock);
    bool last = --session->references == 0;
    pthread_mutex_unlock(&list->lock);
    if (last)
        session_free(session);
}

void session_remove(struct session_list *list, struct session *session)
{
    pthread_mutex_lock(&list->lock);
    struct session **place = &list->first;
    while (*place != session)
        place = &(*place)->next;
    *place = session->next;
    pthread_mutex_unlock(&list->lock);
    session_put(list, session);
}

/* Under the lock. */
static struct session *find(const struct session_list *list, const char *id)
{
    struct session *session = list->first;
    while (session && strcmp(session->id, id) != 0)
        session = session->next;
    return session;
}

static bool is_cancelled(int cancel_fd)
{
    struct pollfd fd = {.fd = cancel_fd, .events = POLLIN};
    return cancel_fd >= 0 && poll(&fd, 1, 0) > 0;
}

int session_get(struct session_list *list, const char *id, int cancel_fd, struct session **ret, struct error *err)
{
    int64_t until = timestamp_monotonic() + SESSION_PATIENCE_S * INT64_C(1000000000);
    struct session *session;
    pthread_mutex_lock(&list->lock);
    while (!(session = find(list, id)) && !is_cancelled(cancel_fd) && timestamp_monotonic() < until) {
        condition_wait_until(&list->changed, &list->lock, timestamp_monotonic() + HTTP2_CANCEL_NS);
    }
    if (session)
        session->references++;
    pthread_mutex_unlock(&list->lock);
    if (!session && is_cancelled(cancel_fd))
        return error_set(err, ERROR_CANCELLED, ECANCELED, "the build was cancelled");
    if (!session)
        return error_set(err, ERROR_NOT_FOUND, 0, "no active session for %.100s", id);
    *ret = session;
    return 0;
}
