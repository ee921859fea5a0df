#include <pthread.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "base/timestamp.h"
#include "daemon/logs.h"
#include "daemon/logs_file.h"
#include "daemon/logs_record.h"
#include "daemon/logs_seek.h"
#include "daemon/shim_log.h"
#include "tests/unit/base_test.h"

#define SECOND INT64_C(1000000000)
#define T0 (INT64_C(1704164645) * SECOND)

struct seen {
    pthread_mutex_t lock;
    struct strbuf text;
    int records, stop_after;
    bool ended;
};

static int on_record(int64_t time, bool is_stderr, const char *line, size_t size, void *data)
{
    struct seen *seen = data;
    int stop;

    (void)time;
    pthread_mutex_lock(&seen->lock);
    strbuf_addc(&seen->text, is_stderr ? 'e' : 'o');
    strbuf_add(&seen->text, line, size);
    stop = ++seen->records == seen->stop_after;
    pthread_mutex_unlock(&seen->lock);
    return stop;
}

static bool on_ended(void *data)
{
    struct seen *seen = data;
    bool ended;

    pthread_mutex_lock(&seen->lock);
    ended = seen->ended;
    pthread_mutex_unlock(&seen->lock);
    return ended;
}

static bool compressing;

static char *log_path(struct scratch *s)
{
    return xasprintf("%s/log", s->path);
}

static struct log_writer *open_writer(struct scratch *s, uint64_t max_size, unsigned max_files)
{
    CLEANUP_FREE char *path = log_path(s);
    struct log_writer *w = NULL;

    assert_int_equal(log_writer_open(
                         &(struct log_writer_options){
                             .path = path, .max_size = max_size, .max_files = max_files, .compress = compressing},
                         &w, NULL),
                     0);
    return w;
}

/* The child that compresses works on its own time. */
static void wait_compressed(struct scratch *s)
{
    for (int i = 0; i < 2000; i++) {
        if (faccessat(s->fd, "log.1.gz", F_OK, 0) == 0 && faccessat(s->fd, "log.1", F_OK, 0) < 0)
            return;
        usleep(10000);
    }
    fail_msg("log.1 is not compressed after 20 seconds");
}

/* Lines "0\n" ... at T0, T0 + 1 s, ...; odd ones on stderr. */
static void write_lines(struct log_writer *w, int from, int to)
{
    for (int i = from; i < to; i++) {
        char line[16];
        int size = snprintf(line, sizeof(line), "%d\n", i);

        assert_int_equal(log_writer_add(w, i % 2 ? LOG_STDERR : LOG_STDOUT, line, (size_t)size, T0 + i * SECOND), 0);
    }
}

static const struct logs_options all = {.use_stdout = true, .use_stderr = true, .tail = -1};

static void assert_reads(struct scratch *s, struct logs_options options, const char *expected)
{
    CLEANUP_FREE char *path = log_path(s);
    struct seen seen = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct error err = {0};

    assert_int_equal(logs_read(path, &options, on_record, NULL, -1, &seen, &err), 0);
    assert_string_equal(strbuf_str(&seen.text), expected);
    strbuf_release(&seen.text);
}

static void a_missing_log_is_empty(void **state)
{
    assert_reads(*state, all, "");
}

static void all_records_come_in_order_across_rotated_files(void **state)
{
    struct log_writer *w = open_writer(*state, 150, 5);

    write_lines(w, 0, 8);
    log_writer_close(w);
    assert_int_equal(faccessat(((struct scratch *)*state)->fd, "log.2", F_OK, 0), 0);
    assert_reads(*state, all, "o0\ne1\no2\ne3\no4\ne5\no6\ne7\n");
}

static char *numbered(int i)
{
    return i > 0 ? xasprintf("log.%d", i) : xstrdup("log");
}

static ino_t inode_of(int dir_fd, const char *name)
{
    struct stat st;
    assert_int_equal(fstatat(dir_fd, name, &st, 0), 0);
    return st.st_ino;
}

