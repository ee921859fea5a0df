/* The history of builds: Control/ListenBuildHistory and UpdateBuildHistory. It is as long as struct solve_list keeps
 * builds that have ended. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#include "api/buildkit/filter.h"
#include "api/buildkit/service.h"
#include "base/memory.h"
#include "base/timestamp.h"

/* ---- one build ---- */

static int64_t completed_of(struct solve *solve)
{
    pthread_mutex_lock(&solve->lock);
    int64_t completed = solve->completed;
    pthread_mutex_unlock(&solve->lock);
    return completed;
}

static int send_event(struct grpc_call *call, enum solve_event_kind kind, struct solve *solve, struct error *err)
{
    Bk__HistoryEvent event = BK__HISTORY_EVENT__INIT;
    Bk__HistoryRecord record = BK__HISTORY_RECORD__INIT;
    Bk__Status status = BK__STATUS__INIT;
    int64_t ended = kind == SOLVE_STARTED ? 0 : completed_of(solve);
    Bk__Timestamp created = solve_timestamp(solve->created), completed = solve_timestamp(ended);
    event.type = (int32_t)kind; /* BuildKit's numbers are the same */
    event.record = &record;
    record.ref = solve->ref;
    record.frontend = solve->request->frontend;
    record.frontend_attrs = solve->request->frontend_attrs;
    record.n_frontend_attrs = solve->request->n_frontend_attrs;
    record.exporters = solve->request->exporters;
    record.n_exporters = solve->request->n_exporters;
    record.created_at = &created;
    record.completed_at = ended ? &completed : NULL;
    record.num_cached_steps = (int32_t)solve->cached;
    record.num_completed_steps = (int32_t)solve->steps;
    record.num_total_steps = (int32_t)solve->total;
    record.num_warnings = (int32_t)solve->warnings;
    if (ended && solve->failed) {
        status.code = solve->cancelled ? GRPC_CANCELLED : GRPC_UNKNOWN;
        status.message = solve->failure;
        record.error = &status;
    }
    return service_reply(call, &event.base, err);
}

/* ---- filters ---- */

enum { FIELD_REF, FIELD_STATUS, FIELD_REPOSITORY, FIELD_STARTED, FIELD_COMPLETED, FIELD_DURATION };
static const struct filter_field history_fields[] = {
    [FIELD_REF] = {"ref", FILTER_TEXT},
    [FIELD_STATUS] = {"status", FILTER_TEXT},
    [FIELD_REPOSITORY] = {"repository", FILTER_TEXT},
    [FIELD_STARTED] = {"startedAt", FILTER_TIME},
    [FIELD_COMPLETED] = {"completedAt", FILTER_TIME},
    [FIELD_DURATION] = {"duration", FILTER_DURATION},
    {NULL, FILTER_TEXT},
};

static const char *repository_of(const struct solve *solve)
{
    const Bk__SolveRequest *request = solve->request;
    const char *source = solve_entry(request->frontend_attrs, request->n_frontend_attrs, "vcs:source");
    return source ? source : solve_entry(request->frontend_attrs, request->n_frontend_attrs, "context");
}

struct entry {
    struct solve *solve;
    int64_t completed;
};

static void history_value(const void *data, size_t i, struct filter_value *ret)
{
    const struct entry *entry = data;
    const struct solve *solve = entry->solve;
    switch (i) {
    case FIELD_REF:
        ret->text = solve->ref;
        break;
    case FIELD_STATUS:
        ret->text = entry->completed == 0 ? "running"
                    : !solve->failed      ? "completed"
                    : solve->cancelled    ? "canceled"
                                          : "error";
        break;
    case FIELD_REPOSITORY:
        ret->text = repository_of(solve);
        break;
    case FIELD_STARTED:
        ret->ns = solve->created;
        break;
    case FIELD_COMPLETED:
        ret->ns = entry->completed;
        break;
    default:
        ret->ns = entry->completed > 0 ? entry->completed - solve->created : 0;
    }
}

/* ---- listening ---- */

struct listener {
    struct grpc_call *call;
    struct solve_list *list;
    const Bk__HistoryRequest *request;
    struct filter filter;
    struct solve_watch watch;
    struct solve **solves; /* that are there when it begins */
    size_t count, capacity;
    size_t ended; /* of these */
};

static bool is_wanted(const struct listener *l, struct solve *solve, int64_t completed)
{
    const struct entry entry = {.solve = solve, .completed = completed};
    return !solve->request->internal && (!*l->request->ref || strcmp(l->request->ref, solve->ref) == 0) &&
           filter_match(&l->filter, history_value, &entry);
}

