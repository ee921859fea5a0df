#include "base/file.h"
#include "base/strbuf.h"
#include "daemon/shim_log.h"
#include "tests/unit/base_test.h"

#define TIME INT64_C(1704164645123456789)
#define TIME_TEXT "2024-01-02T03:04:05.123456789Z"
#define OUT(text) "{\"log\":\"" text "\",\"stream\":\"stdout\",\"time\":\"" TIME_TEXT "\"}\n"
#define ERR(text) "{\"log\":\"" text "\",\"stream\":\"stderr\",\"time\":\"" TIME_TEXT "\"}\n"

static struct log_writer *open_writer(struct scratch *s, uint64_t max_size, unsigned max_files, const char *attrs)
{
    CLEANUP_FREE char *path = xasprintf("%s/log", s->path);
    struct log_writer_options options = {.path = path, .max_size = max_size, .max_files = max_files, .attrs = attrs};
    struct log_writer *w = NULL;

    assert_int_equal(log_writer_open(&options, &w, NULL), 0);
    return w;
}

static char *content(struct scratch *s, const char *name)
{
    char *text = NULL;

    assert_int_equal(file_read(s->fd, name, 64 << 20, &text, NULL, NULL), 0);
    return text;
}

static void assert_log(struct scratch *s, const char *expected)
{
    CLEANUP_FREE char *text = content(s, "log");

    assert_string_equal(text, expected);
}

static void add(struct log_writer *w, enum log_stream stream, const char *text)
{
    assert_int_equal(log_writer_add(w, stream, text, strlen(text), TIME), 0);
}

static void a_line_is_a_record(void **state)
{
    struct log_writer *w = open_writer(*state, 0, 0, NULL);

    add(w, LOG_STDOUT, "hello\n");
    add(w, LOG_STDERR, "\n");
    assert_log(*state, OUT("hello\\n") ERR("\\n"));
    log_writer_close(w);
}

static void a_line_may_come_in_pieces(void **state)
{
    struct log_writer *w = open_writer(*state, 0, 0, NULL);

    add(w, LOG_STDOUT, "hel");
    add(w, LOG_STDERR, "other\n");
    add(w, LOG_STDOUT, "lo\nnext");
    assert_log(*state, ERR("other\\n") OUT("hello\\n"));
    assert_int_equal(log_writer_end(w, LOG_STDOUT), 0);
    assert_log(*state, ERR("other\\n") OUT("hello\\n") OUT("next"));
    log_writer_close(w);
}

static void special_characters_are_escaped_as_docker_does(void **state)
{
    char out[1024];
    static const char text[] = "a\"b\\c\td\re<>&\x7f\x01 \xc3\xa9 \xe2\x80\xa8 \xff \xed\xa0\x80 \xf0\x9f\x98\x80";
    size_t size = log_record_write(out, text, sizeof(text) - 1, true, LOG_STDOUT, NULL, TIME_TEXT);

    (void)state;
    out[size] = '\0';
    assert_string_equal(out, OUT("a\\\"b\\\\c\\u0009d\\re\\u003c\\u003e\\u0026\x7f\\u0001 \xc3\xa9 \\u2028 \\ufffd "
                                 "\\ufffd\\ufffd\\ufffd \xf0\x9f\x98\x80\\n"));
}

static void attributes_stand_before_the_time(void **state)
{
    struct log_writer *w = open_writer(*state, 0, 0, "{\"a\":\"b\"}");

    add(w, LOG_STDOUT, "x\n");
    assert_log(*state, "{\"log\":\"x\\n\",\"stream\":\"stdout\",\"attrs\":{\"a\":\"b\"},\"time\":\"" TIME_TEXT "\"}\n");
    log_writer_close(w);
}

static void a_long_line_is_cut_at_16_KiB(void **state)
{
    struct log_writer *w = open_writer(*state, 0, 0, NULL);
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT, expected = STRBUF_INIT;
    char part[LOG_LINE_MAX + 1];

    memset(part, 'x', LOG_LINE_MAX);
    part[LOG_LINE_MAX] = '\0';
    strbuf_addf(&text, "%s%syyy\nz\n", part, part);
    strbuf_addf(&expected, OUT("%s") OUT("%s") OUT("yyy\\n") OUT("z\\n"), part, part);
    add(w, LOG_STDOUT, text.data);
    assert_log(*state, expected.data);
    log_writer_close(w);
}

