/* Sinks: the messages of syslog, the journal, GELF and fluentd, and a server that is slow, gone, and back. */
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "base/fd.h"
#include "base/json_table.h"
#include "base/strbuf.h"
#include "daemon/log_options.h"
#include "daemon/shim_sink.h"
#include "tests/unit/base_test.h"

#define T0 (INT64_C(1704164645) * 1000000000 + 678901234) /* 2024-01-02T03:04:05.678901234Z */

static void assert_message(const struct log_sink_config *config, enum log_stream stream, const char *text,
                           const char *expected)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    log_sink_format(config, stream, text, strlen(text), true, T0, NULL, &out);
    assert_string_equal(strbuf_str(&out), expected);
}

static void syslog_messages_are_dockers(void **state)
{
    (void)state;
    struct log_sink_config c = {
        .kind = LOG_SINK_SYSLOG, .facility = 19, .tag = (char *)"mytag", .hostname = (char *)"vm", .pid = 42};
    setenv("TZ", "UTC", 1);
    tzset();
    assert_message(&c, LOG_STDOUT, "out", "<158>Jan  2 03:04:05 mytag[42]: out\n");
    assert_message(&c, LOG_STDERR, "err", "<155>Jan  2 03:04:05 mytag[42]: err\n");
    c.format = SYSLOG_RFC3164;
    assert_message(&c, LOG_STDOUT, "out", "<158>Jan  2 03:04:05 vm mytag[42]: out\n");
    c.format = SYSLOG_RFC5424;
    assert_message(&c, LOG_STDOUT, "out", "<158>1 2024-01-02T03:04:05Z vm mytag 42 mytag - out\n");
    c.program = (char *)"dory-connect"; /* over TLS with its length */
    assert_message(&c, LOG_STDOUT, "out", "52 <158>1 2024-01-02T03:04:05Z vm mytag 42 mytag - out\n");
    c.program = NULL;
    c.format = SYSLOG_RFC5424_MICRO;
    assert_message(&c, LOG_STDERR, "err", "<155>1 2024-01-02T03:04:05.678901Z vm mytag 42 mytag - err\n");
}

static void a_journal_entry_may_hold_anything(void **state)
{
    (void)state;
    struct log_sink_config c = {.kind = LOG_SINK_JOURNALD, .fields = (char *)"CONTAINER_ID=abc\n"};
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    static const char expected[] = "PRIORITY=3\nSYSLOG_TIMESTAMP=1704164645.678901\nCONTAINER_PARTIAL_MESSAGE=true\n"
                                   "CONTAINER_ID=abc\nMESSAGE\n\3\0\0\0\0\0\0\0a\nb\n";
    log_sink_format(&c, LOG_STDERR, "a\nb", 3, false, T0, NULL, &out);
    assert_int_equal(out.size, sizeof(expected) - 1);
    assert_memory_equal(out.data, expected, out.size);
}

static void a_gelf_message_is_json(void **state)
{
    (void)state;
    struct log_sink_config c = {.kind = LOG_SINK_GELF, .hostname = (char *)"vm"};
    strmap_set(&c.extra, "_tag", "my\"tag");
    assert_message(
        &c, LOG_STDOUT, "a \"b\"",
        "{\"version\":\"1.1\",\"host\":\"vm\",\"short_message\":\"a \\\"b\\\"\",\"timestamp\":1704164645.678,"
        "\"level\":6,\"_tag\":\"my\\\"tag\"}");
    c.stream = true;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    log_sink_format(&c, LOG_STDERR, "e", 1, true, T0, NULL, &out);
    assert_int_equal(out.data[out.size - 1], 0);
    assert_non_null(strstr(out.data, "\"level\":3"));
    strmap_release(&c.extra);
}

