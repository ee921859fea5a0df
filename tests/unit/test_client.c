/* The client's parsers, and the client against a scripted peer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>

#include "api/client.h"
#include "api/client_http.h"
#include "base/fd.h"
#include "tests/unit/client_peer.h"

/* ---- chunks ---- */

/* Decodes in pieces of `step` bytes; the caller frees. NULL: refused. *ret_rest: bytes behind the body. */
static char *decode(const char *text, size_t step, size_t *ret_rest)
{
    struct chunk_decoder decoder = {0};
    struct strbuf out = STRBUF_INIT;
    size_t size = strlen(text), at = 0;
    char buffer[7];

    while (at < size && decoder.state != CHUNK_DONE) {
        size_t piece = size - at < step ? size - at : step, left = piece;
        const char *in = text + at;
        ssize_t n;

        while (left > 0 && decoder.state != CHUNK_DONE) {
            n = chunk_decode(&decoder, &in, &left, buffer, sizeof(buffer));
            if (n < 0) {
                strbuf_release(&out);
                return NULL;
            }
            strbuf_add(&out, buffer, (size_t)n);
        }
        at += piece - left;
    }
    *ret_rest = size - at;
    return decoder.state == CHUNK_DONE ? strbuf_take(&out) : (strbuf_release(&out), NULL);
}

static void chunks_are_decoded_however_they_are_cut(void **state)
{
    const char *text = "5\r\nhello\r\nA;name=value\r\n, chunked \r\n6 \r\nworld!\r\n0\r\nTrailer: x\r\n\r\nNEXT";

    (void)state;
    for (size_t step = 1; step < 80; step++) {
        size_t rest = 0;
        CLEANUP_FREE char *plain = decode(text, step, &rest);

        assert_non_null(plain);
        assert_string_equal(plain, "hello, chunked world!");
        assert_int_equal(rest, 4);
    }
}

static void malformed_chunks_are_refused(void **state)
{
    static const char *const texts[] = {
        "\r\n", "x\r\n", "5\r\nhelloX", "-1\r\n", "0x5\r\nhello\r\n", "11111111111111111\r\n", "5 5\r\nhello\r\n0\r\n"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        size_t rest;
        CLEANUP_FREE char *plain = decode(texts[i], 3, &rest);

        assert_null(plain);
    }
}

static void endless_trailers_and_extensions_are_refused(void **state)
{
    static const char *const starts[] = {"0\r\nX: ", "5;"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
        CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
        size_t rest;

        strbuf_adds(&text, starts[i]);
        for (int k = 0; k < 20000; k++)
            strbuf_addc(&text, 'x');
        assert_null(decode(text.data, 1000, &rest));
    }
}

/* ---- heads ---- */

static void a_head_is_complete_with_its_blank_line(void **state)
{
    (void)state;
    assert_int_equal(http_head_length("HTTP/1.1 200 OK\r\n", 17), 0);
    assert_int_equal(http_head_length("HTTP/1.1 200 OK\r\n\r", 18), 0);
    assert_int_equal(http_head_length("HTTP/1.1 200 OK\r\n\r\n", 19), 19);
    assert_int_equal(http_head_length("HTTP/1.1 200 OK\n\nbody", 21), 17);
}

static void headers_are_read(void **state)
{
    const char *text = "HTTP/1.1 404 Not Found\r\nContent-Length: 12\r\nX-A:  b c \r\nConnection: close\r\n\r\n";
    struct http_head head = {0};

    (void)state;
    assert_int_equal(http_head_parse(text, strlen(text), &head, NULL), 0);
    assert_int_equal(head.status, 404);
    assert_int_equal(head.content_length, 12);
    assert_true(head.close);
    assert_false(head.chunked);
    assert_string_equal(http_head_get(&head, "x-a"), "b c");
    http_head_release(&head);
}

static void malformed_heads_are_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: empty\r\n\r\n",
        "HTTP/1.1 200 OK\r\n folded: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct http_head head = {0};
        struct error error = {0};

        assert_int_equal(http_head_parse(texts[i], strlen(texts[i]), &head, &error), -EPROTO);
        http_head_release(&head);
    }
}

static void too_many_headers_are_refused(void **state)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct http_head head = {0};

    (void)state;
    strbuf_adds(&text, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i <= HTTP_HEADERS_MAX; i++)
        strbuf_adds(&text, "A: b\r\n");
    assert_int_equal(http_head_parse(text.data, text.size, &head, NULL), -EPROTO);
    http_head_release(&head);
}

/* ---- against a peer ---- */

static void an_error_carries_the_daemons_message(void **state)
{
    const char *const answers[] = {
        "HTTP/1.1 404 Not Found\r\nContent-Length: 36\r\n\r\n{\"message\":\"No such container: foo\"}", NULL};
    struct peer peer;
    struct client *client = peer_start(&peer, answers);
    struct error error = {0};

    (void)state;
    assert_true(client_json(client, &(struct client_request){.path = "/x"}, NULL, &error) < 0);
    assert_int_equal(error.kind, ERROR_NOT_FOUND);
    assert_string_equal(error.message, "Error response from daemon: No such container: foo");
    peer_stop(&peer, client);
}