/* Between two of the renames of a rotation one of the names is nobody's. */
static void a_rotation_that_is_under_way_hides_nothing(void **state)
{
    struct scratch *s = *state;
    struct log_writer *w = open_writer(s, 150, 9);
    CLEANUP_FREE char *path = log_path(s);
    struct logs_path logs;

    write_lines(w, 0, 8);
    log_writer_close(w);
    assert_int_equal(logs_path_open(path, &logs), 0);
    int count = 0;
    for (;; count++) {
        CLEANUP_FREE char *name = numbered(count + 1);
        if (faccessat(s->fd, name, F_OK, 0) < 0)
            break;
    }
    assert_true(count >= 2);
    for (int i = count; i > 0; i--) {
        CLEANUP_FREE char *from = numbered(i), *to = numbered(i + 1);
        CLEANUP_FREE char *oldest_name = numbered(count + 1), *wanted = numbered(i == count ? count - 1 : count);
        struct stat next_stat;
        assert_int_equal(renameat(s->fd, from, s->fd, to), 0);
        assert_reads(s, all, "o0\ne1\no2\ne3\no4\ne5\no6\ne7\n");
        /* Who follows the oldest one goes on with the next. */
        CLEANUP_CLOSE int oldest = openat(s->fd, oldest_name, O_RDONLY | O_CLOEXEC);
        CLEANUP_CLOSE int next = logs_file_next(&logs, oldest);
        assert_int_equal(fstat(next, &next_stat), 0);
        assert_int_equal(next_stat.st_ino, inode_of(s->fd, wanted));
    }
    logs_path_release(&logs);
}

static void tail_goes_back_across_rotated_files(void **state)
{
    struct log_writer *w = open_writer(*state, 150, 5);
    struct logs_options o = all;

    write_lines(w, 0, 8);
    log_writer_close(w);
    o.tail = 0;
    assert_reads(*state, o, "");
    o.tail = 1;
    assert_reads(*state, o, "e7\n");
    o.tail = 2;
    assert_reads(*state, o, "o6\ne7\n");
    o.tail = 5;
    assert_reads(*state, o, "e3\no4\ne5\no6\ne7\n");
    o.tail = 8;
    assert_reads(*state, o, "o0\ne1\no2\ne3\no4\ne5\no6\ne7\n");
    o.tail = 800;
    assert_reads(*state, o, "o0\ne1\no2\ne3\no4\ne5\no6\ne7\n");
}

static void tail_of_a_large_file_is_exact(void **state)
{
    struct log_writer *w = open_writer(*state, 0, 0);
    struct logs_options o = all;
    CLEANUP_STRBUF struct strbuf expected = STRBUF_INIT;

    write_lines(w, 0, 5000);
    log_writer_close(w);
    for (int i = 5000 - 1234; i < 5000; i++)
        strbuf_addf(&expected, "%c%d\n", i % 2 ? 'e' : 'o', i);
    o.tail = 1234;
    assert_reads(*state, o, expected.data);
}

static void streams_and_times_are_chosen(void **state)
{
    struct log_writer *w = open_writer(*state, 0, 0);
    struct logs_options o = all;

    write_lines(w, 0, 6);
    log_writer_close(w);
    o.use_stderr = false;
    assert_reads(*state, o, "o0\no2\no4\n");
    o.use_stderr = true;
    o.since = T0 + 2 * SECOND;
    o.until = T0 + 4 * SECOND;
    assert_reads(*state, o, "o2\ne3\no4\n");
    o.tail = 2; /* before the times are looked at, as docker does */
    assert_reads(*state, o, "o4\n");
}

/* A file of 30,000 lines, some 2.7 MB. */
static void since_begins_near_the_time_and_is_exact(void **state)
{
    struct log_writer *w = open_writer(*state, 0, 0);
    static const int times[] = {0, 1, 100, 14999, 29990};
    CLEANUP_CLOSE int fd = -1;
    off_t offset;

    write_lines(w, 0, 30000);
    log_writer_close(w);
    fd = openat(((struct scratch *)*state)->fd, "log", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
        CLEANUP_STRBUF struct strbuf expected = STRBUF_INIT;
        struct logs_options o = all;
        off_t record = lseek(fd, 0, SEEK_END) / 30000 * times[i]; /* about */

        o.since = T0 + times[i] * SECOND;
        for (int k = times[i]; k < 30000; k++)
            strbuf_addf(&expected, "%c%d\n", k % 2 ? 'e' : 'o', k);
        assert_reads(*state, o, expected.data);
        assert_int_equal(logs_seek_since(fd, o.since, &offset), 0);
        assert_in_range(record - offset + 1024 * 1024, 0, 2 * 1024 * 1024);
    }
    /* One that is later than all: the end, or near it. */
    assert_int_equal(logs_seek_since(fd, T0 + 40000 * SECOND, &offset), 0);
    assert_in_range(lseek(fd, 0, SEEK_END) - offset, 1, 1024 * 1024);
}

