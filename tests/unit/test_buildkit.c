/* BuildKit's front door below its services: HTTP/2 between two of our own ends, and who may work on a build. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#include "api/buildkit/filter.h"
#include "api/buildkit/grpc.h"
#include "api/buildkit/service.h"
#include "api/buildkit/solve.h"
#include "api/buildkit/upload.h"
#include "base/fd.h"
#include "tests/unit/base_test.h"

/* ---- HTTP/2 ---- */

struct ends {
    struct http2 *server, *client;
};

static void ends_open(struct ends *ends, http2_handler handler, void *data)
{
    struct error err = {0};
    int pair[2];
    assert_int_equal(fd_socketpair(SOCK_STREAM, pair), 0);
    assert_int_equal(http2_new(pair[0], handler, data, &ends->server, &err), 0);
    assert_int_equal(http2_new(pair[1], NULL, NULL, &ends->client, &err), 0);
}

static void ends_close(struct ends *ends)
{
    http2_close(ends->client);
    http2_wait(ends->client);
    http2_wait(ends->server);
    http2_unref(ends->client);
    http2_unref(ends->server);
}

static struct http2_stream *request(struct ends *ends, const char *path)
{
    struct error err = {0};
    struct http2_stream *stream = NULL;
    CLEANUP_STRV struct strv headers = STRV_INIT;
    const char *const list[] = {":method", "POST",  ":scheme", "http", ":authority",
                                "x",       ":path", path,      "te",   "trailers"};
    for (size_t i = 0; i < ARRAY_SIZE(list); i++)
        strv_add(&headers, list[i]);
    assert_int_equal(http2_request(ends->client, &headers, &stream, &err), 0);
    return stream;
}

static void respond(struct http2_stream *stream, const char *status)
{
    CLEANUP_STRV struct strv headers = STRV_INIT;
    strv_add(&headers, ":status");
    strv_add(&headers, status);
    http2_respond(stream, &headers);
}

/* A request's headers are those that it began with: the handler reads them while more may come. */
static void answer_with_late(struct http2_stream *stream, void *data)
{
    char byte;
    (void)data;
    while (http2_read(stream, &byte, 1) > 0)
        ;
    respond(stream, http2_header(stream, "late") ? "500" : "200");
    http2_finish(stream, NULL);
}

static void test_trailers_of_requests(void **state)
{
    struct ends ends;
    char byte;
    CLEANUP_STRV struct strv trailers = STRV_INIT;
    (void)state;
    ends_open(&ends, answer_with_late, NULL);
    struct http2_stream *stream = request(&ends, "/");
    strv_add(&trailers, "late");
    strv_add(&trailers, "1");
    assert_int_equal(http2_write(stream, "x", 1), 0);
    assert_int_equal(http2_finish(stream, &trailers), 0);
    assert_int_equal(http2_read(stream, &byte, 1), 0);
    CLEANUP_FREE char *status = http2_answer(stream, ":status");
    assert_string_equal(status, "200");
    http2_stream_unref(stream);
    ends_close(&ends);
}

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;
};

