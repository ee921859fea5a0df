/* Trees into tar and back: what goes in comes out, and the same tree gives the same bytes. Root is needed (devices,
 * owners, trusted attributes). */
#include "tests/unit/image_test.h"

#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "archive/pack.h"
#include "archive/unpack.h"
#include "base/fd.h"

static int to_buffer(void *data, const void *bytes, size_t size, struct error *err)
{
    (void)err;
    strbuf_add(data, bytes, size);
    return 0;
}

static void pack_ok(struct scratch *s, const char *dir, const struct pack_options *options, struct strbuf *out)
{
    struct error err = {0};
    CLEANUP_TAR_WRITER struct tar_writer *writer = tar_writer_new(to_buffer, out);
    int CLEANUP_CLOSE fd = openat(s->fd, dir, O_PATH | O_CLOEXEC);
    assert_true(fd >= 0);
    if (pack_tree(writer, fd, options, &err) < 0 || tar_writer_finish(writer, &err) < 0)
        fail_msg("%s", err.message);
}

struct source {
    const struct strbuf *data;
    size_t done;
};

static ssize_t source_read(void *data, const void **ret, struct error *err)
{
    struct source *s = data;
    (void)err;
    size_t n = s->data->size - s->done < 5000 ? s->data->size - s->done : 5000;
    *ret = s->data->data + s->done;
    s->done += n;
    return (ssize_t)n;
}