/* The one stream's line begins before, and ends behind, much of the other's. */
static void since_finds_a_record_between_later_and_earlier_ones(void **state)
{
    struct log_writer *w = open_writer(*state, 0, 0);
    CLEANUP_STRBUF struct strbuf expected = STRBUF_INIT;
    struct logs_options o = all;

    assert_int_equal(log_writer_add(w, LOG_STDOUT, "begun", 5, T0), 0);
    for (int i = 0; i < 20000; i++) {
        CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;

        strbuf_addf(&line, "%d\n", i);
        assert_int_equal(log_writer_add(w, LOG_STDERR, line.data, line.size, T0 + i * SECOND), 0);
        if (i >= 12345)
            strbuf_addf(&expected, "e%d\n", i);
        if (i % 100 == 0) /* what ends here has begun a hundred lines before */
            assert_int_equal(log_writer_add(w, LOG_STDOUT, "\nbegun", 6, T0 + i * SECOND), 0);
        if (i % 100 == 0 && i - 100 >= 12345)
            strbuf_adds(&expected, "obegun\n");
    }
    log_writer_close(w);
    o.since = T0 + 12345 * SECOND;
    assert_reads(*state, o, expected.data);
}

/* A rotated file has to be inflated to be read: this one cannot be. */
static void a_file_that_nothing_was_asked_of_is_not_opened(void **state)
{
    struct scratch *s = *state;
    struct log_writer *w = open_writer(s, 0, 0);
    struct logs_options o = all;
    CLEANUP_FREE char *path = log_path(s);
    struct seen seen = {.lock = PTHREAD_MUTEX_INITIALIZER};
    const struct timespec old[2] = {{.tv_sec = T0 / SECOND}, {.tv_sec = T0 / SECOND}};

    write_lines(w, 100, 104);
    log_writer_close(w);
    assert_int_equal(file_write_atomic(s->fd, "log.1.gz", "\x1f\x8b damaged", 10, 0600, NULL), 0);
    assert_int_equal(utimensat(s->fd, "log.1.gz", old, 0), 0);
    assert_true(logs_read(path, &o, on_record, NULL, -1, &seen, NULL) < 0);
    o.tail = 3;
    assert_reads(s, o, "e101\no102\ne103\n");
    o.tail = -1;
    o.since = T0 + 102 * SECOND;
    assert_reads(s, o, "o102\ne103\n");
    strbuf_release(&seen.text);
}

static void damaged_lines_are_passed_over(void **state)
{
    struct scratch *s = *state;
    static const char text[] = "{\"log\":\"a\\n\",\"stream\":\"stdout\",\"time\":\"2024-01-02T03:04:05Z\"}\n"
                               "{\"log\":\"b\\n\",\"stre\n"
                               "\0\0\0\0\0\n"
                               "\n"
                               "{\"log\":\"\\u12\",\"stream\":\"stdout\",\"time\":\"2024-01-02T03:04:05Z\"}\n"
                               "{\"stream\":\"stderr\", \"x\":[1,{\"y\":\"]}\"}], \"time\":\"2024-01-02T03:04:05Z\","
                               "\"log\":\"c\\u00e9\\ud83d\\ude00\\n\"}\n"
                               "{\"log\":\"unfinished";

    assert_int_equal(file_write_atomic(s->fd, "log", text, sizeof(text) - 1, 0600, NULL), 0);
    assert_reads(s, all, "oa\nec\xc3\xa9\xf0\x9f\x98\x80\n");
}

static void partial_records_come_without_a_newline(void **state)
{
    struct log_writer *w = open_writer(*state, 0, 0);

    assert_int_equal(log_writer_add(w, LOG_STDOUT, "prompt", 6, T0), 0);
    assert_int_equal(log_writer_end(w, LOG_STDOUT), 0);
    log_writer_close(w);
    assert_reads(*state, all, "oprompt");
}

static void details_stand_before_the_text(void **state)
{
    struct scratch *s = *state;
    static const char text[] = "{\"log\":\"a\\n\",\"stream\":\"stdout\",\"attrs\":{\"z\":\"1\",\"b c\":\"=\"},"
                               "\"time\":\"2024-01-02T03:04:05Z\"}\n";
    struct logs_options o = all;

    assert_int_equal(file_write_atomic(s->fd, "log", text, sizeof(text) - 1, 0600, NULL), 0);
    o.details = true;
    assert_reads(s, o, "ob+c=%3D,z=1 a\n");
}

