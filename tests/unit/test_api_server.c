/*
 * The server with routes of its own: the tables of the resources are defined here, so that the archive's are not
 * linked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include "api/client.h"
#include "api/server.h"
#include "base/fd.h"
#include "daemon/engine_internal.h"
#include "daemon/options.h"

/* ---- routes ---- */

static int body_result = -1; /* what the last streamed body came to: bytes, or -errno */
static int hangups;          /* clients whose end was noticed */

static int answer_ok(struct api_request *request, struct engine *engine, struct error *err)
{
    (void)engine;
    (void)err;
    return api_reply_text(request, 200, "text/plain", "OK");
}

static int answer_body(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    const struct json *body = NULL;
    struct json_writer w;
    int r = api_body(request, &body, err);

    (void)engine;
    if (r < 0)
        return r;
    json_writer_init(&w, &out);
    if (body)
        json_put_value(&w, body);
    else
        json_put_null(&w);
    return api_reply_json(request, 201, &out);
}

static int answer_nothing(struct api_request *request, struct engine *engine, struct error *err)
{
    (void)request;
    (void)engine;
    (void)err;
    return 0;
}

static int answer_failure(struct api_request *request, struct engine *engine, struct error *err)
{
    int64_t kind = 0;

    (void)engine;
    api_query_int(request, "kind", 0, &kind, NULL);
    return error_set(err, (enum error_kind)kind, 0, "failed %s", api_path(request, 0));
}

/* Streams "n" lines, then waits until the client is gone when told so. */
static int stream(struct api_request *request, struct engine *engine, struct error *err)
{
    int64_t lines = 0;
    int r = api_query_int(request, "n", 0, &lines, err);

    (void)engine;
    if (r == 0)
        r = api_stream_begin(request, 200, "application/json");
    for (int64_t i = 0; r == 0 && i < lines; i++)
        r = api_stream_write(request, "0123456789abcde\n", 16);
    if (api_query_bool(request, "wait", false)) {
        struct pollfd p = {.fd = api_client_fd(request), .events = POLLIN};

        if (poll(&p, 1, 5000) == 1)
            __atomic_add_fetch(&hangups, 1, __ATOMIC_SEQ_CST);
    }
    return 0;
}

static int echo(struct api_request *request, struct engine *engine, struct error *err)
{
    char buffer[4096];
    ssize_t n;
    int fd = -1, r;

    (void)engine;
    if (api_query_bool(request, "refuse", false))
        return error_set(err, ERROR_CONFLICT, 0, "not now");
    r = api_hijack(request, "application/vnd.docker.raw-stream", &fd, err);
    if (r < 0)
        return r;
    while ((n = read(fd, buffer, sizeof(buffer))) > 0)
        fd_write_all(fd, buffer, (size_t)n);
    fd_close(fd);
    return 0;
}

static int count_body(struct api_request *request, struct engine *engine, struct error *err)
{
    char buffer[65536], text[32];
    ssize_t n;
    int size = 0;

    (void)engine;
    if (api_query_bool(request, "early", false))
        return error_set(err, ERROR_INVALID, 0, "enough");
    while ((n = read(api_body_fd(request), buffer, sizeof(buffer))) > 0)
        size += (int)n;
    __atomic_store_n(&body_result, n < 0 ? -errno : size, __ATOMIC_SEQ_CST);
    snprintf(text, sizeof(text), "%d", size);
    return api_reply_text(request, 200, "text/plain", text);
}

/* As a build: streams while it reads; "early": before, "fail": without an end. */
static int sum_body(struct api_request *request, struct engine *engine, struct error *err)
{
    char buffer[4096], text[32];
    ssize_t n;
    int size = 0, r = api_stream_begin(request, 200, "text/plain");

    (void)engine;
    while (r == 0 && !api_query_bool(request, "early", false) &&
           (n = read(api_body_fd(request), buffer, sizeof(buffer))) > 0)
        size += (int)n;
    if (r == 0 && api_query_bool(request, "fail", false))
        return error_set(err, ERROR_SYSTEM, 0, "no more");
    snprintf(text, sizeof(text), "%d", size);
    return r < 0 ? r : api_stream_write(request, text, strlen(text));
}

