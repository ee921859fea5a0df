/* Parts of the builder that need no engine: keys, digests of trees, and the order in which steps are told. */
#include "tests/unit/base_test.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "daemon/build/cache_config.h"
#include "daemon/build/content.h"
#include "daemon/build/copy_links.h"
#include "daemon/build/copy_tree.h"
#include "daemon/build/key.h"
#include "daemon/build/progress.h"

/* ---- Keys ---- */

static void key_of(const char *a, const char *b, char ret[DIGEST_HEX_MAX])
{
    struct key key;
    key_begin(&key, "test");
    key_text(&key, a);
    key_text(&key, b);
    key_final(&key, ret);
}

static void test_fields_do_not_run_into_each_other(void **state)
{
    const char *const pairs[][2] = {{"ab", "c"}, {"a", "bc"}, {"abc", ""}, {"abc", NULL}, {NULL, "abc"}, {"", "abc"}};
    char keys[ARRAY_SIZE(pairs)][DIGEST_HEX_MAX];
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        key_of(pairs[i][0], pairs[i][1], keys[i]);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(keys[i], keys[j]);
    }
}

/* ---- What a cache elsewhere has ---- */

#define KEY_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define KEY_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static void test_a_cache_is_read_as_it_was_written(void **state)
{
    CLEANUP_CACHE_CONFIG struct cache_config written = {0}, read = {0};
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct error err = {0};
    (void)state;
    struct cache_row *row = cache_row_new(KEY_A, KEY_B, "RUN \"x\"", "file:1");
    snprintf(row->diff_id, sizeof(row->diff_id), "sha256:" KEY_B);
    snprintf(row->nonce, sizeof(row->nonce), "0123456789abcdef");
    row->created = 1700000000123456789;
    cache_config_add(&written, row, "sha256:" KEY_A);
    row = cache_row_new(KEY_B, "", NULL, NULL);
    row->created = 1;
    row->result_only = true;
    cache_config_add(&written, row, "");
    cache_config_write(&written, &text);
    if (cache_config_parse(text.data, text.size, &read, &err) < 0)
        fail_msg("%s: %s", err.message, text.data);
    assert_int_equal(read.count, 2);
    const struct cache_row *first = read.records[0].row, *second = read.records[1].row;
    assert_string_equal(read.records[0].blob, "sha256:" KEY_A);
    assert_string_equal(first->key, KEY_A);
    assert_string_equal(first->parent, KEY_B);
    assert_string_equal(first->description, "RUN \"x\"");
    assert_string_equal(first->content, "file:1");
    assert_string_equal(first->diff_id, "sha256:" KEY_B);
    assert_string_equal(first->nonce, "0123456789abcdef");
    assert_int_equal(first->created, 1700000000123456789);
    assert_false(first->result_only);
    assert_string_equal(second->key, KEY_B);
    assert_string_equal(second->diff_id, "");
    assert_string_equal(read.records[1].blob, "");
    assert_true(second->result_only);
}