/* Under the list's lock. A limit is one of those that have ended. */
static void note(struct solve *solve, void *data)
{
    struct listener *l = data;
    bool ended = solve->completed != 0;
    if ((ended && l->request->active_only) || !is_wanted(l, solve, solve->completed) ||
        (ended && l->request->limit > 0 && l->ended == (size_t)l->request->limit))
        return;
    l->ended += ended;
    xgrow((void **)&l->solves, l->count, &l->capacity, sizeof(struct solve *));
    solve->references++;
    l->solves[l->count++] = solve;
}

static int send_present(struct listener *l, struct error *err)
{
    int r = 0;
    for (size_t i = 0; i < l->count && r == 0; i++)
        r = send_event(l->call, completed_of(l->solves[i]) ? SOLVE_ENDED : SOLVE_STARTED, l->solves[i], err);
    return r;
}

static int send_coming(struct listener *l, struct error *err)
{
    struct solve_event event;
    int r = 0;
    while (r == 0 && solve_watch_next(l->list, &l->watch, &event)) {
        int64_t completed = event.kind == SOLVE_STARTED ? 0 : completed_of(event.solve);
        if (is_wanted(l, event.solve, completed))
            r = send_event(l->call, event.kind, event.solve, err);
        solve_put(l->list, event.solve);
    }
    if (r == 0 && l->watch.overrun)
        r = error_set(err, ERROR_UNAVAILABLE, 0, "the client has not taken %d events", SOLVE_EVENTS_MAX);
    return r;
}

/* Until the client goes. */
static int stay(struct listener *l, struct error *err)
{
    int r = 0;
    http2_notify(l->call->stream, l->watch.fd);
    while (r == 0 && !http2_is_broken(l->call->stream)) {
        struct pollfd fd = {.fd = l->watch.fd, .events = POLLIN};
        eventfd_t value;
        r = send_coming(l, err);
        if (r == 0 && poll(&fd, 1, -1) < 0 && errno != EINTR)
            r = error_errno(err, errno, "poll");
        eventfd_read(l->watch.fd, &value);
    }
    http2_notify(l->call->stream, -1);
    return r;
}

/* How long a build has been running is told by the daemon's clock. */
static int send_time(struct grpc_call *call, struct error *err)
{
    CLEANUP_STRV struct strv headers = STRV_INIT;
    char now[TIMESTAMP_MAX];
    timestamp_format(now, timestamp_now());
    strv_add(&headers, "buildkit-current-timestamp");
    strv_add(&headers, now);
    return grpc_respond(call, &headers, err);
}

static int listen(struct listener *l, struct error *err)
{
    const Bk__HistoryRequest *request = l->request;
    int r = request->limit < 0 ? error_set(err, ERROR_INVALID, 0, "invalid limit %d", request->limit) : 0;
    if (r == 0)
        r = filter_parse(request->filter, request->n_filter, history_fields, timestamp_now(), &l->filter, err);
    if (r == 0)
        r = send_time(l->call, err);
    if (r == 0)
        r = solve_watch_open(l->list, &l->watch, note, l, err);
    if (r == 0)
        r = send_present(l, err);
    return r == 0 && !request->early_exit ? stay(l, err) : r;
}

/* The builds that are under way or have ended lately, newest first, and unless it is to end there, what becomes of
 * them. */
int control_listen_history(struct grpc_call *call, void *data, struct error *err)
{
    struct service *service = data;
    Bk__HistoryRequest *request = NULL;
    int r = SERVICE_RECEIVE(call, history_request, &request, err);
    if (r < 0)
        return r;
    struct listener l = {.call = call, .list = &service->buildkit->solves, .request = request, .watch = {.fd = -1}};
    r = listen(&l, err);
    solve_watch_release(l.list, &l.watch);
    for (size_t i = 0; i < l.count; i++)
        solve_put(l.list, l.solves[i]);
    free(l.solves);
    filter_release(&l.filter);
    bk__history_request__free_unpacked(request, NULL);
    return r;
}

int control_update_history(struct grpc_call *call, void *data, struct error *err)
{
    struct service *service = data;
    Bk__UpdateHistoryRequest *request = NULL;
    Bk__Empty response = BK__EMPTY__INIT;
    int r = SERVICE_RECEIVE(call, update_history_request, &request, err);
    if (r < 0)
        return r;
    if (request->pinned)
        r = error_set(err, ERROR_NOT_IMPLEMENTED, 0, "builds of the history cannot be pinned");
    else if (request->delete_ && !solve_forget(&service->buildkit->solves, request->ref))
        r = error_set(err, ERROR_NOT_FOUND, 0, "no such build %.100s", request->ref);
    bk__update_history_request__free_unpacked(request, NULL);
    return r < 0 ? r : service_reply(call, &response.base, err);
}
