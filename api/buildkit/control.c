/* moby.buildkit.v1.Control: builds, what they tell, and the daemon's particulars. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "api/buildkit/service.h"
#include "api/buildkit/solve_cache.h"
#include "base/memory.h"
#include "daemon/build/cache_export.h"
#include "image/platform.h"

int service_receive(struct grpc_call *call, void *(*unpack)(ProtobufCAllocator *, size_t, const uint8_t *), void **ret,
                    struct error *err)
{
    CLEANUP_STRBUF struct strbuf message = STRBUF_INIT;
    int r = grpc_receive(call, &message, err);
    if (r == 0)
        return error_set(err, ERROR_INVALID, EPROTO, "gRPC: the request has no message");
    if (r < 0)
        return r;
    *ret = unpack(NULL, message.size, (const uint8_t *)strbuf_str(&message));
    return *ret ? 0 : error_set(err, ERROR_INVALID, EPROTO, "gRPC: malformed message");
}

int service_reply(struct grpc_call *call, const ProtobufCMessage *message, struct error *err)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    CLEANUP_FREE uint8_t *packed = xmalloc(size + 1);
    return grpc_send(call, packed, protobuf_c_message_pack(message, packed), err);
}

/* ---- the daemon ---- */

static void fill_version(Bk__Version *version)
{
    bk__version__init(version);
    version->package = (char *)"dory";
    version->version = (char *)BUILDKIT_VERSION;
    version->revision = (char *)DORY_VERSION;
}

void service_worker_fill(struct service_worker *w)
{
    struct platform host;
    platform_host(&host);
    snprintf(w->os, sizeof(w->os), "%s", host.os);
    snprintf(w->architecture, sizeof(w->architecture), "%s", host.architecture);
    snprintf(w->variant, sizeof(w->variant), "%s", host.variant);
    bk__worker_record__init(&w->record);
    bk__platform__init(&w->platform);
    w->platform.os = w->os;
    w->platform.architecture = w->architecture;
    w->platform.variant = w->variant;
    w->platforms[0] = &w->platform;
    fill_version(&w->version);
    const char *const labels[][2] = {{"org.mobyproject.buildkit.worker.executor", "dory"},
                                     {"org.mobyproject.buildkit.worker.snapshotter", "overlayfs"}};
    for (size_t i = 0; i < ARRAY_SIZE(labels); i++) {
        bk__entry__init(&w->labels[i]);
        w->labels[i].key = (char *)labels[i][0];
        w->labels[i].value = (char *)labels[i][1];
        w->label_list[i] = &w->labels[i];
    }
    w->record.id = (char *)"dory";
    w->record.platforms = w->platforms;
    w->record.n_platforms = 1;
    w->record.labels = w->label_list;
    w->record.n_labels = ARRAY_SIZE(labels);
    w->record.version = &w->version;
}

int control_info(struct grpc_call *call, void *data, struct error *err)
{
    Bk__InfoResponse response = BK__INFO_RESPONSE__INIT;
    Bk__Version version;
    (void)data;
    fill_version(&version);
    response.version = &version;
    return service_reply(call, &response.base, err);
}

int control_list_workers(struct grpc_call *call, void *data, struct error *err)
{
    Bk__ListWorkersResponse response = BK__LIST_WORKERS_RESPONSE__INIT;
    struct service_worker worker;
    Bk__WorkerRecord *list[] = {&worker.record};
    (void)data;
    service_worker_fill(&worker);
    response.record = list;
    response.n_record = 1;
    return service_reply(call, &response.base, err);
}

/* ---- builds ---- */

static int check_request(struct solve *solve, struct error *err)
{
    const Bk__SolveRequest *request = solve->request;
    /* Without frontend and definition the client runs the build; an empty definition is one, of no files. */
    if (request->definition && (request->definition->n_def > 0 || !*request->frontend))
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0,
                         "builds from LLB are not supported: only the Dockerfile frontend (dockerfile.v0) is");
    if (*request->frontend && strcmp(request->frontend, "dockerfile.v0") != 0)
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "frontend %.100s is not supported: only dockerfile.v0 is",
                         request->frontend);
    if (request->n_frontend_inputs > 0)
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "inputs made of LLB are not supported");
    if (request->source_policy && request->source_policy->n_rules > 0)
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "source policies are not supported");
    if (request->cache && *request->cache->export_ref)
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0,
                         "cache export of the oldest form (export_ref) is not supported");
    int r = solve_export_check(solve, err);
    return r < 0 ? r : solve_cache_prepare(solve, err);
}