const struct api_route api_system_routes[] = {
    {"GET", "/ok", answer_ok, 0},
    {"POST", "/body", answer_body, API_BODY_JSON},
    {"GET", "/nothing", answer_nothing, 0},
    {"GET", "/fail/{}", answer_failure, 0},
    {"GET", "/stream", stream, API_STREAM},
    {"POST", "/echo", echo, API_HIJACK},
    {"POST", "/count", count_body, API_BODY_STREAM},
    {"POST", "/sum", sum_body, API_BODY_STREAM},
    {0},
};
const struct api_route api_container_routes[] = {{0}}, api_stream_routes[] = {{0}}, api_image_routes[] = {{0}};
const struct api_route api_volume_routes[] = {{0}}, api_network_routes[] = {{0}}, api_swarm_routes[] = {{0}};
const struct api_route api_missing_routes[] = {{0}};

/* ---- the server and raw clients ---- */

struct fixture {
    char directory[32], path[64], host[80];
    struct api_server *server;
    struct daemon_options options; /* of an engine without metrics and plugins */
    struct engine engine;
};

static int start(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));

    signal(SIGPIPE, SIG_IGN);
    snprintf(f->directory, sizeof(f->directory), "/tmp/test_api.XXXXXX");
    assert_non_null(mkdtemp(f->directory));
    snprintf(f->path, sizeof(f->path), "%s/s", f->directory);
    snprintf(f->host, sizeof(f->host), "unix://%s", f->path);
    assert_int_equal(api_server_new(&f->server, NULL), 0);
    assert_int_equal(api_server_listen(f->server, f->host, &(struct api_listen_options){0}, NULL), 0);
    pthread_rwlock_init(&f->options.reload, NULL);
    f->engine.options = &f->options;
    assert_int_equal(api_server_start(f->server, &f->engine, NULL), 0);
    *state = f;
    return 0;
}

static int stop(void **state)
{
    struct fixture *f = *state;

    api_server_free(f->server);
    assert_int_equal(access(f->path, F_OK), -1);
    assert_int_equal(rmdir(f->directory), 0);
    pthread_rwlock_destroy(&f->options.reload);
    free(f);
    return 0;
}

static int dial(const struct fixture *f)
{
    int fd = fd_connect_unix(AT_FDCWD, f->path, SOCK_STREAM);

    assert_true(fd >= 0);
    return fd;
}

/* Sends text and reads until the peer closes or `until` was seen. The caller frees. */
static char *talk(int fd, const char *text, const char *until)
{
    struct strbuf out = STRBUF_INIT;

    fd_write_all(fd, text, strlen(text));
    while (!until || !strstr(strbuf_str(&out), until)) {
        char buffer[4096];
        struct pollfd p = {.fd = fd, .events = POLLIN};
        ssize_t n;

        assert_int_equal(poll(&p, 1, 5000), 1);
        n = read(fd, buffer, sizeof(buffer));
        if (n <= 0)
            break;
        strbuf_add(&out, buffer, (size_t)n);
    }
    return strbuf_take(&out);
}

/* One request on a connection of its own. */
static char *ask(const struct fixture *f, const char *text, const char *until)
{
    int fd = dial(f);
    char *answer = talk(fd, text, until);

    fd_close(fd);
    return answer;
}

static void expect_answer(const struct fixture *f, const char *request, const char *status, const char *body)
{
    CLEANUP_FREE char *answer = ask(f, request, body);

    assert_non_null(strstr(answer, status));
    assert_non_null(strstr(answer, body));
}

#define END "Host: x\r\n\r\n"

/* ---- tests ---- */

static void a_connection_serves_many_requests(void **state)
{
    const struct fixture *f = *state;
    int fd = dial(f);

    for (int i = 0; i < 100; i++) {
        CLEANUP_FREE char *good = talk(fd, "GET /v1.40/ok HTTP/1.1\r\n" END, "\r\n\r\nOK");
        CLEANUP_FREE char *bad = talk(fd, "GET /nope HTTP/1.1\r\n" END, "page not found\"}\n");

        assert_non_null(strstr(good, "HTTP/1.1 200 OK"));
        assert_non_null(strstr(good, "Api-Version: " API_VERSION_MAX "\r\n"));
        assert_non_null(strstr(good, "Server: Dory/"));
        assert_non_null(strstr(bad, "HTTP/1.1 404 Not Found"));
    }
    fd_close(fd);
}

static void head_answers_without_a_body(void **state)
{
    int fd = dial(*state);
    CLEANUP_FREE char *head = talk(fd, "HEAD /ok HTTP/1.1\r\n" END, "\r\n\r\n");
    CLEANUP_FREE char *next = talk(fd, "GET /ok HTTP/1.1\r\n" END, "OK");

    assert_non_null(strstr(head, "Content-Length: 2"));
    assert_true(strncmp(next, "HTTP/1.1 200", 12) == 0);
    fd_close(fd);
}