static void answer_and_stay(struct http2_stream *stream, void *data)
{
    struct gate *gate = data;
    respond(stream, "200");
    http2_finish(stream, NULL);
    pthread_mutex_lock(&gate->lock);
    while (!gate->open)
        pthread_cond_wait(&gate->changed, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

/* Streams that are over do not make room for more threads than there may be. */
static void test_handlers_are_bounded(void **state)
{
    struct gate gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct ends ends;
    char byte;
    (void)state;
    ends_open(&ends, answer_and_stay, &gate);
    for (int i = 0; i <= HTTP2_STREAMS_MAX; i++) {
        struct http2_stream *stream = request(&ends, "/");
        http2_finish(stream, NULL);
        assert_int_equal(http2_read(stream, &byte, 1), i < HTTP2_STREAMS_MAX ? 0 : -EPIPE);
        http2_stream_unref(stream);
    }
    pthread_mutex_lock(&gate.lock);
    gate.open = true;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
    ends_close(&ends);
}

/* ---- gRPC ---- */

static int fail_silently(struct grpc_call *call, void *data, struct error *err)
{
    (void)call;
    (void)data;
    (void)err;
    return -EIO;
}

static void serve_failure(struct http2_stream *stream, void *data)
{
    static const struct grpc_method methods[] = {{"/fails", fail_silently}, {0}};
    grpc_serve(stream, methods, data);
}

static void test_failure_is_no_success(void **state)
{
    struct ends ends;
    struct error err = {0};
    CLEANUP_STRBUF struct strbuf answer = STRBUF_INIT;
    (void)state;
    ends_open(&ends, serve_failure, NULL);
    assert_true(grpc_unary(ends.client, "/fails", -1, "", 0, &answer, &err) < 0);
    assert_int_equal(err.kind, ERROR_SYSTEM);
    assert_true(grpc_unary(ends.client, "/unknown", -1, "", 0, &answer, &err) < 0);
    assert_int_equal(err.kind, ERROR_NOT_IMPLEMENTED);
    ends_close(&ends);
}

/* ---- builds ---- */

static struct solve *add(struct solve_list *list, const char *ref)
{
    struct error err = {0};
    struct solve *solve = NULL;
    Bk__SolveRequest from = BK__SOLVE_REQUEST__INIT;
    uint8_t packed[1024];
    from.ref = (char *)ref;
    size_t size = bk__solve_request__pack(&from, packed);
    assert_int_equal(solve_add(list, NULL, NULL, bk__solve_request__unpack(NULL, size, packed), "build", &solve, &err),
                     0);
    return solve;
}

struct worker {
    struct solve *solve;
    bool left;
};

/* Stays until it is cancelled. */
static void *work(void *data)
{
    struct worker *worker = data;
    struct pollfd cancel = {.fd = worker->solve->cancel_fd, .events = POLLIN};
    while (poll(&cancel, 1, -1) < 1)
        ;
    worker->left = true;
    solve_leave(worker->solve);
    return NULL;
}

static void test_a_closed_build_is_nobodys(void **state)
{
    struct solve_list list;
    struct error err = {0};
    pthread_t thread;
    (void)state;
    solve_list_init(&list);
    struct worker worker = {.solve = add(&list, "one")};
    assert_int_equal(solve_enter(worker.solve, &err), 0);
    solve_leave(worker.solve);
    assert_int_equal(solve_enter(worker.solve, &err), 0);
    assert_int_equal(pthread_create(&thread, NULL, work, &worker), 0);
    solve_close(worker.solve);
    assert_true(worker.left);
    assert_int_equal(solve_enter(worker.solve, &err), -ENOENT);
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
    pthread_join(thread, NULL);
    solve_end(&list, worker.solve);
    solve_put(&list, worker.solve);
    solve_list_release(&list);
}

/* Neither many builds nor talkative ones fill the memory. */
static void test_history_is_bounded(void **state)
{
    struct solve_list list;
    Bk__StatusResponse message = BK__STATUS_RESPONSE__INIT;
    Bk__VertexLog log = BK__VERTEX_LOG__INIT, *logs[] = {&log};
    CLEANUP_FREE uint8_t *text = xcalloc(1, SOLVE_MESSAGES_MAX / 2);
    size_t count = 0;
    (void)state;
    solve_list_init(&list);
    for (int i = 0; i < SOLVE_HISTORY_MAX + 5; i++) {
        CLEANUP_FREE char *ref = xasprintf("small%d", i);
        struct solve *solve = add(&list, ref);
        solve_end(&list, solve);
        solve_put(&list, solve);
    }
    for (struct solve *s = list.first; s; s = s->next)
        count++;
    assert_int_equal(count, SOLVE_HISTORY_MAX);
    log.msg = (ProtobufCBinaryData){.len = SOLVE_MESSAGES_MAX / 2, .data = text};
    message.logs = logs;
    message.n_logs = 1;
    for (int i = 0; i < 2; i++) {
        struct solve *solve = add(&list, i == 0 ? "big0" : "big1");
        solve_tell(solve, &message);
        solve_end(&list, solve);
        solve_put(&list, solve);
    }
    assert_string_equal(list.first->ref, "big1");
    assert_null(list.first->next);
    solve_list_release(&list);
}

static bool is_cancelled(const struct solve *solve)
{
    struct pollfd cancel = {.fd = solve->cancel_fd, .events = POLLIN};
    return poll(&cancel, 1, 0) == 1;
}

static void test_only_what_is_under_way_of_an_id_is_cancelled(void **state)
{
    struct solve_list list;
    (void)state;
    solve_list_init(&list);
    struct solve *ended = add(&list, "one"), *running = add(&list, "two");
    solve_end(&list, ended);
    solve_cancel(&list, "other");
    assert_false(is_cancelled(running));
    solve_cancel(&list, "build");
    assert_true(is_cancelled(running));
    assert_false(is_cancelled(ended));
    solve_put(&list, ended);
    solve_put(&list, running);
    solve_list_release(&list);
}

/* Nobody would ever return a result for it. */
static void test_an_empty_definition_is_refused_and_not_awaited(void **state)
{
    struct solve_list list;
    struct solve *solve = NULL;
    struct error err = {0};
    Bk__SolveRequest from = BK__SOLVE_REQUEST__INIT;
    Bk__Definition nothing = BK__DEFINITION__INIT;
    uint8_t packed[64];
    (void)state;
    solve_list_init(&list);
    from.ref = (char *)"one";
    from.definition = &nothing;
    size_t size = bk__solve_request__pack(&from, packed);
    assert_int_equal(solve_add(&list, NULL, NULL, bk__solve_request__unpack(NULL, size, packed), "build", &solve, &err),
                     0);
    solve_cancel(&list, "build"); /* so that who waits all the same does not do so for ever */
    assert_true(control_run(&list, solve, &err) < 0);
    assert_int_equal(err.kind, ERROR_NOT_IMPLEMENTED);
    solve_put(&list, solve);
    solve_list_release(&list);
}

/* ---- history ---- */

static void serve_history(struct http2_stream *stream, void *data)
{
    static const struct grpc_method methods[] = {{"/listen", control_listen_history}, {0}};
    grpc_serve(stream, methods, data);
}

static void expect_event(struct grpc_call *call, int type, const char *ref)
{
    CLEANUP_STRBUF struct strbuf message = STRBUF_INIT;
    struct error err = {0};
    int r = grpc_receive(call, &message, &err);
    if (r != 1)
        fail_msg("%d instead of event %d of %s: %s", r, type, ref, err.kind != ERROR_NONE ? err.message : "the end");
    Bk__HistoryEvent *event = bk__history_event__unpack(NULL, message.size, (const uint8_t *)strbuf_str(&message));
    assert_non_null(event);
    assert_string_equal(event->record->ref, ref);
    assert_int_equal(event->type, type);
    bk__history_event__free_unpacked(event, NULL);
}

static void ask_history(struct http2 *client, char *filter, bool early_exit, struct grpc_call *ret)
{
    struct error err = {0};
    Bk__HistoryRequest request = BK__HISTORY_REQUEST__INIT;
    uint8_t packed[256];
    request.filter = &filter;
    request.n_filter = filter ? 1 : 0;
    request.early_exit = early_exit;
    assert_int_equal(grpc_call(client, "/listen", NULL, -1, ret, &err), 0);
    assert_int_equal(grpc_send(ret, packed, bk__history_request__pack(&request, packed), &err), 0);
    grpc_send_end(ret); /* the answer may be whole already */
}

static void test_history_is_told_as_it_happens(void **state)
{
    struct buildkit buildkit = {0};
    struct service service = {.buildkit = &buildkit};
    struct ends ends;
    struct grpc_call call = GRPC_CALL_INIT, once = GRPC_CALL_INIT;
    CLEANUP_STRBUF struct strbuf message = STRBUF_INIT;
    struct error err = {0};
    (void)state;
    solve_list_init(&buildkit.solves);
    struct solve *old = add(&buildkit.solves, "old"), *running = add(&buildkit.solves, "running");
    solve_end(&buildkit.solves, old);
    solve_put(&buildkit.solves, old);
    ends_open(&ends, serve_history, &service);
    ask_history(ends.client, NULL, false, &call);
    expect_event(&call, 0, "running");
    expect_event(&call, 1, "old");
    struct solve *fresh = add(&buildkit.solves, "new");
    expect_event(&call, 0, "new");
    solve_end(&buildkit.solves, fresh);
    solve_put(&buildkit.solves, fresh);
    expect_event(&call, 1, "new");
    assert_true(solve_forget(&buildkit.solves, "old"));
    expect_event(&call, 2, "old");
    /* One that does not stay, with a filter. */
    ask_history(ends.client, (char *)"status==running,ref~=run", true, &once);
    expect_event(&once, 0, "running");
    assert_int_equal(grpc_receive(&once, &message, &err), 0);
    assert_int_equal(grpc_status(&once, &err), 0);
    grpc_call_release(&once);
    /* The daemon is not kept by who listens. */
    grpc_call_release(&call);
    ends_close(&ends);
    assert_null(buildkit.solves.watches);
    solve_put(&buildkit.solves, running);
    solve_list_release(&buildkit.solves);
}

/* ---- filters ---- */

static const struct filter_field fields[] = {
    {"name", FILTER_TEXT}, {"set", FILTER_FLAG}, {"at", FILTER_TIME}, {"length", FILTER_DURATION}, {NULL, FILTER_TEXT}};
#define SECOND INT64_C(1000000000)

static void value_of(const void *record, size_t i, struct filter_value *ret)
{
    (void)record;
    ret->text = i == 0 ? "a,b" : NULL;
    ret->flag = true;
    ret->ns = i == 2 ? 5000 * SECOND : 90 * SECOND;
}

/* -1: it is refused. */
static int match(const char *first, const char *second)
{
    char *texts[] = {(char *)first, (char *)second};
    CLEANUP_FILTER struct filter filter;
    struct error err = {0};
    if (filter_parse(texts, second ? 2 : 1, fields, 9000 * SECOND, &filter, &err) < 0)
        return -1;
    return filter_match(&filter, value_of, NULL);
}

static void test_filters_hold_or_are_refused(void **state)
{
    static const struct {
        int expected;
        const char *first, *second;
    } cases[] = {
        {1, "", NULL},
        {1, "name==\"a,b\"", NULL},
        {1, "\"name=a,b\"", NULL},
        {0, "name==a", NULL},
        {1, "name~=b", NULL},
        {0, "name~=c", NULL},
        {1, "name!=c", NULL},
        {1, "name", NULL},
        {1, "set,name~=a", NULL},
        {0, "set,name~=c", NULL},
        {1, "name~=c", "set"},
        {0, "name~=c", "set==false"},
        {1, "set!=false", NULL},
        {1, "length>1m", NULL},
        {0, "length>=2m", NULL},
        {1, "length<=90s", NULL},
        {0, "at>1h", NULL},
        {1, "at<1h", NULL},
        {1, "at>1970-01-01T00:00:00Z", NULL},
        {-1, "other==x", NULL},
        {-1, "name=\"x", NULL},
        {-1, "name?x", NULL},
        {-1, "name>x", NULL},
        {-1, "length==1m", NULL},
        {-1, "length>x", NULL},
        {-1, "set==perhaps", NULL},
        {-1, "name~=^a", NULL},
        {-1, ",", NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int got = match(cases[i].first, cases[i].second);
        if (got != cases[i].expected)
            fail_msg("%s: %d instead of %d", cases[i].first, got, cases[i].expected);
    }
}

/* ---- contexts that come with another request ---- */

static void *offer(void *data)
{
    struct error err = {0};
    return (void *)(intptr_t)upload_offer(data, "build", 7, &err);
}

static void test_an_upload_is_taken_once_and_held_until_it_is_done_with(void **state)
{
    struct upload_list list;
    struct error err = {0};
    struct upload *upload = NULL, *second = NULL;
    pthread_t thread;
    void *result;
    int fd = -1;
    (void)state;
    upload_list_init(&list);
    assert_int_equal(pthread_create(&thread, NULL, offer, &list), 0);
    assert_int_equal(upload_take(&list, "build", &upload, &fd, &err), 0);
    assert_int_equal(fd, 7);
    assert_true(upload_take(&list, "build", &second, &fd, &err) < 0);
    assert_int_equal(err.kind, ERROR_CONFLICT);
    assert_true(upload_offer(&list, "build", 8, &err) < 0);
    assert_int_equal(err.kind, ERROR_CONFLICT);
    upload_done(&list, upload);
    pthread_join(thread, &result);
    assert_int_equal((intptr_t)result, 0);
    assert_null(list.first);
    upload_list_release(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trailers_of_requests),
        cmocka_unit_test(test_handlers_are_bounded),
        cmocka_unit_test(test_failure_is_no_success),
        cmocka_unit_test(test_a_closed_build_is_nobodys),
        cmocka_unit_test(test_history_is_bounded),
        cmocka_unit_test(test_only_what_is_under_way_of_an_id_is_cancelled),
        cmocka_unit_test(test_an_empty_definition_is_refused_and_not_awaited),
        cmocka_unit_test(test_history_is_told_as_it_happens),
        cmocka_unit_test(test_filters_hold_or_are_refused),
        cmocka_unit_test(test_an_upload_is_taken_once_and_held_until_it_is_done_with),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