static int unpack_into(struct scratch *s, const char *dir, const struct strbuf *tar,
                       const struct unpack_options *options, struct error *err)
{
    struct source source = {.data = tar};
    struct unpack_result result;
    CLEANUP_TAR_READER struct tar_reader *reader = tar_reader_new(source_read, &source);
    mkdirat(s->fd, dir, 0755);
    int CLEANUP_CLOSE root = openat(s->fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return unpack_tree(reader, root, options, &result, err);
}

static void unpack_ok(struct scratch *s, const char *dir, const struct strbuf *tar)
{
    struct error err = {0};
    umask(0);
    if (unpack_into(s, dir, tar, &(struct unpack_options){.plain = true}, &err) < 0)
        fail_msg("%s", err.message);
}

static void make_file(struct scratch *s, const char *path, const char *text, mode_t mode)
{
    int CLEANUP_CLOSE fd = openat(s->fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
    assert_int_equal(fchmod(fd, mode), 0);
}

static void set_time(struct scratch *s, const char *path, int64_t seconds, long nanoseconds)
{
    struct timespec times[2] = {{seconds, nanoseconds}, {seconds, nanoseconds}};
    assert_int_equal(utimensat(s->fd, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

static struct stat stat_of(struct scratch *s, const char *path)
{
    struct stat st;
    if (fstatat(s->fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
        fail_msg("%s: %s", path, strerror(errno));
    return st;
}

#define LONG_NAME                                                                                                      \
    "a-name-that-is-longer-than-the-one-hundred-bytes-that-a-header-has-for-it-and-that-cannot-be-cut-at-any-slash-"   \
    "at-"                                                                                                              \
    "all"

static void make_tree(struct scratch *s)
{
    umask(0);
    assert_int_equal(mkdirat(s->fd, "in", 0755), 0);
    assert_int_equal(mkdirat(s->fd, "in/dir", 0710), 0);
    make_file(s, "in/dir/setuid", "x", 04755);
    make_file(s, "in/plain", "contents\n", 0640);
    assert_int_equal(fchownat(s->fd, "in/plain", 3000000, 4000000, 0), 0);
    set_time(s, "in/plain", 1234567890, 123456789);
    make_file(s, "in/" LONG_NAME, "long", 0600);
    set_time(s, "in/" LONG_NAME, -5, 250000000);
    assert_int_equal(linkat(s->fd, "in/plain", s->fd, "in/zz-second", 0), 0);
    assert_int_equal(symlinkat("/etc/" LONG_NAME, s->fd, "in/link"), 0);
    assert_int_equal(mknodat(s->fd, "in/null", S_IFCHR | 0666, makedev(1, 3)), 0);
    assert_int_equal(mknodat(s->fd, "in/fifo", S_IFIFO | 0622, 0), 0);
    CLEANUP_FREE char *path = xasprintf("%s/in/dir/setuid", s->path);
    assert_int_equal(setxattr(path, "trusted.test", "a\0b", 3, 0), 0);
    assert_int_equal(setxattr(path, "user.note", "kept", 4, 0), 0);
    set_time(s, "in/dir", 77, 7);
}

static void a_tree_survives_packing_and_unpacking(void **state)
{
    struct scratch *s = *state;
    struct strbuf CLEANUP_STRBUF first = STRBUF_INIT, second = STRBUF_INIT;
    make_tree(s);
    pack_ok(s, "in", &(struct pack_options){.contents_only = true}, &first);
    unpack_ok(s, "out", &first);
    struct stat st = stat_of(s, "out/plain");
    assert_int_equal(st.st_mode, S_IFREG | 0640);
    assert_int_equal(st.st_uid, 3000000);
    assert_int_equal(st.st_gid, 4000000);
    assert_int_equal(st.st_mtim.tv_sec, 1234567890);
    assert_int_equal(st.st_mtim.tv_nsec, 123456789);
    assert_int_equal(st.st_nlink, 2);
    assert_int_equal(stat_of(s, "out/zz-second").st_ino, st.st_ino);
    st = stat_of(s, "out/" LONG_NAME);
    assert_int_equal(st.st_mtim.tv_sec, -5);
    assert_int_equal(st.st_mtim.tv_nsec, 250000000);
    assert_int_equal(stat_of(s, "out/dir").st_mtim.tv_nsec, 7);
    assert_int_equal(stat_of(s, "out/dir/setuid").st_mode, S_IFREG | 04755);
    char target[256] = {0}, value[8];
    assert_true(readlinkat(s->fd, "out/link", target, sizeof(target) - 1) > 0);
    assert_string_equal(target, "/etc/" LONG_NAME);
    st = stat_of(s, "out/null");
    assert_true(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
    assert_true(S_ISFIFO(stat_of(s, "out/fifo").st_mode));
    CLEANUP_FREE char *path = xasprintf("%s/out/dir/setuid", s->path);
    assert_int_equal(getxattr(path, "trusted.test", value, sizeof(value)), 3);
    assert_memory_equal(value, "a\0b", 3);
    pack_ok(s, "out", &(struct pack_options){.contents_only = true}, &second);
    assert_int_equal(first.size, second.size);
    assert_memory_equal(first.data, second.data, first.size);
}

static void names_are_those_that_were_asked_for(void **state)
{
    struct scratch *s = *state;
    struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
    struct error err = {0};
    assert_int_equal(mkdirat(s->fd, "in", 0755), 0);
    make_file(s, "in/a", "x", 0644);
    pack_ok(s, "in", &(struct pack_options){.name = "other"}, &tar);
    struct source source = {.data = &tar};
    CLEANUP_TAR_READER struct tar_reader *reader = tar_reader_new(source_read, &source);
    const struct tar_entry *entry;
    assert_int_equal(tar_reader_next(reader, &entry, &err), 1);
    assert_string_equal(entry->path, "other/");
    assert_int_equal(tar_reader_next(reader, &entry, &err), 1);
    assert_string_equal(entry->path, "other/a");
    assert_int_equal(tar_reader_next(reader, &entry, &err), 0);
}

static void an_upper_directory_becomes_a_layer(void **state)
{
    struct scratch *s = *state;
    struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
    struct error err = {0};
    assert_int_equal(mkdirat(s->fd, "in", 0755), 0);
    assert_int_equal(mkdirat(s->fd, "in/d", 0755), 0);
    assert_int_equal(mknodat(s->fd, "in/d/gone", S_IFCHR, makedev(0, 0)), 0);
    CLEANUP_FREE char *path = xasprintf("%s/in/d", s->path);
    assert_int_equal(setxattr(path, "trusted.overlay.opaque", "y", 1, 0), 0);
    pack_ok(s, "in", &(struct pack_options){.contents_only = true, .overlay = true}, &tar);
    struct source source = {.data = &tar};
    CLEANUP_TAR_READER struct tar_reader *reader = tar_reader_new(source_read, &source);
    const struct tar_entry *entry;
    static const char *const expected[] = {"d/", "d/.wh..wh..opq", "d/.wh.gone"};
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        assert_int_equal(tar_reader_next(reader, &entry, &err), 1);
        assert_string_equal(entry->path, expected[i]);
        assert_int_equal(entry->xattr_count, 0);
    }
    assert_int_equal(tar_reader_next(reader, &entry, &err), 0);
    /* And back: the same overlay form. */
    source.done = 0;
    mkdirat(s->fd, "out", 0755);
    if (unpack_into(s, "out", &tar, &(struct unpack_options){0}, &err) < 0)
        fail_msg("%s", err.message);
    struct stat st = stat_of(s, "out/d/gone");
    assert_true(S_ISCHR(st.st_mode) && st.st_rdev == 0);
}

static void holes_stay_holes_where_that_is_wanted(void **state)
{
    struct scratch *s = *state;
    struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT, full = STRBUF_INIT;
    const off_t size = 8 << 20;
    assert_int_equal(mkdirat(s->fd, "in", 0755), 0);
    int CLEANUP_CLOSE fd = openat(s->fd, "in/sparse", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    assert_int_equal(pwrite(fd, "begin", 5, 4096), 5);
    assert_int_equal(pwrite(fd, "end", 3, 4 << 20), 3);
    assert_int_equal(ftruncate(fd, size), 0);
    int CLEANUP_CLOSE hole = openat(s->fd, "in/hole", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    assert_int_equal(ftruncate(hole, size), 0);
    pack_ok(s, "in", &(struct pack_options){.contents_only = true}, &full);
    assert_true(full.size > (size_t)(2 * size));
    pack_ok(s, "in", &(struct pack_options){.contents_only = true, .sparse = true}, &tar);
    assert_true(tar.size < 1 << 20);
    unpack_ok(s, "out", &tar);
    assert_int_equal(stat_of(s, "out/hole").st_size, size);
    struct stat st = stat_of(s, "out/sparse");
    assert_int_equal(st.st_size, size);
    assert_true(st.st_blocks * 512 < size / 2);
    char text[6] = {0};
    int CLEANUP_CLOSE out = openat(s->fd, "out/sparse", O_RDONLY | O_CLOEXEC);
    assert_int_equal(pread(out, text, 5, 4096), 5);
    assert_string_equal(text, "begin");
    assert_int_equal(pread(out, text, 3, 4 << 20), 3);
    assert_memory_equal(text, "end", 3);
}

static void kinds_are_kept_when_asked_for(void **state)
{
    struct scratch *s = *state;
    struct strbuf CLEANUP_STRBUF dir = STRBUF_INIT, file = STRBUF_INIT;
    struct error err = {0};
    const struct unpack_options keep = {.plain = true, .keep_kinds = true};
    TAR(&dir, {.name = "x/", .type = '5'});
    TAR(&file, {.name = "x", .type = '0', .content = "text"});
    assert_int_equal(unpack_into(s, "out", &dir, &keep, &err), 0);
    assert_true(unpack_into(s, "out", &file, &keep, &err) < 0);
    assert_string_equal(err.message, "cannot overwrite directory \"/x\" with non-directory \"/\"");
    error_clear(&err);
    assert_int_equal(unpack_into(s, "out", &file, &(struct unpack_options){.plain = true}, &err), 0);
    assert_true(unpack_into(s, "out", &dir, &keep, &err) < 0);
    assert_string_equal(err.message, "cannot overwrite non-directory \"/x\" with directory \"/\"");
}

static void options_say_where_as_whom_and_under_which_name(void **state)
{
    struct scratch *s = *state;
    struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
    struct error err = {0};
    TAR(&tar, {.name = "old/", .type = '5', .uid = 7}, {.name = "old/.wh.f", .type = '0', .content = "f", .uid = 7},
        {.name = "old/hard", .type = '1', .link = "old/.wh.f"});
    mkdirat(s->fd, "out", 0755);
    mkdirat(s->fd, "out/real", 0755);
    assert_int_equal(symlinkat("/real", s->fd, "out/link"), 0);
    const struct unpack_options options = {.prefix = "link",
                                           .plain = true,
                                           .set_owner = true,
                                           .uid = 12,
                                           .gid = 34,
                                           .rename_from = "old",
                                           .rename_to = "new"};
    if (unpack_into(s, "out", &tar, &options, &err) < 0)
        fail_msg("%s", err.message);
    struct stat st = stat_of(s, "out/real/new/.wh.f");
    assert_int_equal(st.st_uid, 12);
    assert_int_equal(st.st_gid, 34);
    assert_int_equal(st.st_nlink, 2);
    struct strbuf CLEANUP_STRBUF through = STRBUF_INIT;
    TAR(&through, {.name = "link/f", .type = '0', .content = "x"});
    error_clear(&err);
    assert_int_equal(
        unpack_into(s, "out", &through, &(struct unpack_options){.plain = true, .no_symlinks = true}, &err), -ELOOP);
    struct strbuf CLEANUP_STRBUF out = STRBUF_INIT;
    TAR(&out, {.name = "../f", .type = '0', .content = "x"});
    error_clear(&err);
    assert_true(unpack_into(s, "out", &out, &options, &err) < 0);
    assert_string_equal(err.message, "\"../f\" is outside of the destination");
}

static enum pack_verdict judge(const char *path, const struct stat *st, void *data)
{
    (void)data;
    if (strcmp(path, "hidden") == 0)
        return S_ISDIR(st->st_mode) ? PACK_ENTER : PACK_SKIP;
    return strcmp(path, "hidden/not") == 0 || strcmp(path, "gone") == 0 ? PACK_SKIP : PACK_TAKE;
}

static void what_is_judged_away_stays_behind_and_owners_may_too(void **state)
{
    struct scratch *s = *state;
    CLEANUP_STRBUF struct strbuf tar = STRBUF_INIT;
    const struct pack_options options = {.contents_only = true, .no_owner = true, .judge = judge};
    struct stat st;
    assert_int_equal(mkdirat(s->fd, "in", 0755), 0);
    assert_int_equal(mkdirat(s->fd, "in/gone", 0755), 0);
    assert_int_equal(mkdirat(s->fd, "in/hidden", 0700), 0);
    static const char *const files[] = {"in/gone/a", "in/hidden/kept", "in/hidden/not", "in/plain"};
    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        fd_close(openat(s->fd, files[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    assert_int_equal(fchownat(s->fd, "in/plain", 7, 8, 0), 0);
    pack_ok(s, "in", &options, &tar);
    unpack_ok(s, "out", &tar);
    assert_int_equal(fstatat(s->fd, "out/gone", &st, 0), -1);
    assert_int_equal(fstatat(s->fd, "out/hidden/not", &st, 0), -1);
    assert_int_equal(fstatat(s->fd, "out/hidden/kept", &st, 0), 0);
    assert_int_equal(fstatat(s->fd, "out/hidden", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0755);
    assert_int_equal(fstatat(s->fd, "out/plain", &st, 0), 0);
    assert_int_equal(st.st_uid, 0);
    assert_int_equal(st.st_gid, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(a_tree_survives_packing_and_unpacking),
        IN_SCRATCH(names_are_those_that_were_asked_for),
        IN_SCRATCH(an_upper_directory_becomes_a_layer),
        IN_SCRATCH(holes_stay_holes_where_that_is_wanted),
        IN_SCRATCH(what_is_judged_away_stays_behind_and_owners_may_too),
        IN_SCRATCH(kinds_are_kept_when_asked_for),
        IN_SCRATCH(options_say_where_as_whom_and_under_which_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
