/*
 * Unpacking into a tree that others use meanwhile (docker cp into a running container): somebody who may write to the
 * directory puts something else into the place of what was just made, and must gain nothing by it. The calls that make
 * entries are defined here, so that the exchange happens each time between the making and what follows it. Root is
 * needed: owners are the matter.
 */
#include "tests/unit/image_test.h"

#include <sys/syscall.h>
#include <sys/xattr.h>

#include "archive/unpack.h"

/* Runs once, right after something was made. */
static void (*exchange)(int dir_fd, const char *name);

static int made(int r, int dir_fd, const char *name)
{
    void (*now)(int, const char *) = exchange;
    exchange = NULL;
    if (r == 0 && now)
        now(dir_fd, name);
    return r;
}

int mkdirat(int dir_fd, const char *name, mode_t mode)
{
    return made((int)syscall(SYS_mkdirat, dir_fd, name, mode), dir_fd, name);
}

int mknodat(int dir_fd, const char *name, mode_t mode, dev_t device)
{
    return made((int)syscall(SYS_mknodat, dir_fd, name, mode, (unsigned)device), dir_fd, name);
}

int symlinkat(const char *target, int dir_fd, const char *name)
{
    return made((int)syscall(SYS_symlinkat, target, dir_fd, name), dir_fd, name);
}

/* ---- the exchanges ---- */

static void remove_made(int dir_fd, const char *name)
{
    assert_true(unlinkat(dir_fd, name, 0) == 0 || unlinkat(dir_fd, name, AT_REMOVEDIR) == 0);
}

static void victim_linked(int dir_fd, const char *name)
{
    remove_made(dir_fd, name);
    assert_int_equal(linkat(dir_fd, "victim", dir_fd, name, 0), 0);
}

static void victim_moved(int dir_fd, const char *name)
{
    remove_made(dir_fd, name);
    assert_int_equal(renameat(dir_fd, "victim", dir_fd, name), 0);
}

static void symlink_to_victim(int dir_fd, const char *name)
{
    remove_made(dir_fd, name);
    assert_int_equal(syscall(SYS_symlinkat, "victim", dir_fd, name), 0);
}

/* ---- the tests ---- */

struct source {
    const struct strbuf *data;
    bool done;
};

static ssize_t source_read(void *data, const void **ret, struct error *err)
{
    struct source *s = data;
    (void)err;
    *ret = s->data->data;
    size_t n = s->done ? 0 : s->data->size;
    s->done = true;
    return (ssize_t)n;
}

static int unpack_with(struct scratch *s, const struct strbuf *tar, void (*how)(int, const char *), struct error *err)
{
    struct source source = {.data = tar};
    struct unpack_result result;
    CLEANUP_TAR_READER struct tar_reader *reader = tar_reader_new(source_read, &source);
    exchange = how;
    int r = unpack_tree(reader, s->fd, &(struct unpack_options){.plain = true}, &result, err);
    assert_null(exchange);
    return r;
}