static void a_long_gelf_message_goes_in_chunks(void **state)
{
    (void)state;
    CLEANUP_STRBUF struct strbuf message = STRBUF_INIT, all = STRBUF_INIT;
    assert_int_equal(gelf_chunk_count(1), 1);
    assert_int_equal(gelf_chunk_count(GELF_CHUNK_MAX), 1);
    assert_int_equal(gelf_chunk_count(GELF_CHUNK_MAX + 1), 2);
    assert_int_equal(gelf_chunk_count(128 * 1408), 128);
    assert_int_equal(gelf_chunk_count(128 * 1408 + 1), -EMSGSIZE);
    for (int i = 0; i < 2000; i++)
        strbuf_addf(&message, "%d,", i);
    int count = gelf_chunk_count(message.size);
    assert_true(count > 2);
    for (int i = 0; i < count; i++) {
        CLEANUP_STRBUF struct strbuf chunk = STRBUF_INIT;
        gelf_chunk(&message, (const unsigned char *)"abcdefgh", i, count, &chunk);
        assert_true(chunk.size <= GELF_CHUNK_MAX);
        assert_memory_equal(chunk.data,
                            "\x1e\x0f"
                            "abcdefgh",
                            10);
        assert_int_equal(chunk.data[10], i);
        assert_int_equal(chunk.data[11], count);
        strbuf_add(&all, chunk.data + GELF_CHUNK_HEADER, chunk.size - GELF_CHUNK_HEADER);
    }
    assert_string_equal(strbuf_str(&all), strbuf_str(&message));
}

static void a_fluentd_message_is_messagepack(void **state)
{
    (void)state;
    struct log_sink_config c = {.kind = LOG_SINK_FLUENTD, .tag = (char *)"t"};
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    static const char whole[] =
        "\x93\xa1t\xd3\0\0\0\0\x65\x93\x7d\x25\xdf\0\0\0\3\xa1k\xa1v\xa6source\xa6stdout\xa3log\xa2hi";
    strmap_set(&c.extra, "k", "v");
    strmap_set(&c.extra, "log", "an attribute of this name would be there twice");
    log_sink_format(&c, LOG_STDOUT, "hi", 2, true, T0, NULL, &out);
    assert_int_equal(out.size, sizeof(whole) - 1);
    assert_memory_equal(out.data, whole, out.size);
    strbuf_clear(&out);
    c.nanoseconds = true;
    static const char time[] = "\x93\xa1t\xd7\0\x65\x93\x7d\x25\x28\x77\x35\xf2";
    const struct log_sink_piece piece = {.number = 2, .id = "abc"};
    log_sink_format(&c, LOG_STDERR, "hi", 2, false, T0, &piece, &out);
    assert_memory_equal(out.data, time, sizeof(time) - 1);
    static const char end[] = "\xafpartial_message\xa4true\xaapartial_id\xa3"
                              "abc\xafpartial_ordinal\xa1"
                              "2\xacpartial_last\xa5"
                              "false";
    assert_memory_equal(out.data + out.size - (sizeof(end) - 1), end, sizeof(end) - 1);
    strmap_release(&c.extra);
}

static void an_answer_of_fluentd_is_read_whole_or_not_at_all(void **state)
{
    (void)state;
    static const char answers[] = "\x81\xa3"
                                  "ack\xa2"
                                  "id\x81\xa3"
                                  "ack\xd9\2"
                                  "it";
    static const char *const wrong[] = {"\x82\xa3"
                                        "ack",
                                        "\x80",
                                        "\x81\xa3"
                                        "nak\xa1"
                                        "x",
                                        "\x81\xa3"
                                        "ack\xc0",
                                        "hello"};
    const char *id;
    size_t size, used, second;
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(fluentd_take_ack(answers, i, &id, &size, &used), 0);
    assert_int_equal(fluentd_take_ack(answers, sizeof(answers) - 1, &id, &size, &used), 1);
    assert_int_equal(used, 8);
    assert_int_equal(size, 2);
    assert_memory_equal(id, "id", 2);
    assert_int_equal(fluentd_take_ack(answers + used, sizeof(answers) - 1 - used, &id, &size, &second), 1);
    assert_int_equal(second, 9);
    assert_memory_equal(id, "it", 2);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_int_equal(fluentd_take_ack(wrong[i], strlen(wrong[i]), &id, &size, &used), -EPROTO);
}

/* ---- over a socket ---- */

static int server(struct scratch *s, const char *name, int type, char **ret_path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    *ret_path = xasprintf("%s/%s", s->path, name);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", *ret_path);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    unlink(*ret_path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    if (type == SOCK_STREAM)
        assert_int_equal(listen(fd, 5), 0);
    return fd;
}

static struct log_sink *open_sink(const struct log_sink_config *config)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    struct log_sink *sink = NULL;
    struct error err = {0};
    json_writer_init(&w, &text);
    json_table_encode(&log_sink_config_table, config, &w);
    if (log_sink_open(strbuf_str(&text), text.size, &sink, &err) < 0)
        fail_msg("log_sink_open: %s", err.message);
    return sink;
}