static void lines_of_a_chunked_answer_are_read_one_by_one(void **state)
{
    const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n5\r\n\ntwo\r\r\n7\r\n"
        "\n\nthree\r\n0\r\n\r\n",
        NULL};
    const char *const expected[] = {"one", "two", "", "three", NULL};
    struct peer peer;
    struct client *client = peer_start(&peer, answers);
    struct client_response *response = NULL;
    const char *line;

    (void)state;
    assert_int_equal(client_send(client, &(struct client_request){.path = "/x"}, &response, NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        assert_int_equal(client_read_line(response, 100, &line, NULL), 0);
        if (expected[i])
            assert_string_equal(line, expected[i]);
        else
            assert_null(line);
    }
    client_response_free(response);
    peer_stop(&peer, client);
}

static void a_kept_connection_that_died_is_replaced(void **state)
{
    /* The peer closes after each answer without saying so. */
    const char *const answers[] = {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1",
                                   "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2", NULL};
    struct peer peer;
    struct client *client = peer_start(&peer, answers);

    (void)state;
    for (int i = 1; i <= 2; i++) {
        CLEANUP_FREE char *text = NULL;
        const struct client_request request = {.path = "/x"};

        assert_int_equal(client_call(client, &request, &text, NULL, NULL, NULL), 0);
        assert_int_equal(text[0], '0' + i);
    }
    peer_stop(&peer, client);
}