static void kinds_of_errors_have_their_status(void **state)
{
    static const struct {
        enum error_kind kind;
        const char *status;
    } cases[] = {{ERROR_SYSTEM, "500"},      {ERROR_INVALID, "400"},        {ERROR_UNAUTHORIZED, "401"},
                 {ERROR_FORBIDDEN, "403"},   {ERROR_NOT_FOUND, "404"},      {ERROR_CONFLICT, "409"},
                 {ERROR_UNAVAILABLE, "503"}, {ERROR_NOT_IMPLEMENTED, "501"}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP_FREE char *request = xasprintf("GET /fail/a%%2Fb?kind=%d HTTP/1.1\r\n" END, (int)cases[i].kind);
        CLEANUP_FREE char *status = xasprintf("HTTP/1.1 %s ", cases[i].status);

        expect_answer(*state, request, status, "{\"message\":\"failed a/b\"}");
    }
}

static void a_handler_that_does_not_answer_is_an_error(void **state)
{
    expect_answer(*state, "GET /nothing HTTP/1.1\r\n" END, "HTTP/1.1 500 ", "was not answered");
}

static void bodies_are_json_or_refused(void **state)
{
    expect_answer(*state,
                  "POST /body HTTP/1.1\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: 7\r\n" END
                  "{\"a\":1}",
                  "HTTP/1.1 201 Created", "{\"a\":1}");
    expect_answer(*state, "POST /body HTTP/1.1\r\nContent-Length: 0\r\n" END, "HTTP/1.1 201", "null");
    expect_answer(*state, "POST /body HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n" END "{}",
                  "HTTP/1.1 400", "unsupported Content-Type header (text/plain): must be 'application/json'");
    expect_answer(*state, "POST /body HTTP/1.1\r\nContent-Length: 2\r\n" END "{}", "HTTP/1.1 400",
                  "malformed Content-Type header ()");
    expect_answer(*state, "POST /body HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 1\r\n" END "{",
                  "HTTP/1.1 400", "invalid JSON");
    expect_answer(*state,
                  "POST /body HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n" END
                  "2\r\n[1\r\n1\r\n]\r\n0\r\n\r\n",
                  "HTTP/1.1 201", "[1]");
}

static void a_body_over_the_limit_is_refused(void **state)
{
    CLEANUP_STRBUF struct strbuf request = STRBUF_INIT;
    size_t size = 5 * 1024 * 1024;

    strbuf_addf(&request, "POST /body HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n" END, size);
    for (size_t i = 0; i < size; i++)
        strbuf_addc(&request, ' ');
    expect_answer(*state, request.data, "HTTP/1.1 400", "is larger than");
}

static void headers_over_the_limit_are_refused(void **state)
{
    CLEANUP_STRBUF struct strbuf request = STRBUF_INIT;

    strbuf_adds(&request, "GET /ok HTTP/1.1\r\nX: ");
    for (int i = 0; i < 200000; i++)
        strbuf_addc(&request, 'x');
    strbuf_adds(&request, "\r\n" END);
    {
        CLEANUP_FREE char *answer = ask(*state, request.data, NULL);

        assert_null(strstr(answer, "200 OK"));
    }
    expect_answer(*state, "GET /ok HTTP/1.1\r\n" END, "200 OK", "OK");
}

static void a_stream_is_chunked_and_ends_with_its_connection(void **state)
{
    CLEANUP_FREE char *answer = ask(*state, "GET /stream?n=2 HTTP/1.1\r\n" END, NULL);

    assert_non_null(strstr(answer, "Transfer-Encoding: chunked"));
    assert_non_null(strstr(answer, "\r\n\r\n10\r\n0123456789abcde\n\r\n10\r\n0123456789abcde\n\r\n0\r\n\r\n"));
}

#define KEEP "Connection: keep-alive\r\nHost: x\r\n\r\n"

static void a_client_that_says_keep_alive_keeps_its_connection_after_streams(void **state)
{
    CLEANUP_CLOSE int fd = dial(*state);

    for (int round = 0; round < 20; round++) {
        CLEANUP_FREE char *answer = talk(fd, "GET /stream?n=1 HTTP/1.1\r\n" KEEP, "\r\n0\r\n\r\n");
        CLEANUP_FREE char *sum = talk(fd, "POST /sum HTTP/1.1\r\nContent-Length: 5\r\n" KEEP "12345", "\r\n0\r\n\r\n");
        CLEANUP_FREE char *whole = talk(fd, "GET /ok HTTP/1.1\r\n" KEEP, "\r\n\r\nOK");

        assert_null(strstr(answer, "Connection: close"));
        assert_non_null(strstr(answer, "\r\n\r\n10\r\n0123456789abcde\n\r\n0\r\n\r\n"));
        assert_non_null(strstr(sum, "\r\n\r\n1\r\n5\r\n0\r\n\r\n"));
        assert_non_null(strstr(whole, "HTTP/1.1 200 OK"));
    }
}