static void assert_untouched(struct scratch *s, const char *name, mode_t mode, const struct stat *before)
{
    struct stat st;
    if (fstatat(s->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        fail_msg("%s: %s", name, strerror(errno));
    assert_int_equal(st.st_ino, before->st_ino);
    assert_int_equal(st.st_uid, 0);
    assert_int_equal(st.st_gid, 0);
    assert_int_equal(st.st_mode, mode);
    assert_int_equal(st.st_mtim.tv_sec, before->st_mtim.tv_sec);
}

static const char kinds[] = {'2', '3', '6', '5'};
#define ENTRY(kind)                                                                                                    \
    {                                                                                                                  \
        .name = "new", .type = (kind), .link = "target", .mode = 06777, .uid = 1234, .gid = 567, .mtime = 1000,        \
        .pax = "SCHILY.xattr.trusted.mark=x\n"                                                                         \
    }

/* Every kind against a file that was there: linked, moved and symlinked into the place. */
static void a_file_in_the_place_of_what_was_made_is_left_alone(void **state)
{
    struct scratch *s = *state;
    void (*const ways[])(int, const char *) = {victim_linked, victim_moved, symlink_to_victim};
    for (size_t i = 0; i < ARRAY_SIZE(kinds) * ARRAY_SIZE(ways); i++) {
        char kind = kinds[i / ARRAY_SIZE(ways)];
        void (*way)(int, const char *) = ways[i % ARRAY_SIZE(ways)];
        struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
        TAR(&tar, ENTRY(kind));
        int CLEANUP_CLOSE fd = openat(s->fd, "victim", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        struct stat before;
        struct error err = {0};
        assert_int_equal(fstat(fd, &before), 0);
        assert_true(unpack_with(s, &tar, way, &err) < 0);
        if (!strstr(err.message, "\"/new\" was replaced while it was being made"))
            fail_msg("kind %c: %s", kind, err.message);
        assert_untouched(s, way == victim_moved ? "new" : "victim", S_IFREG | 0600, &before);
        assert_int_equal(fgetxattr(fd, "trusted.mark", NULL, 0), -1);
        unlinkat(s->fd, "new", 0);
        unlinkat(s->fd, "victim", 0);
    }
}

/* The same kind as was made. */
static void another_of_its_kind_is_left_alone(void **state)
{
    struct scratch *s = *state;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
        TAR(&tar, ENTRY(kinds[i]));
        struct stat before;
        struct error err = {0};
        if (kinds[i] == '2')
            assert_int_equal(syscall(SYS_symlinkat, "secret", s->fd, "victim"), 0);
        else if (kinds[i] == '5')
            assert_int_equal(syscall(SYS_mkdirat, s->fd, "victim", 0700), 0);
        else
            assert_int_equal(syscall(SYS_mknodat, s->fd, "victim", (kinds[i] == '6' ? S_IFIFO : S_IFCHR) | 0600, 0), 0);
        assert_int_equal(fstatat(s->fd, "victim", &before, AT_SYMLINK_NOFOLLOW), 0);
        assert_true(unpack_with(s, &tar, victim_moved, &err) < 0);
        assert_untouched(s, "new", before.st_mode, &before);
        remove_made(s->fd, "new");
    }
}

/* And without anybody's doing all of it arrives. */
static void what_was_made_gets_owner_mode_time_and_attributes(void **state)
{
    struct scratch *s = *state;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
        TAR(&tar, ENTRY(kinds[i]));
        struct stat st;
        struct error err = {0};
        if (unpack_with(s, &tar, NULL, &err) < 0)
            fail_msg("kind %c: %s", kinds[i], err.message);
        assert_int_equal(fstatat(s->fd, "new", &st, AT_SYMLINK_NOFOLLOW), 0);
        assert_int_equal(st.st_uid, 1234);
        assert_int_equal(st.st_gid, 567);
        assert_int_equal(st.st_mode & 07777, kinds[i] == '2' ? 0777 : 06777);
        assert_int_equal(st.st_mtim.tv_sec, 1000);
        CLEANUP_FREE char *path = xasprintf("%s/new", s->path);
        char mark;
        assert_int_equal(lgetxattr(path, "trusted.mark", &mark, 1), 1);
        assert_int_equal(mark, 'x');
        remove_made(s->fd, "new");
    }
}

/* A directory that is there already gets what the archive says; a symlink in its place does not lead away. */
static void a_directory_that_was_there_gets_them_too(void **state)
{
    struct scratch *s = *state;
    struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
    TAR(&tar, ENTRY('5'));
    struct stat st;
    struct error err = {0};
    assert_int_equal(syscall(SYS_mkdirat, s->fd, "new", 0700), 0);
    if (unpack_with(s, &tar, NULL, &err) < 0)
        fail_msg("%s", err.message);
    assert_int_equal(fstatat(s->fd, "new", &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(st.st_uid, 1234);
    assert_int_equal(st.st_mode, S_IFDIR | 06777);
    assert_int_equal(st.st_mtim.tv_sec, 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    umask(0);
    const struct CMUnitTest tests[] = {
        TEST(a_file_in_the_place_of_what_was_made_is_left_alone),
        TEST(another_of_its_kind_is_left_alone),
        TEST(what_was_made_gets_owner_mode_time_and_attributes),
        TEST(a_directory_that_was_there_gets_them_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