static void test_a_cache_that_makes_no_sense_is_refused(void **state)
{
#define LAYERS "{\"layers\":[{\"blob\":\"sha256:" KEY_A "\",\"parent\":-1}],\"records\":[{\"digest\":"
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "build cache: "},
        {"[]", "build cache: the config is no object"},
        {LAYERS "\"sha256:x\",\"dory\":{\"created\":1}}]}", "build cache: records[0].digest is not valid"},
        {LAYERS "\"sha256:" KEY_A "\",\"dory\":{}}]}", "build cache: records[0]: created"},
        {LAYERS "\"sha256:" KEY_A "\",\"dory\":{\"created\":0}}]}", "build cache: records[0].created is not valid"},
        {LAYERS "\"sha256:" KEY_A "\",\"dory\":{\"created\":1,\"nonce\":\"../x\"}}]}", "build cache: records[0].nonce"},
        {LAYERS "\"sha256:" KEY_A "\",\"dory\":{\"created\":1,\"parent\":\"x\"}}]}", "build cache: records[0].parent"},
        {LAYERS "\"sha256:" KEY_A "\",\"dory\":{\"created\":1,\"diffID\":\"x\"}}]}", "build cache: records[0].diffID"},
        {LAYERS "\"sha256:" KEY_A "\",\"layers\":[{\"layer\":1}],\"dory\":{\"created\":1,\"diffID\":\"sha256:" KEY_A
                "\"}}]}",
         "build cache: records[0].layers"},
        {LAYERS "\"sha256:" KEY_A "\",\"layers\":[{\"layer\":0}],\"dory\":{\"created\":1}}]}",
         "build cache: records[0].layers"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP_CACHE_CONFIG struct cache_config read = {0};
        struct error err = {0};
        assert_true(cache_config_parse(cases[i].text, strlen(cases[i].text), &read, &err) < 0);
        if (strncmp(err.message, cases[i].message, strlen(cases[i].message)) != 0)
            fail_msg("%s: %s", cases[i].text, err.message);
    }
    /* Another builder's is nothing to complain of. */
    static const char foreign[] = LAYERS "\"sha256:" KEY_A "\",\"layers\":[{\"layer\":0}]}]}";
    CLEANUP_CACHE_CONFIG struct cache_config read = {0};
    assert_int_equal(cache_config_parse(foreign, strlen(foreign), &read, NULL), 0);
    assert_int_equal(read.count, 0);
    assert_int_equal(read.foreign, 1);
}

/* ---- Contents ---- */

static int open_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void write_file(const char *directory, const char *name, const char *text)
{
    struct error err = {0};
    CLEANUP_FREE char *path = xasprintf("%s/%s", directory, name);
    if (file_write_atomic(AT_FDCWD, path, text, strlen(text), 0644, &err) < 0)
        fail_msg("%s", err.message);
}

static void digest_of_tree(const char *directory, char ret[DIGEST_HEX_MAX])
{
    const struct content_options options = {.remember = true};
    struct error err = {0};
    int CLEANUP_CLOSE fd = open_dir(directory);
    if (content_digest(fd, "", &options, ret, NULL, &err) < 0)
        fail_msg("%s", err.message);
}

static void test_content_is_names_modes_and_bytes_and_no_times(void **state)
{
    struct scratch *scratch = *state;
    CLEANUP_FREE char *file = xasprintf("%s/d/f", scratch->path);
    CLEANUP_FREE char *directory = xasprintf("%s/d", scratch->path);
    CLEANUP_FREE char *other = xasprintf("%s/d/g", scratch->path);
    char first[DIGEST_HEX_MAX], now[DIGEST_HEX_MAX];
    const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    assert_int_equal(mkdir(directory, 0755), 0);
    write_file(directory, "f", "one");
    digest_of_tree(directory, first);
    assert_int_equal(utimensat(AT_FDCWD, file, times, 0), 0);
    digest_of_tree(directory, now);
    assert_string_equal(now, first);
    assert_int_equal(chmod(file, 0600), 0);
    digest_of_tree(directory, now);
    assert_string_not_equal(now, first);
    assert_int_equal(chmod(file, 0644), 0);
    digest_of_tree(directory, now);
    assert_string_equal(now, first);
    assert_int_equal(rename(file, other), 0);
    digest_of_tree(directory, now);
    assert_string_not_equal(now, first);
    assert_int_equal(rename(other, file), 0);
    write_file(directory, "f", "two");
    digest_of_tree(directory, now);
    assert_string_not_equal(now, first);
}

/* The note at a large file is believed as long as nothing says that the file is another one. */
static void test_noted_digests_follow_changes(void **state)
{
    struct scratch *scratch = *state;
    CLEANUP_FREE char *text = xcalloc(1, 100001);
    char first[DIGEST_HEX_MAX], again[DIGEST_HEX_MAX], changed[DIGEST_HEX_MAX];
    memset(text, 'a', 100000);
    write_file(scratch->path, "big", text);
    digest_of_tree(scratch->path, first);
    digest_of_tree(scratch->path, again);
    assert_string_equal(again, first);
    text[50000] = 'b';
    write_file(scratch->path, "big", text);
    digest_of_tree(scratch->path, changed);
    assert_string_not_equal(changed, first);
    text[50000] = 'a';
    write_file(scratch->path, "big", text);
    digest_of_tree(scratch->path, again);
    assert_string_equal(again, first);
}