static int add(struct log_sink *sink, const char *text)
{
    return log_sink_add(sink, LOG_STDOUT, text, strlen(text), true, T0);
}

static void a_datagram_is_a_message(void **state)
{
    CLEANUP_FREE char *path = NULL;
    CLEANUP_CLOSE int fd = server(*state, "dgram", SOCK_DGRAM, &path);
    struct log_sink_config c = {.path = path, .tag = (char *)"t", .pid = 1};
    struct log_sink *sink = open_sink(&c);
    char buffer[256] = "";
    assert_int_equal(add(sink, "one"), 0);
    assert_int_equal(add(sink, ""), 0); /* nothing to say */
    assert_int_equal(add(sink, "two"), 0);
    assert_true(recv(fd, buffer, sizeof(buffer) - 1, 0) > 0);
    assert_non_null(strstr(buffer, " t[1]: one\n"));
    memset(buffer, 0, sizeof(buffer));
    assert_true(recv(fd, buffer, sizeof(buffer) - 1, 0) > 0);
    assert_non_null(strstr(buffer, " t[1]: two\n"));
    log_sink_close(sink);
}

static void a_slow_server_gets_everything_in_order(void **state)
{
    CLEANUP_FREE char *path = NULL;
    CLEANUP_CLOSE int fd = server(*state, "slow", SOCK_STREAM, &path);
    struct log_sink_config c = {.path = path, .stream = true, .tag = (char *)"t", .pid = 1};
    struct log_sink *sink = open_sink(&c);
    CLEANUP_CLOSE int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    CLEANUP_STRBUF struct strbuf got = STRBUF_INIT;
    int sent = 0, seen = 0;
    assert_true(peer >= 0);
    while (!log_sink_is_full(sink)) {
        char line[32];
        snprintf(line, sizeof(line), "line %d", sent++);
        assert_int_equal(add(sink, line), 0);
        assert_true(sent < 1000000);
    }
    while (log_sink_has_queue(sink) || got.size == 0) {
        ssize_t n;
        while ((n = read(peer, strbuf_reserve(&got, 65536), 65536)) > 0)
            got.size += (size_t)n;
        assert_int_equal(log_sink_flush(sink), 0);
    }
    for (;;) {
        ssize_t n = read(peer, strbuf_reserve(&got, 65536), 65536);
        if (n <= 0)
            break;
        got.size += (size_t)n;
    }
    strbuf_terminate(&got);
    for (char *p = got.data; (p = strstr(p, "line ")); p += 5)
        assert_int_equal(strtol(p + 5, NULL, 10), seen++);
    assert_int_equal(seen, sent);
    log_sink_close(sink);
}

static void without_blocking_what_exceeds_the_buffer_is_dropped(void **state)
{
    CLEANUP_FREE char *path = NULL;
    CLEANUP_CLOSE int fd = server(*state, "drop", SOCK_STREAM, &path);
    struct log_sink_config c = {
        .path = path, .stream = true, .tag = (char *)"t", .non_blocking = true, .buffer_size = 1000};
    struct log_sink *sink = open_sink(&c);
    CLEANUP_CLOSE int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    int r = 0;
    assert_true(peer >= 0);
    for (int i = 0; i < 1000000 && r == 0; i++) {
        r = add(sink, "line");
        assert_false(log_sink_is_full(sink));
    }
    assert_int_equal(r, -ENOBUFS);
    log_sink_close(sink);
}

static void a_server_that_was_lost_is_found_again(void **state)
{
    CLEANUP_FREE char *path = NULL, *again = NULL;
    int fd = server(*state, "lost", SOCK_STREAM, &path);
    struct log_sink_config c = {.path = path, .stream = true, .tag = (char *)"t", .retry_ns = LOG_DEFAULT_RETRY_NS};
    struct log_sink *sink = open_sink(&c);
    int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC), r = 0;
    char buffer[256] = "";
    fd_close(peer);
    fd_close(fd);
    for (int i = 0; i < 10 && r == 0; i++)
        r = add(sink, "into the void");
    assert_true(r < 0);
    assert_int_equal(add(sink, "lost"), -ENOTCONN);
    fd = server(*state, "lost", SOCK_STREAM, &again);
    for (int i = 0; i < 2000 && r < 0; i++) {
        usleep(10000);
        r = add(sink, "back");
    }
    assert_int_equal(r, 0);
    peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    assert_true(read(peer, buffer, sizeof(buffer) - 1) > 0);
    assert_non_null(strstr(buffer, "back\n"));
    log_sink_close(sink);
    fd_close(peer);
    fd_close(fd);
}