static void an_answer_that_is_cut_off_is_an_error(void **state)
{
    const char *const answers[] = {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", "HTTP/1.1 200",
                                   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA\r\nshort", NULL};
    struct peer peer;
    struct client *client = peer_start(&peer, answers);

    (void)state;
    for (size_t i = 0; answers[i]; i++) {
        const struct client_request request = {.path = "/x"};
        struct error error = {0};

        assert_true(client_call(client, &request, NULL, NULL, NULL, &error) < 0);
        assert_int_equal(error.kind, ERROR_UNAVAILABLE);
    }
    peer_stop(&peer, client);
}

static void a_head_without_end_is_an_error(void **state)
{
    CLEANUP_STRBUF struct strbuf answer = STRBUF_INIT;
    const char *answers[] = {NULL, NULL};
    const struct client_request request = {.path = "/x"};
    struct peer peer;
    struct client *client;

    (void)state;
    strbuf_adds(&answer, "HTTP/1.1 200 OK\r\nX: ");
    for (int i = 0; i < CLIENT_HEADER_MAX + 10; i++)
        strbuf_addc(&answer, 'x');
    answers[0] = answer.data;
    client = peer_start(&peer, answers);
    assert_int_equal(client_call(client, &request, NULL, NULL, NULL, NULL), -ENOBUFS);
    peer_stop(&peer, client);
}

static void connections_that_were_opened_early_are_the_ones_that_are_used(void **state)
{
    /* The peer answers on two connections and takes no third. */
    const char *const answers[] = {"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
                                   "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1", NULL};
    CLEANUP_FREE char *text = NULL;
    struct client_stream stream = {.fd = -1};
    struct peer peer;
    struct client *client = peer_start(&peer, answers);

    (void)state;
    client_prepare(client, 2);
    assert_int_equal(client_hijack(client, &(struct client_request){.method = "POST", .path = "/x"}, &stream, NULL), 0);
    assert_int_equal(client_call(client, &(struct client_request){.path = "/x"}, &text, NULL, NULL, NULL), 0);
    assert_string_equal(text, "1");
    fd_close(stream.fd);
    free(stream.leftover);
    peer_stop(&peer, client);
}

static void bytes_behind_the_upgrade_are_kept(void **state)
{
    const char *const answers[] = {"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream"
                                   "\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nhello",
                                   NULL};
    const struct client_request request = {.method = "POST", .path = "/attach"};
    struct client_stream stream = {.fd = -1};
    struct peer peer;
    struct client *client = peer_start(&peer, answers);

    (void)state;
    assert_int_equal(client_hijack(client, &request, &stream, NULL), 0);
    assert_true(stream.multiplexed);
    /* What had not arrived together with the head is still in the socket. */
    while (stream.leftover_size < 5) {
        char c;

        assert_int_equal(read(stream.fd, &c, 1), 1);
        stream.leftover = xrealloc(stream.leftover, stream.leftover_size + 1);
        stream.leftover[stream.leftover_size++] = c;
    }
    assert_memory_equal(stream.leftover, "hello", 5);
    free(stream.leftover);
    fd_close(stream.fd);
    peer_stop(&peer, client);
}

/* ---- hosts ---- */

static void hosts_are_checked(void **state)
{
    static const struct {
        const char *host;
        enum error_kind kind;
    } cases[] = {{"unix:///run/x.sock", ERROR_NONE},       {"tcp://127.0.0.1:2375", ERROR_NONE},
                 {"tcp://[::1]:2375", ERROR_NONE},         {"tcp://", ERROR_INVALID},
                 {"/run/x.sock", ERROR_INVALID},           {"ssh://me@there", ERROR_NONE},
                 {"ssh://me:secret@there", ERROR_INVALID}, {"npipe:////./pipe/x", ERROR_NOT_IMPLEMENTED}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct client *client = NULL;
        struct error error = {0};
        int r = client_new(cases[i].host, NULL, &client, &error);

        assert_int_equal(r < 0, cases[i].kind != ERROR_NONE);
        assert_int_equal(error.kind, cases[i].kind);
        client_free(client);
    }
}

static void a_service_that_takes_or_says_nothing_is_not_waited_for(void **state)
{
    const char *const none[] = {NULL};
    CLEANUP_FREE char *body = xcalloc(1, 8 << 20);
    struct client_request request = {.method = "POST", .path = "/x"};
    struct error error = {0};
    struct peer peer;
    struct client *client = peer_start(&peer, none);

    (void)state;
    client_to_service(client, 50);
    assert_int_equal(client_call(client, &request, NULL, NULL, NULL, &error), -ETIMEDOUT);
    request.body = body;
    request.body_size = 8 << 20; /* more than a socket takes */
    error_clear(&error);
    assert_int_equal(client_call(client, &request, NULL, NULL, NULL, &error), -ETIMEDOUT);
    error_clear(&error);
    peer_stop(&peer, client);
}

static void a_service_is_asked_without_a_version(void **state)
{
    const char *const answers[] = {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", NULL};
    const struct client_request request = {.path = "/x"};
    struct peer peer;
    struct client *client;

    (void)state;
    setenv("DOCKER_API_VERSION", "1.41", 1);
    client = peer_start(&peer, answers);
    unsetenv("DOCKER_API_VERSION");
    client_to_service(client, 20000);
    assert_int_equal(client_call(client, &request, NULL, NULL, NULL, NULL), 0);
    assert_int_equal(strncmp(strbuf_str(&peer.received), "GET /x ", 7), 0);
    peer_stop(&peer, client);
}

static void a_daemon_that_does_not_run_is_named(void **state)
{
    struct client *client = NULL;
    struct error error = {0};

    (void)state;
    assert_int_equal(client_new("unix:///nonexistent/dory.sock", NULL, &client, NULL), 0);
    assert_true(client_json(client, &(struct client_request){.path = "/x"}, NULL, &error) < 0);
    assert_string_equal(error.message,
                        "Cannot connect to the Dory daemon at unix:///nonexistent/dory.sock. Is the dory "
                        "daemon running?");
    client_free(client);
}

static void paths_and_queries_are_escaped(void **state)
{
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;

    (void)state;
    strbuf_adds(&path, "/images/");
    client_path_escape(&path, "localhost:5000/a b?c");
    client_query_add(&path, "filters", "{\"a\":[\"x&y\"]}");
    client_query_add(&path, "absent", NULL);
    client_query_add_bool(&path, "all", true);
    client_query_add_bool(&path, "size", false);
    client_query_add_int(&path, "limit", -1);
    assert_string_equal(path.data, "/images/localhost:5000/a%20b%3Fc?filters=%7B%22a%22%3A%5B%22x%26y%22%5D%7D&all=1&"
                                   "limit=-1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_are_decoded_however_they_are_cut),
        cmocka_unit_test(malformed_chunks_are_refused),
        cmocka_unit_test(endless_trailers_and_extensions_are_refused),
        cmocka_unit_test(a_head_is_complete_with_its_blank_line),
        cmocka_unit_test(headers_are_read),
        cmocka_unit_test(malformed_heads_are_refused),
        cmocka_unit_test(too_many_headers_are_refused),
        cmocka_unit_test(an_error_carries_the_daemons_message),
        cmocka_unit_test(lines_of_a_chunked_answer_are_read_one_by_one),
        cmocka_unit_test(a_kept_connection_that_died_is_replaced),
        cmocka_unit_test(an_answer_that_is_cut_off_is_an_error),
        cmocka_unit_test(a_head_without_end_is_an_error),
        cmocka_unit_test(connections_that_were_opened_early_are_the_ones_that_are_used),
        cmocka_unit_test(bytes_behind_the_upgrade_are_kept),
        cmocka_unit_test(hosts_are_checked),
        cmocka_unit_test(a_service_that_takes_or_says_nothing_is_not_waited_for),
        cmocka_unit_test(a_service_is_asked_without_a_version),
        cmocka_unit_test(a_daemon_that_does_not_run_is_named),
        cmocka_unit_test(paths_and_queries_are_escaped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
