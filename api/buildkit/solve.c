#include "api/buildkit/solve.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "api/buildkit/grpc.h"
#include "base/fd.h"
#include "base/memory.h"
#include "base/timestamp.h"

#define GET_PATIENCE_S 5
#define REF_MAX 256

void solve_list_init(struct solve_list *list)
{
    pthread_condattr_t attributes;
    *list = (struct solve_list){0};
    pthread_mutex_init(&list->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&list->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void solve_free(struct solve *solve)
{
    for (size_t i = 0; i < solve->message_count; i++)
        free(solve->messages[i].data);
    free(solve->messages);
    free(solve->ref);
    free(solve->failure);
    if (solve->request)
        bk__solve_request__free_unpacked(solve->request, NULL);
    error_clear(&solve->returned);
    strv_release(&solve->names);
    strmap_release(&solve->response);
    strmap_release(&solve->metadata);
    fd_close(solve->cancel_fd);
    fd_close(solve->return_fd);
    fd_close(solve->tree_fd);
    pthread_mutex_destroy(&solve->lock);
    pthread_cond_destroy(&solve->changed);
    free(solve);
}

void solve_list_release(struct solve_list *list)
{
    while (list->first) {
        struct solve *next = list->first->next;
        solve_free(list->first);
        list->first = next;
    }
    pthread_mutex_destroy(&list->lock);
    pthread_cond_destroy(&list->changed);
}

/* Under the lock. */
static struct solve *find(struct solve_list *list, const char *ref)
{
    struct solve *solve = list->first;
    while (solve && strcmp(solve->ref, ref) != 0)
        solve = solve->next;
    return solve;
}

int solve_add(struct solve_list *list, struct engine *engine, struct session_list *sessions, Bk__SolveRequest *request,
              struct solve **ret, struct error *err)
{
    struct solve *solve = xcalloc(1, sizeof(*solve));
    solve->references = 2; /* the list's and the caller's */
    solve->ref = xstrdup(request->ref);
    solve->request = request;
    solve->engine = engine;
    solve->sessions = sessions;
    solve->created = timestamp_now();
    solve->tree_fd = -1;
    solve->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    solve->return_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&solve->lock, NULL);
    pthread_cond_init(&solve->changed, NULL);
    int r = 0;
    if (solve->cancel_fd < 0 || solve->return_fd < 0)
        r = error_errno(err, errno, "eventfd");
    else if (!*solve->ref || strlen(solve->ref) > REF_MAX)
        r = error_set(err, ERROR_INVALID, 0, "a build needs a ref");
    pthread_mutex_lock(&list->lock);
    if (r == 0 && find(list, solve->ref))
        r = error_set(err, ERROR_CONFLICT, 0, "there is a build %s already", solve->ref);
    if (r == 0) {
        solve->next = list->first;
        list->first = solve;
        pthread_cond_broadcast(&list->changed);
    }
    pthread_mutex_unlock(&list->lock);
    if (r < 0) {
        solve_free(solve);
        return r;
    }
    *ret = solve;
    return 0;
}

int solve_get(struct solve_list *list, const char *ref, struct solve **ret, struct error *err)
{
    struct timespec until;
    struct solve *solve;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += GET_PATIENCE_S;
    pthread_mutex_lock(&list->lock);
    while (!(solve = find(list, ref)) && pthread_cond_timedwait(&list->changed, &list->lock, &until) == 0)
        ;
    if (solve)
        solve->references++;
    pthread_mutex_unlock(&list->lock);
    if (!solve)
        return error_set(err, ERROR_NOT_FOUND, 0, "no such job %.100s", ref);
    *ret = solve;
    return 0;
}

void solve_put(struct solve_list *list, struct solve *solve)
{
    if (!solve)
        return;
    pthread_mutex_lock(&list->lock);
    bool last = --solve->references == 0;
    pthread_mutex_unlock(&list->lock);
    if (last)
        solve_free(solve);
}

/* Under the list's lock; the list's reference is the caller's to drop. */
static void unlink_solve(struct solve_list *list, struct solve *solve)
{
    struct solve **place = &list->first;
    while (*place != solve)
        place = &(*place)->next;
    *place = solve->next;
}

void solve_end(struct solve_list *list, struct solve *solve)
{
    struct solve *old = NULL;
    unsigned kept = 0;
    solve->completed = timestamp_now();
    pthread_mutex_lock(&solve->lock);
    solve->ended = true;
    pthread_cond_broadcast(&solve->changed);
    pthread_mutex_unlock(&solve->lock);
    pthread_mutex_lock(&list->lock);
    for (struct solve *s = list->first; s && !old; s = s->next) {
        if (s->completed != 0 && ++kept > SOLVE_HISTORY_MAX)
            old = s;
    }
    if (old)
        unlink_solve(list, old);
    pthread_mutex_unlock(&list->lock);
    solve_put(list, old);
}

bool solve_forget(struct solve_list *list, const char *ref)
{
    pthread_mutex_lock(&list->lock);
    struct solve *solve = find(list, ref);
    bool found = solve && solve->completed != 0;
    if (found)
        unlink_solve(list, solve);
    pthread_mutex_unlock(&list->lock);
    if (found)
        solve_put(list, solve);
    return found;
}

/* ---- messages ---- */

void solve_tell(struct solve *solve, const Bk__StatusResponse *message)
{
    size_t size = bk__status_response__get_packed_size(message);
    bool log_only = message->n_logs > 0 && message->n_vertexes == 0;
    pthread_mutex_lock(&solve->lock);
    if (!log_only || solve->message_bytes + size <= SOLVE_MESSAGES_MAX) {
        uint8_t *data = xmalloc(size + 1);
        bk__status_response__pack(message, data);
        xgrow((void **)&solve->messages, solve->message_count, &solve->message_capacity, sizeof(*solve->messages));
        solve->messages[solve->message_count++] = (struct solve_message){.data = data, .size = size};
        solve->message_bytes += size;
        pthread_cond_broadcast(&solve->changed);
    }
    pthread_mutex_unlock(&solve->lock);
}

int solve_listen(struct solve *solve, struct grpc_call *call, struct error *err)
{
    size_t next = 0;
    int r = 0;
    pthread_mutex_lock(&solve->lock);
    while (r == 0) {
        while (next == solve->message_count && !solve->ended)
            pthread_cond_wait(&solve->changed, &solve->lock);
        if (next == solve->message_count)
            break;
        struct solve_message message = solve->messages[next++]; /* its bytes stay as long as the build */
        pthread_mutex_unlock(&solve->lock);
        r = grpc_send(call, message.data, message.size, err);
        pthread_mutex_lock(&solve->lock);
    }
    pthread_mutex_unlock(&solve->lock);
    return r;
}

const char *solve_entry(Bk__Entry *const *entries, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(entries[i]->key, key) == 0)
            return entries[i]->value;
    }
    return NULL;
}