static void the_receiver_ends_the_read(void **state)
{
    CLEANUP_FREE char *path = log_path(*state);
    struct log_writer *w = open_writer(*state, 0, 0);
    struct seen seen = {.lock = PTHREAD_MUTEX_INITIALIZER, .stop_after = 2};

    write_lines(w, 0, 6);
    log_writer_close(w);
    assert_int_equal(logs_read(path, &all, on_record, NULL, -1, &seen, NULL), 0);
    assert_string_equal(seen.text.data, "o0\ne1\n");
    strbuf_release(&seen.text);
}

/* What the writer writes is what is read, whatever it is. */
static void every_byte_comes_back(void **state)
{
    CLEANUP_FREE char *path = log_path(*state);
    struct log_writer *w = open_writer(*state, 0, 0);
    struct seen seen = {.lock = PTHREAD_MUTEX_INITIALIZER};
    char text[130];

    for (int i = 0; i < 127; i++)
        text[i] = (char)(i == '\n' ? 'n' : i);
    text[127] = '\n';
    assert_int_equal(log_writer_add(w, LOG_STDOUT, text, 128, T0), 0);
    log_writer_close(w);
    assert_int_equal(logs_read(path, &all, on_record, NULL, -1, &seen, NULL), 0);
    assert_int_equal(seen.text.size, 129);
    assert_memory_equal(seen.text.data + 1, text, 128);
    strbuf_release(&seen.text);
}

/* ---- follow ---- */

struct follower {
    char *path;
    struct logs_options options;
    struct seen seen;
    int cancel[2];
    pthread_t thread;
    int result;
};

static void *run_follower(void *data)
{
    struct follower *f = data;

    f->result = logs_read(f->path, &f->options, on_record, on_ended, f->cancel[0], &f->seen, NULL);
    return NULL;
}

static struct follower *follow(struct scratch *s, int64_t tail)
{
    struct follower *f = xcalloc(1, sizeof(*f));

    f->path = log_path(s);
    f->options = all;
    f->options.follow = true;
    f->options.tail = tail;
    pthread_mutex_init(&f->seen.lock, NULL);
    assert_int_equal(fd_pipe(f->cancel), 0);
    pthread_create(&f->thread, NULL, run_follower, f);
    return f;
}

static void wait_records(struct follower *f, int count)
{
    for (int i = 0; i < 2000; i++) {
        int have;

        pthread_mutex_lock(&f->seen.lock);
        have = f->seen.records;
        pthread_mutex_unlock(&f->seen.lock);
        if (have >= count)
            return;
        usleep(5000);
    }
    fail_msg("%d of %d records came", f->seen.records, count);
}

static char *finish(struct follower *f)
{
    char *text;

    pthread_join(f->thread, NULL);
    assert_int_equal(f->result, 0);
    text = strbuf_take(&f->seen.text);
    close(f->cancel[0]);
    if (f->cancel[1] >= 0)
        close(f->cancel[1]);
    free(f->path);
    free(f);
    return text;
}

static void set_ended(struct follower *f)
{
    pthread_mutex_lock(&f->seen.lock);
    f->seen.ended = true;
    pthread_mutex_unlock(&f->seen.lock);
}

static void follow_sees_what_is_written_later(void **state)
{
    struct log_writer *w = open_writer(*state, 0, 0);
    struct follower *f;
    CLEANUP_FREE char *text = NULL;

    write_lines(w, 0, 2);
    f = follow(*state, 1);
    wait_records(f, 1);
    write_lines(w, 2, 4);
    wait_records(f, 3);
    set_ended(f);
    log_writer_close(w);
    text = finish(f);
    assert_string_equal(text, "e1\no2\ne3\n");
}

static void follow_waits_for_a_log_that_is_not_there_yet(void **state)
{
    struct follower *f = follow(*state, 0);
    struct log_writer *w;
    CLEANUP_FREE char *text = NULL;

    usleep(50000);
    w = open_writer(*state, 0, 0);
    write_lines(w, 0, 2);
    wait_records(f, 2);
    set_ended(f);
    log_writer_close(w);
    text = finish(f);
    assert_string_equal(text, "o0\ne1\n");
}

static void follow_of_a_silent_program_ends_with_it(void **state)
{
    struct log_writer *w = open_writer(*state, 0, 0);
    struct follower *f = follow(*state, -1);
    CLEANUP_FREE char *text = NULL;
    int64_t closed;

    usleep(200000);
    set_ended(f);
    closed = timestamp_monotonic();
    log_writer_close(w);
    text = finish(f);
    assert_string_equal(text, "");
    assert_in_range(timestamp_monotonic() - closed, 0, SECOND / 2);
}