static void a_stream_that_failed_or_came_before_the_body_ends_its_connection(void **state)
{
    CLEANUP_FREE char *failed = ask(*state, "POST /sum?fail=1 HTTP/1.1\r\nContent-Length: 1\r\n" KEEP "1", NULL);
    CLEANUP_FREE char *early =
        ask(*state, "POST /sum?early=1 HTTP/1.1\r\nContent-Length: 9\r\n" KEEP "1", "\r\n0\r\n\r\n");
    CLEANUP_CLOSE int fd = dial(*state);
    CLEANUP_FREE char *answer =
        talk(fd, "POST /sum?early=1 HTTP/1.1\r\nContent-Length: 2\r\n" KEEP "1", "\r\n0\r\n\r\n");
    CLEANUP_FREE char *rest = talk(fd, "2GET /ok HTTP/1.1\r\n" KEEP, NULL);

    assert_non_null(strstr(failed, "HTTP/1.1 200 OK"));
    assert_null(strstr(failed, "\r\n0\r\n"));
    assert_non_null(strstr(early, "\r\n\r\n1\r\n0\r\n0\r\n\r\n"));
    assert_string_equal(rest, "");
}

static void http_1_0_gets_a_stream_without_chunks(void **state)
{
    CLEANUP_FREE char *answer = ask(*state, "GET /stream?n=2 HTTP/1.0\r\n" END, NULL);

    assert_non_null(strstr(answer, "\r\n\r\n0123456789abcde\n0123456789abcde\n"));
}

static void a_slow_reader_loses_nothing_of_a_stream(void **state)
{
    const struct fixture *f = *state;
    struct client *client = NULL;
    struct client_response *response = NULL;
    const struct client_request request = {.path = "/stream?n=50000"};
    const char *line;
    int count = 0;

    unsetenv("DOCKER_API_VERSION");
    assert_int_equal(client_new(f->host, NULL, &client, NULL), 0);
    assert_int_equal(client_send(client, &request, &response, NULL), 0);
    poll(NULL, 0, 50);
    while (client_read_line(response, 100, &line, NULL) == 0 && line) {
        assert_string_equal(line, "0123456789abcde");
        count++;
    }
    assert_int_equal(count, 50000);
    client_response_free(response);
    client_free(client);
}

static void the_end_of_a_client_is_noticed_by_a_waiting_handler(void **state)
{
    int before = __atomic_load_n(&hangups, __ATOMIC_SEQ_CST);
    CLEANUP_FREE char *answer = ask(*state, "GET /stream?n=1&wait=1 HTTP/1.1\r\n" END, "abcde");

    for (int i = 0; i < 100 && __atomic_load_n(&hangups, __ATOMIC_SEQ_CST) == before; i++)
        poll(NULL, 0, 10);
    assert_int_equal(__atomic_load_n(&hangups, __ATOMIC_SEQ_CST), before + 1);
}

static void a_taken_connection_echoes_after_101(void **state)
{
    int fd = dial(*state);
    CLEANUP_FREE char *head =
        talk(fd, "POST /echo HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n" END, "\r\n\r\n");
    CLEANUP_FREE char *text = talk(fd, "hello", "hello");

    assert_non_null(strstr(head, "HTTP/1.1 101 "));
    assert_non_null(strstr(head, "Upgrade: tcp"));
    assert_non_null(strstr(head, "Content-Type: application/vnd.docker.raw-stream"));
    assert_string_equal(text, "hello");
    shutdown(fd, SHUT_WR);
    assert_int_equal(read(fd, head, 1), 0);
    fd_close(fd);
}

static void bytes_right_behind_the_request_are_not_lost(void **state)
{
    int fd = dial(*state);
    CLEANUP_FREE char *answer =
        talk(fd, "POST /echo HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n" END "early", "early");
    CLEANUP_FREE char *more = talk(fd, "late", "late");

    assert_non_null(strstr(answer, "HTTP/1.1 101 "));
    assert_string_equal(more, "late");
    shutdown(fd, SHUT_WR);
    assert_int_equal(read(fd, more, 1), 0);
    fd_close(fd);
}

