#include "tests/unit/base_test.h"

#include <pthread.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/strv.h"
#include "base/timestamp.h"

/* Standard error goes into a file while fn runs; answers what was written. */
static char *captured(void (*fn)(void))
{
    /* Not a memfd: those, unlike files, do not move their position atomically. */
    char path[] = "/tmp/dory-unit-XXXXXX";
    CLEANUP_CLOSE int file = mkostemp(path, O_CLOEXEC);
    unlink(path);
    CLEANUP_CLOSE int saved = fd_dup(STDERR_FILENO);
    dup3(file, STDERR_FILENO, O_CLOEXEC);
    fn();
    dup3(saved, STDERR_FILENO, 0);
    lseek(file, 0, SEEK_SET);
    char *text = NULL;
    assert_int_equal(fd_read_all(file, 1 << 24, &text, NULL), 0);
    return text;
}

static void write_one(void)
{
    log_info("container %s \"started\"\nafter %d ms", "web", 4);
}

static void a_line_is_logfmt_with_time_level_and_quoted_message(void **state)
{
    (void)state;
    int64_t before = timestamp_now();
    CLEANUP_FREE char *text = captured(write_one);
    assert_memory_equal(text, "time=\"", 6);
    char *end = strchr(text + 6, '"');
    assert_non_null(end);
    *end = '\0';
    int64_t when = 0;
    assert_int_equal(timestamp_parse(text + 6, &when), 0);
    assert_true(when >= before && when <= timestamp_now());
    assert_string_equal(end + 1, " level=info msg=\"container web \\\"started\\\"\\nafter 4 ms\"\n");
}

static void write_all_levels(void)
{
    log_debug("1");
    log_info("2");
    log_warn("3");
    log_error("4");
    log_write(LOG_LEVEL_FATAL, "5");
}

static int lines(const char *text)
{
    int count = 0;
    for (; *text; text++)
        count += *text == '\n';
    return count;
}

static void lines_below_the_level_are_not_written(void **state)
{
    (void)state;
    const int expected[] = {5, 4, 3, 2, 1};
    for (int level = LOG_LEVEL_DEBUG; level <= LOG_LEVEL_FATAL; level++) {
        log_set_level((enum log_level)level);
        CLEANUP_FREE char *text = captured(write_all_levels);
        assert_int_equal(lines(text), expected[level]);
        assert_int_equal(log_enabled((enum log_level)level), true);
        if (level > LOG_LEVEL_DEBUG)
            assert_int_equal(log_enabled((enum log_level)(level - 1)), false);
    }
    log_set_level(LOG_LEVEL_INFO);
}

static void level_names_are_dockers(void **state)
{
    (void)state;
    const char *const names[] = {"debug", "info", "warn", "error", "fatal"};
    for (int i = 0; i < 5; i++) {
        enum log_level level = LOG_LEVEL_FATAL;
        assert_int_equal(log_parse_level(names[i], &level), 0);
        assert_int_equal(level, i);
    }
    enum log_level level = LOG_LEVEL_WARN;
    assert_int_equal(log_parse_level("verbose", &level), -EINVAL);
    assert_int_equal(log_parse_level("", &level), -EINVAL);
    assert_int_equal(log_parse_level("INFO", &level), -EINVAL);
    assert_int_equal(level, LOG_LEVEL_WARN);
}

static void write_with_errno(void)
{
    errno = EXDEV;
    log_error("x");
}

static void errno_survives_a_line(void **state)
{
    (void)state;
    CLEANUP_CLOSE int saved = fd_dup(STDERR_FILENO);
    close(STDERR_FILENO);
    write_with_errno(); /* even one that cannot be written */
    int after = errno;
    dup3(saved, STDERR_FILENO, 0);
    assert_int_equal(after, EXDEV);
}

static void *write_many(void *data)
{
    for (int i = 0; i < 500; i++)
        log_info("thread %s line %d with some more text to make it longer", (const char *)data, i);
    return NULL;
}

static void write_from_threads(void)
{
    char names[] = "a\0b\0c\0d";
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, write_many, names + i * 2);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

static void lines_of_several_threads_do_not_mix(void **state)
{
    (void)state;
    CLEANUP_FREE char *text = captured(write_from_threads);
    CLEANUP_STRV struct strv v = STRV_INIT;
    strv_split(&v, text, '\n');
    assert_int_equal(v.count, 2001);
    for (size_t i = 0; i < 2000; i++) {
        if (strncmp(v.items[i], "time=\"", 6) != 0 || !strstr(v.items[i], "longer\"") ||
            strstr(v.items[i] + 1, "time="))
            fail_msg("%s", v.items[i]);
    }
}

static void write_long(void)
{
    CLEANUP_FREE char *text = xmalloc(100001);
    memset(text, 'x', 100000);
    text[100000] = '\0';
    log_info("%s", text);
}

static void a_long_message_is_written_whole(void **state)
{
    (void)state;
    CLEANUP_FREE char *text = captured(write_long);
    assert_int_equal(strspn(strchr(text, 'x'), "x"), 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_logfmt_with_time_level_and_quoted_message),
        cmocka_unit_test(lines_below_the_level_are_not_written),
        cmocka_unit_test(level_names_are_dockers),
        cmocka_unit_test(errno_survives_a_line),
        cmocka_unit_test(lines_of_several_threads_do_not_mix),
        cmocka_unit_test(a_long_message_is_written_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