static void follow_goes_across_rotations(void **state)
{
    struct log_writer *w = open_writer(*state, 4000, 4);
    struct follower *f = follow(*state, -1);
    CLEANUP_STRBUF struct strbuf expected = STRBUF_INIT;
    CLEANUP_FREE char *text = NULL;

    for (int i = 0; i < 2000; i += 10) {
        write_lines(w, i, i + 10);
        /* A follower that falls behind by more than the files that are kept cannot see all. */
        wait_records(f, i - 30);
    }
    wait_records(f, 2000);
    set_ended(f);
    log_writer_close(w);
    for (int i = 0; i < 2000; i++)
        strbuf_addf(&expected, "%c%d\n", i % 2 ? 'e' : 'o', i);
    text = finish(f);
    assert_string_equal(text, expected.data);
}

static void compressed_files_are_read_like_others(void **state)
{
    struct logs_options o = all;
    struct log_writer *w;

    compressing = true;
    w = open_writer(*state, 150, 5);
    write_lines(w, 0, 8);
    log_writer_close(w);
    wait_compressed(*state);
    compressing = false;
    assert_int_equal(faccessat(((struct scratch *)*state)->fd, "log.2.gz", F_OK, 0), 0);
    assert_reads(*state, all, "o0\ne1\no2\ne3\no4\ne5\no6\ne7\n");
    o.tail = 5;
    assert_reads(*state, o, "e3\no4\ne5\no6\ne7\n");
    o.tail = 1;
    assert_reads(*state, o, "e7\n");
}

static void follow_goes_across_compressed_rotations(void **state)
{
    compressing = true;
    follow_goes_across_rotations(state);
    compressing = false;
    wait_compressed(*state);
}

/* What was reading a file when it was put aside and compressed goes on behind it, not at the beginning. */
static void a_reader_of_a_file_that_gets_compressed_loses_nothing_and_gets_nothing_twice(void **state)
{
    struct log_writer *w;
    struct follower *f;
    CLEANUP_FREE char *text = NULL;

    compressing = true;
    w = open_writer(*state, 150, 9);
    compressing = false;
    write_lines(w, 0, 1);
    f = follow(*state, -1);
    wait_records(f, 1);
    for (int i = 1; i < 9; i++) {
        write_lines(w, i, i + 1);
        wait_records(f, i + 1);
    }
    set_ended(f);
    log_writer_close(w);
    wait_compressed(*state);
    text = finish(f);
    assert_string_equal(text, "o0\ne1\no2\ne3\no4\ne5\no6\ne7\no8\n");
}

static void follow_ends_when_it_is_cancelled(void **state)
{
    struct log_writer *w = open_writer(*state, 0, 0);
    struct follower *f = follow(*state, -1);
    CLEANUP_FREE char *text = NULL;

    write_lines(w, 0, 1);
    wait_records(f, 1);
    close(f->cancel[1]);
    f->cancel[1] = -1;
    text = finish(f);
    assert_string_equal(text, "o0\n");
    log_writer_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(a_missing_log_is_empty),
        IN_SCRATCH(all_records_come_in_order_across_rotated_files),
        IN_SCRATCH(a_rotation_that_is_under_way_hides_nothing),
        IN_SCRATCH(tail_goes_back_across_rotated_files),
        IN_SCRATCH(tail_of_a_large_file_is_exact),
        IN_SCRATCH(streams_and_times_are_chosen),
        IN_SCRATCH(since_begins_near_the_time_and_is_exact),
        IN_SCRATCH(since_finds_a_record_between_later_and_earlier_ones),
        IN_SCRATCH(a_file_that_nothing_was_asked_of_is_not_opened),
        IN_SCRATCH(damaged_lines_are_passed_over),
        IN_SCRATCH(partial_records_come_without_a_newline),
        IN_SCRATCH(details_stand_before_the_text),
        IN_SCRATCH(the_receiver_ends_the_read),
        IN_SCRATCH(every_byte_comes_back),
        IN_SCRATCH(follow_sees_what_is_written_later),
        IN_SCRATCH(follow_waits_for_a_log_that_is_not_there_yet),
        IN_SCRATCH(follow_of_a_silent_program_ends_with_it),
        IN_SCRATCH(follow_goes_across_rotations),
        IN_SCRATCH(compressed_files_are_read_like_others),
        IN_SCRATCH(follow_goes_across_compressed_rotations),
        IN_SCRATCH(a_reader_of_a_file_that_gets_compressed_loses_nothing_and_gets_nothing_twice),
        IN_SCRATCH(follow_ends_when_it_is_cancelled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