static void what_comes_while_an_async_server_is_away_waits_for_it(void **state)
{
    CLEANUP_FREE char *path = NULL, *again = NULL;
    int fd = server(*state, "away", SOCK_STREAM, &path);
    fd_close(fd);
    struct log_sink_config c = {.kind = LOG_SINK_FLUENTD,
                                .path = path,
                                .stream = true,
                                .async = true,
                                .non_blocking = true,
                                .buffer_size = 200,
                                .retry_ns = 1,
                                .tag = (char *)"t"};
    struct log_sink *sink = open_sink(&c); /* it need not be there */
    assert_int_equal(add(sink, "first"), 0);
    assert_int_equal(add(sink, "second"), 0);
    assert_true(log_sink_wait_ms(sink) >= 0);
    assert_int_equal(log_sink_flush(sink), 0);
    char big[300] = "";
    memset(big, 'x', sizeof(big) - 1);
    assert_int_equal(add(sink, big), -ENOBUFS); /* no more than there is room for */
    fd = server(*state, "away", SOCK_STREAM, &again);
    assert_int_equal(log_sink_flush(sink), 0);
    assert_false(log_sink_has_queue(sink));
    assert_int_equal(log_sink_wait_ms(sink), -1);
    int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    char buffer[512];
    ssize_t n = read(peer, buffer, sizeof(buffer));
    assert_true(n > 0);
    assert_non_null(memmem(buffer, (size_t)n,
                           "\xa5"
                           "first",
                           6));
    assert_non_null(memmem(buffer, (size_t)n, "\xa6second", 7));
    log_sink_close(sink);
    fd_close(peer);
    fd_close(fd);
}

/* What came, up to and with the id of the last message's chunk; the id is answered. */
static void answer_all(int peer, struct log_sink *sink, int count)
{
    CLEANUP_STRBUF struct strbuf got = STRBUF_INIT;
    static const char mark[] = "\x81\xa5"
                               "chunk\xb8";
    const char *at;
    while (count > 0) {
        ssize_t n = read(peer, strbuf_reserve(&got, 4096), 4096);
        assert_true(n > 0);
        got.size += (size_t)n;
        while (count > 0 && (at = memmem(got.data, got.size, mark, strlen(mark))) != NULL &&
               (size_t)(got.data + got.size - at) >= strlen(mark) + 24) {
            CLEANUP_STRBUF struct strbuf answer = STRBUF_INIT;
            size_t used = (size_t)(at - got.data) + strlen(mark) + 24;
            strbuf_addf(&answer,
                        "\x81\xa3"
                        "ack\xb8%.24s",
                        at + strlen(mark));
            assert_int_equal(write(peer, answer.data, answer.size), answer.size);
            memmove(got.data, got.data + used, got.size - used);
            got.size -= used;
            count--;
        }
    }
    assert_int_equal(log_sink_flush(sink), 0);
}

static void what_is_not_acknowledged_is_sent_again(void **state)
{
    CLEANUP_FREE char *path = NULL;
    CLEANUP_CLOSE int fd = server(*state, "ack", SOCK_STREAM, &path);
    struct log_sink_config c = {
        .kind = LOG_SINK_FLUENTD, .path = path, .stream = true, .ack = true, .retry_ns = 1, .tag = (char *)"t"};
    struct log_sink *sink = open_sink(&c);
    int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    assert_int_equal(add(sink, "one"), 0);
    assert_int_equal(add(sink, "two"), 0);
    assert_int_equal(log_sink_events(sink), EPOLLOUT);
    assert_int_equal(log_sink_flush(sink), 0);
    assert_int_equal(log_sink_events(sink), EPOLLIN);
    answer_all(peer, sink, 1);
    fd_close(peer);
    assert_int_equal(add(sink, "three"), 0);
    while (log_sink_fd(sink) >= 0 && log_sink_events(sink) == (EPOLLIN | EPOLLOUT))
        assert_int_equal(log_sink_flush(sink), 0);
    peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    answer_all(peer, sink, 2);
    assert_false(log_sink_has_queue(sink));
    assert_int_equal(log_sink_events(sink), 0);
    /* Another one's answer is none: the connection is given up, and the message kept. */
    assert_int_equal(add(sink, "four"), 0);
    assert_int_equal(log_sink_flush(sink), 0);
    assert_int_equal(write(peer,
                           "\x81\xa3"
                           "ack\xa1"
                           "x",
                           7),
                     7);
    assert_int_equal(log_sink_flush(sink), 0);
    assert_true(log_sink_has_queue(sink));
    fd_close(peer);
    log_sink_close(sink);
}