static void test_a_copy_has_the_same_contents(void **state)
{
    struct scratch *scratch = *state;
    CLEANUP_FREE char *from = xasprintf("%s/from", scratch->path);
    CLEANUP_FREE char *to = xasprintf("%s/to", scratch->path);
    CLEANUP_FREE char *sub = xasprintf("%s/from/sub", scratch->path);
    CLEANUP_FREE char *link = xasprintf("%s/from/sub/link", scratch->path);
    const struct copy_options options = {.keep_owner = true};
    char a[DIGEST_HEX_MAX], b[DIGEST_HEX_MAX];
    struct error err = {0};
    assert_int_equal(mkdir(from, 0755) | mkdir(sub, 0711) | mkdir(to, 0755), 0);
    assert_int_equal(symlink("/etc/passwd", link), 0);
    write_file(sub, "f", "text");
    int CLEANUP_CLOSE from_fd = open_dir(from);
    int CLEANUP_CLOSE to_fd = open_dir(to);
    if (copy_directory(from_fd, to_fd, &options, &err) < 0)
        fail_msg("%s", err.message);
    digest_of_tree(from, a);
    digest_of_tree(to, b);
    assert_string_equal(a, b);
}

/* ---- Links ---- */

/* A file of 64 KiB whose contents are noted; returns its descriptor. */
static int noted_file(int dir, const char *name, struct stat *ret)
{
    static const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    static const unsigned char digest[DIGEST_SIZE] = {1};
    int fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, CONTENT_NOTED_SIZE), 0);
    assert_int_equal(futimens(fd, times), 0);
    assert_int_equal(fstat(fd, ret), 0);
    content_note(fd, ret, digest);
    return fd;
}

/* The file system would refuse one more some day, and the build would fail. */
static void test_a_file_with_many_links_is_copied(void **state)
{
    struct scratch *scratch = *state;
    struct copy_links links = COPY_LINKS_INIT;
    struct stat former, wanted;
    unsigned char digest[DIGEST_SIZE];
    CLEANUP_FREE char *path = xasprintf("%s/former", scratch->path);
    assert_int_equal(mkdir(path, 0755), 0);
    int CLEANUP_CLOSE top = open_dir(scratch->path);
    int CLEANUP_CLOSE dir = open_dir(path);
    int CLEANUP_CLOSE there = noted_file(dir, "file", &former);
    int CLEANUP_CLOSE source = noted_file(top, "source", &wanted);
    if (!content_noted(there, &former, digest))
        skip(); /* attributes of the kind "trusted" are root's */
    links.base = xstrdup("");
    links.from_fd = open_dir(path);
    bool few = copy_links_take(&links, "file", top, source, &wanted);
    for (int i = 1; i < COPY_LINKS_MAX; i++) {
        char name[32];
        snprintf(name, sizeof(name), "%d", i);
        assert_int_equal(linkat(dir, "file", dir, name, 0), 0);
    }
    bool many = copy_links_take(&links, "file", top, source, &wanted);
    copy_links_release(&links);
    assert_true(few);
    assert_false(many);
}

/* ---- Order ---- */

/* What the listener has heard, from another thread. */
struct told {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct strbuf text;
};
#define TOLD_INIT                                                                                                      \
    {                                                                                                                  \
        .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .text = STRBUF_INIT                    \
    }

static void told_release(struct told *told)
{
    strbuf_release(&told->text);
}

static void hear(struct told *told, const char *text)
{
    pthread_mutex_lock(&told->lock);
    strbuf_adds(&told->text, text);
    pthread_cond_broadcast(&told->changed);
    pthread_mutex_unlock(&told->lock);
}