static void it_does_not_matter_how_a_long_line_comes(void **state)
{
    struct log_writer *w = open_writer(*state, 0, 0, NULL);
    CLEANUP_STRBUF struct strbuf expected = STRBUF_INIT;
    char part[LOG_LINE_MAX + 1];

    memset(part, 'x', LOG_LINE_MAX);
    part[LOG_LINE_MAX] = '\0';
    for (int i = 0; i < LOG_LINE_MAX + 7; i++)
        add(w, LOG_STDOUT, "x");
    add(w, LOG_STDOUT, "\n");
    strbuf_addf(&expected, OUT("%s") OUT("xxxxxxx\\n"), part);
    assert_log(*state, expected.data);
    log_writer_close(w);
}

static void parts_of_a_line_have_the_time_of_its_first(void **state)
{
    struct log_writer *w = open_writer(*state, 0, 0, NULL);
    CLEANUP_FREE char *part = xmalloc(LOG_LINE_MAX), *text = NULL;

    memset(part, 'x', LOG_LINE_MAX);
    assert_int_equal(log_writer_add(w, LOG_STDOUT, part, LOG_LINE_MAX, TIME), 0);
    assert_int_equal(log_writer_add(w, LOG_STDOUT, "y\nz\n", 4, TIME + 1000000000), 0);
    text = content(*state, "log");
    assert_non_null(strstr(text, OUT("y\\n")));
    assert_null(strstr(text, OUT("z\\n")));
    log_writer_close(w);
}

static void a_full_file_is_rotated(void **state)
{
    struct log_writer *w = open_writer(*state, 100, 3, NULL);
    CLEANUP_FREE char *second = NULL, *third = NULL;

    /* Two records reach the limit. */
    for (int i = 0; i < 9; i++) {
        char line[] = {(char)('0' + i), '\n', 0};

        add(w, LOG_STDOUT, line);
    }
    assert_log(*state, OUT("8\\n"));
    second = content(*state, "log.1");
    third = content(*state, "log.2");
    assert_string_equal(second, OUT("6\\n") OUT("7\\n"));
    assert_string_equal(third, OUT("4\\n") OUT("5\\n"));
    assert_int_equal(faccessat(((struct scratch *)*state)->fd, "log.3", F_OK, 0), -1);
    log_writer_close(w);
}

static void rotation_does_not_depend_on_how_much_comes_at_once(void **state)
{
    struct log_writer *w = open_writer(*state, 100, 3, NULL);
    CLEANUP_FREE char *second = NULL;

    add(w, LOG_STDOUT, "0\n1\n2\n3\n4\n5\n6\n7\n8\n");
    assert_log(*state, OUT("8\\n"));
    second = content(*state, "log.1");
    assert_string_equal(second, OUT("6\\n") OUT("7\\n"));
    log_writer_close(w);
}

static void one_file_begins_anew(void **state)
{
    struct log_writer *w = open_writer(*state, 100, 1, NULL);

    add(w, LOG_STDOUT, "0\n1\n2\n");
    assert_log(*state, OUT("2\\n"));
    assert_int_equal(faccessat(((struct scratch *)*state)->fd, "log.1", F_OK, 0), -1);
    log_writer_close(w);
}

static void a_log_is_continued(void **state)
{
    struct log_writer *w = open_writer(*state, 0, 0, NULL);

    add(w, LOG_STDOUT, "a\n");
    log_writer_close(w);
    w = open_writer(*state, 0, 0, NULL);
    add(w, LOG_STDOUT, "b\n");
    assert_log(*state, OUT("a\\n") OUT("b\\n"));
    log_writer_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(a_line_is_a_record),
        IN_SCRATCH(a_line_may_come_in_pieces),
        cmocka_unit_test(special_characters_are_escaped_as_docker_does),
        IN_SCRATCH(attributes_stand_before_the_time),
        IN_SCRATCH(a_long_line_is_cut_at_16_KiB),
        IN_SCRATCH(it_does_not_matter_how_a_long_line_comes),
        IN_SCRATCH(parts_of_a_line_have_the_time_of_its_first),
        IN_SCRATCH(a_full_file_is_rotated),
        IN_SCRATCH(rotation_does_not_depend_on_how_much_comes_at_once),
        IN_SCRATCH(one_file_begins_anew),
        IN_SCRATCH(a_log_is_continued),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