static void a_timeout_may_be_as_long_as_a_number(void **state)
{
    CLEANUP_FREE char *path = NULL;
    CLEANUP_CLOSE int fd = server(*state, "patient", SOCK_STREAM, &path);
    struct log_sink_config c = {.kind = LOG_SINK_FLUENTD,
                                .path = path,
                                .stream = true,
                                .ack = true,
                                .read_timeout_ns = INT64_MAX,
                                .write_timeout_ns = INT64_MAX,
                                .retry_ns = 1,
                                .tag = (char *)"t"};
    struct log_sink *sink = open_sink(&c);
    assert_int_equal(add(sink, "one"), 0);
    assert_true(log_sink_wait_ms(sink) > 1000000000);
    assert_int_equal(log_sink_flush(sink), 0);
    assert_true(log_sink_wait_ms(sink) > 1000000000);
    assert_true(log_sink_fd(sink) >= 0);
    log_sink_close(sink);
}

static void after_so_many_attempts_a_server_is_given_up(void **state)
{
    CLEANUP_FREE char *path = NULL, *again = NULL;
    int fd = server(*state, "few", SOCK_STREAM, &path);
    struct log_sink_config c = {.kind = LOG_SINK_FLUENTD,
                                .path = path,
                                .stream = true,
                                .limited = true,
                                .attempts = 2,
                                .retry_ns = 1,
                                .tag = (char *)"t"};
    struct log_sink *sink = open_sink(&c);
    int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    fd_close(peer);
    fd_close(fd);
    assert_int_equal(add(sink, "waits"), 0); /* the connection is lost with this, and one attempt fails */
    assert_true(log_sink_has_queue(sink));
    assert_int_equal(add(sink, "waits"), 0 /* the first of two */);
    assert_int_equal(log_sink_flush(sink), -ECONNREFUSED);
    assert_false(log_sink_has_queue(sink));
    assert_int_equal(add(sink, "has its own attempts"), 0);
    fd = server(*state, "few", SOCK_STREAM, &again);
    assert_int_equal(log_sink_flush(sink), 0);
    assert_false(log_sink_has_queue(sink));
    log_sink_close(sink);
    fd_close(fd);
}

static void a_server_that_is_not_there_is_named(void **state)
{
    (void)state;
    struct log_sink *sink = NULL;
    struct error err = {0};
    static const char config[] = "{\"kind\":0,\"host\":\"127.0.0.1\",\"port\":1,\"stream\":true}";
    assert_int_equal(log_sink_open(config, strlen(config), &sink, &err), -ECONNREFUSED);
    assert_string_equal(err.message, "dial tcp 127.0.0.1:1: Connection refused");
    static const char path[] = "{\"kind\":0,\"path\":\"/nosuch/socket\"}";
    assert_int_equal(log_sink_open(path, strlen(path), &sink, &err), -ENOENT);
    assert_non_null(strstr(err.message, "/nosuch/socket"));
    assert_true(log_sink_open("{", 1, &sink, &err) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(syslog_messages_are_dockers),
        cmocka_unit_test(a_journal_entry_may_hold_anything),
        cmocka_unit_test(a_gelf_message_is_json),
        cmocka_unit_test(a_long_gelf_message_goes_in_chunks),
        cmocka_unit_test(a_fluentd_message_is_messagepack),
        IN_SCRATCH(a_datagram_is_a_message),
        IN_SCRATCH(a_slow_server_gets_everything_in_order),
        IN_SCRATCH(without_blocking_what_exceeds_the_buffer_is_dropped),
        IN_SCRATCH(a_server_that_was_lost_is_found_again),
        IN_SCRATCH(what_comes_while_an_async_server_is_away_waits_for_it),
        cmocka_unit_test(an_answer_of_fluentd_is_read_whole_or_not_at_all),
        IN_SCRATCH(what_is_not_acknowledged_is_sent_again),
        IN_SCRATCH(a_timeout_may_be_as_long_as_a_number),
        IN_SCRATCH(after_so_many_attempts_a_server_is_given_up),
        cmocka_unit_test(a_server_that_is_not_there_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