static void on_started(const struct build_step_info *step, void *data)
{
    CLEANUP_FREE char *text = xasprintf("start%d ", step->number);
    hear(data, text);
}

static void on_log(const struct build_step_info *step, int stream, const char *bytes, size_t size, void *data)
{
    CLEANUP_FREE char *text = xasprintf("log%d:%d:%.*s ", step->number, stream, (int)size, bytes);
    hear(data, text);
}

static void on_done(const struct build_step_info *step, const char *id, const struct error *error, void *data)
{
    CLEANUP_FREE char *text = xasprintf("done%d:%s ", step->number, error != NULL ? error->message : id);
    hear(data, text);
}

/* It is told by and by: waits for as many bytes, and then it has to be this. */
static void assert_told(struct told *told, const char *expected)
{
    struct timespec until;
    int r = 0;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;
    pthread_mutex_lock(&told->lock);
    while (r == 0 && told->text.size < strlen(expected))
        r = pthread_cond_timedwait(&told->changed, &told->lock, &until);
    CLEANUP_FREE char *text = xstrdup(strbuf_str(&told->text));
    pthread_mutex_unlock(&told->lock);
    assert_string_equal(text, expected);
}

static void test_steps_are_told_in_their_order(void **state)
{
    struct scratch *scratch = *state;
    CLEANUP(told_release) struct told told = TOLD_INIT;
    const struct build_events events = {.started = on_started, .log = on_log, .done = on_done, .data = &told};
    struct build_step_info infos[4];
    struct build_progress p;
    struct error error = {0};
    int CLEANUP_CLOSE tmp = open_dir(scratch->path);
    for (int i = 0; i < 4; i++)
        infos[i] = (struct build_step_info){.number = i + 1, .total = 4, .first_line = i + 1};
    build_progress_init(&p, &events, 4, true, tmp);
    build_progress_started(&p, &infos[0]);
    build_progress_started(&p, &infos[2]);
    build_progress_log(&p, &infos[2], 2, "late", 4);
    build_progress_done(&p, &infos[2], "c", NULL);
    build_progress_log(&p, &infos[0], 1, "now", 3);
    assert_told(&told, "start1 log1:1:now ");
    build_progress_done(&p, &infos[0], "a", NULL);
    assert_told(&told, "start1 log1:1:now done1:a ");
    build_progress_started(&p, &infos[1]);
    error_set(&error, ERROR_INVALID, 0, "bad");
    build_progress_done(&p, &infos[1], NULL, &error);
    assert_told(&told, "start1 log1:1:now done1:a start2 done2:bad start3 log3:2:late done3:c ");
    build_progress_started(&p, &infos[3]);
    build_progress_release(&p);
    assert_non_null(strstr(strbuf_str(&told.text), "start4 "));
}

/* What a step has to say before its turn is not lost when an earlier one never ends. */
static void test_what_waits_is_told_at_the_end(void **state)
{
    struct scratch *scratch = *state;
    CLEANUP(told_release) struct told told = TOLD_INIT;
    const struct build_events events = {.started = on_started, .log = on_log, .done = on_done, .data = &told};
    const struct build_step_info second = {.number = 2, .total = 2, .first_line = 2};
    struct build_progress p;
    int CLEANUP_CLOSE tmp = open_dir(scratch->path);
    build_progress_init(&p, &events, 2, true, tmp);
    build_progress_started(&p, &second);
    build_progress_log(&p, &second, 1, "text", 4);
    assert_told(&told, "");
    build_progress_release(&p);
    assert_told(&told, "start2 log2:1:text ");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_fields_do_not_run_into_each_other),      TEST(test_a_cache_is_read_as_it_was_written),
        TEST(test_a_cache_that_makes_no_sense_is_refused), TEST(test_content_is_names_modes_and_bytes_and_no_times),
        TEST(test_noted_digests_follow_changes),           TEST(test_a_copy_has_the_same_contents),
        TEST(test_a_file_with_many_links_is_copied),       TEST(test_steps_are_told_in_their_order),
        TEST(test_what_waits_is_told_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
