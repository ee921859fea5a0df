#include "api/buildkit/solve.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/condition.h"
#include "base/fd.h"
#include "base/memory.h"
#include "base/timestamp.h"

#define GET_PATIENCE_NS INT64_C(5000000000)
#define REF_MAX 256

void solve_list_init(struct solve_list *list)
{
    *list = (struct solve_list){0};
    pthread_mutex_init(&list->lock, NULL);
    pthread_cond_init(&list->changed, NULL);
}

static void solve_free(struct solve *solve)
{
    for (size_t i = 0; i < solve->message_count; i++)
        free(solve->messages[i].data);
    free(solve->messages);
    free(solve->ref);
    free(solve->build_id);
    free(solve->failure);
    if (solve->request)
        bk__solve_request__free_unpacked(solve->request, NULL);
    error_clear(&solve->returned);
    solve_release_platforms(solve);
    tar_writer_free(solve->tree);
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

/* Under the lock. */
static void publish(struct solve_list *list, enum solve_event_kind kind, struct solve *solve)
{
    for (struct solve_watch *w = list->watches; w; w = w->next) {
        w->overrun = w->overrun || w->count == SOLVE_EVENTS_MAX;
        if (!w->overrun) {
            xgrow((void **)&w->events, w->count, &w->capacity, sizeof(*w->events));
            w->events[w->count++] = (struct solve_event){.kind = kind, .solve = solve};
            solve->references++;
        }
        eventfd_write(w->fd, 1);
    }
}

int solve_add(struct solve_list *list, struct engine *engine, struct session_list *sessions, Bk__SolveRequest *request,
              const char *build_id, struct solve **ret, struct error *err)
{
    struct solve *solve = xcalloc(1, sizeof(*solve));
    solve->references = 2; /* the list's and the caller's */
    solve->ref = xstrdup(request->ref);
    solve->build_id = build_id ? xstrdup(build_id) : NULL;
    solve->request = request;
    solve->engine = engine;
    solve->sessions = sessions;
    solve->created = timestamp_now();
    solve->tree_fd = solve->body_fd = -1;
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
        publish(list, SOLVE_STARTED, solve);
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
    int64_t until = timestamp_monotonic() + GET_PATIENCE_NS;
    struct solve *solve;
    pthread_mutex_lock(&list->lock);
    while (!(solve = find(list, ref)) && condition_wait_until(&list->changed, &list->lock, until) == 0)
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
    publish(list, SOLVE_FORGOTTEN, solve);
    struct solve **place = &list->first;
    while (*place != solve)
        place = &(*place)->next;
    *place = solve->next;
}

/* Under the list's lock: takes the oldest builds that are too many out of the list; linked by `next`. */
static struct solve *unlink_old(struct solve_list *list)
{
    struct solve *old = NULL, *next;
    size_t count = 0, bytes = 0;
    for (struct solve *s = list->first; s; s = next) {
        next = s->next;
        if (s->completed == 0)
            continue;
        bytes += s->message_bytes + bk__solve_request__get_packed_size(s->request);
        if (++count == 1 || (count <= SOLVE_HISTORY_MAX && bytes <= SOLVE_MESSAGES_MAX))
            continue;
        unlink_solve(list, s);
        s->next = old;
        old = s;
    }
    return old;
}

void solve_end(struct solve_list *list, struct solve *solve)
{
    pthread_mutex_lock(&list->lock);
    pthread_mutex_lock(&solve->lock);
    solve->completed = timestamp_now();
    solve->ended = true;
    solve->cancel_fd = fd_close(solve->cancel_fd);
    solve->return_fd = fd_close(solve->return_fd);
    solve->tree_fd = fd_close(solve->tree_fd); /* the bytes of the whole result */
    pthread_cond_broadcast(&solve->changed);
    pthread_mutex_unlock(&solve->lock);
    publish(list, SOLVE_ENDED, solve);
    struct solve *old = unlink_old(list);
    pthread_mutex_unlock(&list->lock);
    while (old) {
        struct solve *next = old->next;
        solve_put(list, old);
        old = next;
    }
}

void solve_give_up(struct solve *solve)
{
    pthread_mutex_lock(&solve->lock);
    if (solve->cancel_fd >= 0)
        eventfd_write(solve->cancel_fd, 1);
    pthread_mutex_unlock(&solve->lock);
}

void solve_cancel(struct solve_list *list, const char *build_id)
{
    pthread_mutex_lock(&list->lock);
    for (struct solve *s = list->first; s; s = s->next) {
        if (s->completed == 0 && s->build_id && strcmp(s->build_id, build_id) == 0)
            eventfd_write(s->cancel_fd, 1);
    }
    pthread_mutex_unlock(&list->lock);
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

/* ---- those who watch ---- */

int solve_watch_open(struct solve_list *list, struct solve_watch *watch, void (*each)(struct solve *solve, void *data),
                     void *data, struct error *err)
{
    watch->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (watch->fd < 0)
        return error_errno(err, errno, "eventfd");
    pthread_mutex_lock(&list->lock);
    watch->next = list->watches;
    list->watches = watch;
    for (struct solve *s = list->first; s; s = s->next)
        each(s, data);
    pthread_mutex_unlock(&list->lock);
    return 0;
}

void solve_watch_release(struct solve_list *list, struct solve_watch *watch)
{
    struct solve_event event;
    pthread_mutex_lock(&list->lock);
    struct solve_watch **place = &list->watches;
    while (*place && *place != watch)
        place = &(*place)->next;
    if (*place)
        *place = watch->next;
    pthread_mutex_unlock(&list->lock);
    while (solve_watch_next(list, watch, &event))
        solve_put(list, event.solve);
    free(watch->events);
    fd_close(watch->fd);
}

bool solve_watch_next(struct solve_list *list, struct solve_watch *watch, struct solve_event *ret)
{
    pthread_mutex_lock(&list->lock);
    bool found = watch->count > 0;
    if (found) {
        *ret = watch->events[0];
        memmove(watch->events, watch->events + 1, --watch->count * sizeof(*watch->events));
    }
    pthread_mutex_unlock(&list->lock);
    return found;
}

/* ---- one frontend at a time ---- */

int solve_enter(struct solve *solve, struct error *err)
{
    pthread_mutex_lock(&solve->lock);
    while (solve->running && !solve->closed)
        pthread_cond_wait(&solve->changed, &solve->lock);
    bool closed = solve->closed;
    solve->running = solve->running || !closed;
    pthread_mutex_unlock(&solve->lock);
    return closed ? error_set(err, ERROR_NOT_FOUND, 0, "no such job %.100s: it has ended", solve->ref) : 0;
}

void solve_leave(struct solve *solve)
{
    pthread_mutex_lock(&solve->lock);
    solve->running = false;
    pthread_cond_broadcast(&solve->changed);
    pthread_mutex_unlock(&solve->lock);
}

void solve_close(struct solve *solve)
{
    pthread_mutex_lock(&solve->lock);
    solve->closed = true;
    if (solve->running)
        eventfd_write(solve->cancel_fd, 1);
    pthread_cond_broadcast(&solve->changed);
    while (solve->running)
        pthread_cond_wait(&solve->changed, &solve->lock);
    pthread_mutex_unlock(&solve->lock);
}

/* ---- messages ---- */

/* Under the lock. */
static void keep(struct solve *solve, const Bk__StatusResponse *message, size_t size)
{
    uint8_t *data = xmalloc(size + 1);
    bk__status_response__pack(message, data);
    xgrow((void **)&solve->messages, solve->message_count, &solve->message_capacity, sizeof(*solve->messages));
    solve->messages[solve->message_count++] = (struct solve_message){.data = data, .size = size};
    solve->message_bytes += size;
    pthread_cond_broadcast(&solve->changed);
}

/* Under the lock: says once, in place of the first output that is dropped, that it is. */
static void clip(struct solve *solve, const Bk__VertexLog *dropped)
{
    static const char text[] = "\n[output clipped, log limit reached]\n";
    Bk__StatusResponse message = BK__STATUS_RESPONSE__INIT;
    Bk__VertexLog log = *dropped, *list[] = {&log};
    if (solve->clipped)
        return;
    solve->clipped = true;
    log.msg = (ProtobufCBinaryData){.len = sizeof(text) - 1, .data = (uint8_t *)text};
    message.logs = list;
    message.n_logs = 1;
    keep(solve, &message, bk__status_response__get_packed_size(&message));
}

void solve_tell(struct solve *solve, const Bk__StatusResponse *message)
{
    size_t size = bk__status_response__get_packed_size(message);
    pthread_mutex_lock(&solve->lock);
    if (message->n_vertexes > 0 || solve->message_bytes + size <= SOLVE_MESSAGES_MAX)
        keep(solve, message, size);
    else if (message->n_logs > 0)
        clip(solve, message->logs[0]);
    pthread_mutex_unlock(&solve->lock);
}

int solve_listen(struct solve *solve, solve_sink sink, void *data, struct error *err)
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
        r = sink(message.data, message.size, data, err);
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

Bk__Entry **solve_entries(const struct strmap *map)
{
    size_t list_size = map->count * sizeof(Bk__Entry *);
    Bk__Entry **list = xcalloc(1, list_size + map->count * sizeof(Bk__Entry) + 1);
    Bk__Entry *entries = (Bk__Entry *)((char *)list + list_size);
    for (size_t i = 0; i < map->count; i++) {
        bk__entry__init(&entries[i]);
        entries[i].key = map->items[i].key;
        entries[i].value = map->items[i].value;
        list[i] = &entries[i];
    }
    return list;
}