static int run_frontend(struct solve *solve, struct error *err)
{
    int r = solve_enter(solve, err);
    if (r < 0)
        return r;
    r = solve_run(solve, solve->request->frontend_attrs, solve->request->n_frontend_attrs, err);
    solve_leave(solve);
    return r;
}

/* The frontend is run by the client, over the gateway. */
static int wait_for_return(struct solve *solve, struct error *err)
{
    struct pollfd fds[] = {{.fd = solve->return_fd, .events = POLLIN}, {.fd = solve->cancel_fd, .events = POLLIN}};
    while (poll(fds, 2, -1) < 0) {
        if (errno != EINTR)
            return error_errno(err, errno, "poll");
    }
    if (fds[0].revents == 0)
        return error_set(err, ERROR_CANCELLED, ECANCELED, "the build was cancelled");
    if (solve->returned.kind != ERROR_NONE)
        return error_propagate(err, &solve->returned);
    return 0;
}

static int reply_entries(struct grpc_call *call, const struct strmap *map, struct error *err)
{
    Bk__SolveResponse response = BK__SOLVE_RESPONSE__INIT;
    CLEANUP_FREE Bk__Entry **list = solve_entries(map);
    response.exporter_response = list;
    response.n_exporter_response = map->count;
    return service_reply(call, &response.base, err);
}

int control_run(struct solve_list *list, struct solve *solve, struct error *err)
{
    int r = check_request(solve, err);
    if (r == 0)
        r = *solve->request->frontend ? run_frontend(solve, err) : wait_for_return(solve, err);
    solve_close(solve);
    if (r == 0)
        r = solve_export(solve, err);
    if (r == 0)
        r = solve_cache_export(solve, err);
    cache_set_free(TAKE_PTR(solve->used)); /* the records may be pruned again */
    solve->failed = r < 0;
    solve->cancelled = r < 0 && err->kind == ERROR_CANCELLED;
    if (solve->cancelled)
        solve->failure = xstrdup("context canceled"); /* clients look for these words */
    else if (r < 0)
        solve->failure = solve_explain_text(err->message);
    solve_end(list, solve);
    return r;
}

int control_solve(struct grpc_call *call, void *data, struct error *err)
{
    struct service *service = data;
    struct solve_list *list = &service->buildkit->solves;
    Bk__SolveRequest *request = NULL;
    struct solve *solve = NULL;
    int r = SERVICE_RECEIVE(call, solve_request, &request, err);
    if (r == 0)
        r = solve_add(list, service->engine, &service->buildkit->sessions, request, NULL, &solve, err);
    if (r < 0)
        return r;
    http2_notify(call->stream, solve->cancel_fd);
    r = control_run(list, solve, err);
    http2_notify(call->stream, -1);
    if (r < 0)
        solve_explain(err);
    else
        r = reply_entries(call, &solve->response, err);
    solve_put(list, solve);
    return r;
}

static int send_message(const void *message, size_t size, void *data, struct error *err)
{
    return grpc_send(data, message, size, err);
}

int control_status(struct grpc_call *call, void *data, struct error *err)
{
    struct service *service = data;
    Bk__StatusRequest *request = NULL;
    struct solve *solve = NULL;
    int r = SERVICE_RECEIVE(call, status_request, &request, err);
    if (r < 0)
        return r;
    r = solve_get(&service->buildkit->solves, request->ref, &solve, err);
    bk__status_request__free_unpacked(request, NULL);
    if (r == 0)
        r = solve_listen(solve, send_message, call, err);
    solve_put(&service->buildkit->solves, solve);
    return r;
}
