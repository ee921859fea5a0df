/* moby.buildkit.v1.frontend.LLBBridge: a client that runs the frontend itself has the daemon run it for it. Which build
 * a call belongs to stands in its metadata. */
#include <string.h>
#include <sys/eventfd.h>

#include "api/buildkit/service.h"
#include "base/memory.h"

#define BUILD_ID "buildkit-controlapi-buildid"

static int find_build(struct grpc_call *call, struct service *service, struct solve **ret, struct error *err)
{
    const char *ref = http2_header(call->stream, BUILD_ID);
    if (!ref)
        return error_set(err, ERROR_INVALID, 0, "no buildid found in context");
    return solve_get(&service->buildkit->solves, ref, ret, err);
}

int gateway_ping(struct grpc_call *call, void *data, struct error *err)
{
    static const char *const names[] = {"solve.base",       "solve.inlinereturn", "return",
                                        "returnmap",        "importcaches",       "proto.refarray",
                                        "reference.output", "frontend.caps",      "gateway.solve.metadata",
                                        "gateway.evaluate"};
    struct service *service = data;
    struct solve *solve = NULL;
    Bk__PongResponse response = BK__PONG_RESPONSE__INIT;
    Bk__Cap caps[ARRAY_SIZE(names)], *list[ARRAY_SIZE(names)];
    Bk__Cap attestations = BK__CAP__INIT, outputs = BK__CAP__INIT, *llb_caps[] = {&attestations, &outputs};
    struct service_worker worker;
    Bk__WorkerRecord *workers[] = {&worker.record};
    int r = find_build(call, service, &solve, err);
    if (r < 0)
        return r;
    solve_put(&service->buildkit->solves, solve);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        bk__cap__init(&caps[i]);
        caps[i].id = (char *)names[i];
        caps[i].enabled = true;
        list[i] = &caps[i];
    }
    service_worker_fill(&worker);
    response.frontend_caps = list;
    response.n_frontend_caps = ARRAY_SIZE(names);
    attestations.id = (char *)"exporter.image.attestations";
    outputs.id = (char *)"exporter.multiple";
    attestations.enabled = outputs.enabled = true;
    response.llb_caps = llb_caps;
    response.n_llb_caps = ARRAY_SIZE(llb_caps);
    response.workers = workers;
    response.n_workers = 1;
    return service_reply(call, &response.base, err);
}

static int check_request(const Bk__GatewaySolveRequest *request, struct error *err)
{
    if ((request->definition && request->definition->n_def > 0) || request->n_frontend_inputs > 0)
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0,
                         "builds from LLB are not supported: only the Dockerfile frontend (dockerfile.v0) is");
    if (strcmp(request->frontend, "dockerfile.v0") != 0)
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "frontend %.100s is not supported: only dockerfile.v0 is",
                         *request->frontend ? request->frontend : "\"\"");
    return 0;
}

static int reply_result(struct grpc_call *call, const struct solve *solve, bool with_ref, struct error *err)
{
    Bk__GatewaySolveResponse response = BK__GATEWAY_SOLVE_RESPONSE__INIT;
    Bk__Result result = BK__RESULT__INIT;
    Bk__Ref ref = BK__REF__INIT;
    const struct strmap *metadata = &solve->metadata;
    CLEANUP_FREE Bk__BytesEntry *entries = xcalloc(metadata->count + 1, sizeof(*entries));
    CLEANUP_FREE Bk__BytesEntry **list = xcalloc(metadata->count + 1, sizeof(Bk__BytesEntry *));
    for (size_t i = 0; i < metadata->count; i++) {
        bk__bytes_entry__init(&entries[i]);
        entries[i].key = metadata->items[i].key;
        entries[i].value =
            (ProtobufCBinaryData){.len = strlen(metadata->items[i].value), .data = (uint8_t *)metadata->items[i].value};
        list[i] = &entries[i];
    }
    ref.id = (char *)(with_ref ? solve->ref : "");
    result.result_case = BK__RESULT__RESULT_REF;
    result.ref = &ref;
    result.metadata = list;
    result.n_metadata = metadata->count;
    response.result = &result;
    return service_reply(call, &response.base, err);
}

static int run(struct grpc_call *call, struct solve *solve, const Bk__GatewaySolveRequest *request, struct error *err)
{
    int r = solve_enter(solve, err);
    if (r < 0)
        return r;
    r = solve_run(solve, request->frontend_opt, request->n_frontend_opt, err);
    if (r == 0)
        r = reply_result(call, solve, solve->built, err);
    solve_leave(solve);
    return r;
}

int gateway_solve(struct grpc_call *call, void *data, struct error *err)
{
    struct service *service = data;
    Bk__GatewaySolveRequest *request = NULL;
    struct solve *solve = NULL;
    int r = SERVICE_RECEIVE(call, gateway_solve_request, &request, err);
    if (r == 0)
        r = find_build(call, service, &solve, err);
    if (r == 0)
        r = check_request(request, err);
    if (r == 0)
        r = run(call, solve, request, err);
    if (r < 0)
        solve_explain(err);
    solve_put(&service->buildkit->solves, solve);
    if (request)
        bk__gateway_solve_request__free_unpacked(request, NULL);
    return r;
}

/* Results are complete when they are told of. */
int gateway_evaluate(struct grpc_call *call, void *data, struct error *err)
{
    struct service *service = data;
    Bk__Empty response = BK__EMPTY__INIT;
    struct solve *solve = NULL;
    int r = find_build(call, service, &solve, err);
    if (r == 0)
        r = service_reply(call, &response.base, err);
    solve_put(&service->buildkit->solves, solve);
    return r;
}

/* The first one counts: afterwards Control/Solve reads it. */
static void take_return(struct solve *solve, const Bk__Status *status)
{
    pthread_mutex_lock(&solve->lock);
    if (!solve->answered && status && status->code != GRPC_OK)
        error_set(&solve->returned, grpc_error_kind(status->code), 0, "%s", status->message);
    solve->answered = true;
    eventfd_write(solve->return_fd, 1);
    pthread_mutex_unlock(&solve->lock);
}

int gateway_return(struct grpc_call *call, void *data, struct error *err)
{
    struct service *service = data;
    Bk__ReturnRequest *request = NULL;
    Bk__Empty response = BK__EMPTY__INIT;
    struct solve *solve = NULL;
    int r = SERVICE_RECEIVE(call, return_request, &request, err);
    if (r == 0)
        r = find_build(call, service, &solve, err);
    if (r == 0) {
        take_return(solve, request->error);
        r = service_reply(call, &response.base, err);
    }
    solve_put(&service->buildkit->solves, solve);
    if (request)
        bk__return_request__free_unpacked(request, NULL);
    return r;
}