static void without_an_upgrade_the_connection_is_taken_after_200(void **state)
{
    int fd = dial(*state);
    CLEANUP_FREE char *head = talk(fd, "POST /echo HTTP/1.1\r\n" END, "\r\n\r\n");
    CLEANUP_FREE char *text = talk(fd, "hello", "hello");

    assert_string_equal(head, "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n");
    assert_string_equal(text, "hello");
    fd_close(fd);
}

static void a_handler_may_refuse_to_take_the_connection(void **state)
{
    expect_answer(*state, "POST /echo?refuse=1 HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n" END, "HTTP/1.1 409",
                  "{\"message\":\"not now\"}");
}

static void a_streamed_body_arrives_whole(void **state)
{
    CLEANUP_STRBUF struct strbuf request = STRBUF_INIT;

    strbuf_adds(&request, "POST /count HTTP/1.1\r\nContent-Length: 3000000\r\n" END);
    for (int i = 0; i < 3000000; i++)
        strbuf_addc(&request, 'x');
    expect_answer(*state, request.data, "HTTP/1.1 200", "\r\n\r\n3000000");
}

static void a_body_that_is_cut_off_is_no_whole_one(void **state)
{
    int fd = dial(*state);
    const char *text = "POST /count HTTP/1.1\r\nContent-Length: 100\r\n" END "short";

    __atomic_store_n(&body_result, -1, __ATOMIC_SEQ_CST);
    fd_write_all(fd, text, strlen(text));
    poll(NULL, 0, 20);
    fd_close(fd);
    for (int i = 0; i < 100 && __atomic_load_n(&body_result, __ATOMIC_SEQ_CST) == -1; i++)
        poll(NULL, 0, 10);
    assert_int_equal(__atomic_load_n(&body_result, __ATOMIC_SEQ_CST), -ECONNRESET);
}

static void an_answer_before_the_bodys_end_is_read(void **state)
{
    const struct fixture *f = *state;
    struct client *client = NULL;
    struct error error = {0};
    CLEANUP_CLOSE int zeros = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    const struct client_request request = {
        .method = "POST", .path = "/count?early=1", .stream_body = true, .body_fd = zeros};

    assert_int_equal(client_new(f->host, NULL, &client, NULL), 0);
    assert_true(client_call(client, &request, NULL, NULL, NULL, &error) < 0);
    assert_string_equal(error.message, "Error response from daemon: enough");
    client_free(client);
}

static void an_address_in_use_is_refused(void **state)
{
    const struct fixture *f = *state;
    struct api_server *second = NULL;
    struct error error = {0};

    assert_int_equal(api_server_new(&second, NULL), 0);
    assert_true(api_server_listen(second, f->host, &(struct api_listen_options){0}, &error) < 0);
    assert_non_null(strstr(error.message, "in use"));
    assert_true(api_server_listen(second, "ftp://x", &(struct api_listen_options){0}, &error) < 0);
    assert_string_equal(error.message, "invalid bind address format: ftp://x");
    api_server_free(second);
    expect_answer(f, "GET /ok HTTP/1.1\r\n" END, "200 OK", "OK");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_serves_many_requests),
        cmocka_unit_test(head_answers_without_a_body),
        cmocka_unit_test(kinds_of_errors_have_their_status),
        cmocka_unit_test(a_handler_that_does_not_answer_is_an_error),
        cmocka_unit_test(bodies_are_json_or_refused),
        cmocka_unit_test(a_body_over_the_limit_is_refused),
        cmocka_unit_test(headers_over_the_limit_are_refused),
        cmocka_unit_test(a_stream_is_chunked_and_ends_with_its_connection),
        cmocka_unit_test(a_client_that_says_keep_alive_keeps_its_connection_after_streams),
        cmocka_unit_test(a_stream_that_failed_or_came_before_the_body_ends_its_connection),
        cmocka_unit_test(http_1_0_gets_a_stream_without_chunks),
        cmocka_unit_test(a_slow_reader_loses_nothing_of_a_stream),
        cmocka_unit_test(the_end_of_a_client_is_noticed_by_a_waiting_handler),
        cmocka_unit_test(a_taken_connection_echoes_after_101),
        cmocka_unit_test(bytes_right_behind_the_request_are_not_lost),
        cmocka_unit_test(without_an_upgrade_the_connection_is_taken_after_200),
        cmocka_unit_test(a_handler_may_refuse_to_take_the_connection),
        cmocka_unit_test(a_streamed_body_arrives_whole),
        cmocka_unit_test(a_body_that_is_cut_off_is_no_whole_one),
        cmocka_unit_test(an_answer_before_the_bodys_end_is_read),
        cmocka_unit_test(an_address_in_use_is_refused),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
