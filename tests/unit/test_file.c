#include "tests/unit/base_test.h"

#include <dirent.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/file.h"

static void what_is_written_atomically_reads_back(void **state)
{
    struct scratch *s = *state;
    struct error err = {0};
    assert_int_equal(file_write_atomic(s->fd, "f", "a\0b", 3, 0640, &err), 0);
    CLEANUP_FREE char *data = NULL;
    size_t size;
    assert_int_equal(file_read(s->fd, "f", 100, &data, &size, &err), 0);
    assert_int_equal(size, 3);
    assert_memory_equal(data, "a\0b", 4);
}

static void the_mode_is_exact_whatever_the_umask(void **state)
{
    struct scratch *s = *state;
    mode_t old = umask(0077);
    file_write_atomic(s->fd, "f", "", 0, 0664, NULL);
    umask(old);
    struct stat st;
    fstatat(s->fd, "f", &st, 0);
    assert_int_equal(st.st_mode & 07777, 0664);
}

static int entries(int dir_fd)
{
    DIR *dir = fdopendir(openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    int count = 0;
    while (readdir(dir))
        count++;
    closedir(dir);
    return count - 2;
}

/* Both ways of replacing a file. */
static int (*const writers[])(int, const char *, const void *, size_t, mode_t, struct error *) = {
    file_write_atomic,
    file_write_fleeting,
};

static void writing_replaces_and_leaves_no_temporary_file(void **state)
{
    struct scratch *s = *state;
    for (size_t i = 0; i < ARRAY_SIZE(writers); i++) {
        CLEANUP_FREE char *name = xasprintf("dir%zu", i), *path = xasprintf("%s/%s/f", s->path, name);
        mkdirat(s->fd, name, 0700);
        CLEANUP_CLOSE int dir = openat(s->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(writers[i](AT_FDCWD, path, "1", 1, 0640, NULL), 0);
        assert_int_equal(writers[i](dir, "f", "2", 1, 0600, NULL), 0);
        assert_int_equal(entries(dir), 1);
        CLEANUP_FREE char *data = NULL;
        assert_int_equal(file_read(AT_FDCWD, path, 1, &data, NULL, NULL), 0);
        assert_string_equal(data, "2");
        struct stat st;
        assert_int_equal(fstatat(dir, "f", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
}

/* A name that is opened holds the old file or the new one, whole, and is never missing. */
static void readers_see_the_old_file_or_the_new_one(void **state)
{
    struct scratch *s = *state;
    for (size_t i = 0; i < ARRAY_SIZE(writers); i++) {
        assert_int_equal(writers[i](s->fd, "f", "old", 3, 0600, NULL), 0);
        CLEANUP_CLOSE int before = openat(s->fd, "f", O_RDONLY | O_CLOEXEC);
        pid_t pid = fork();
        if (pid == 0) {
            for (int n = 0; n < 300; n++)
                if (writers[i](s->fd, "f", n % 2 ? "old" : "new", 3, 0600, NULL) < 0)
                    _exit(1);
            _exit(0);
        }
        int status;
        size_t seen = 0;
        while (waitpid(pid, &status, WNOHANG) == 0) {
            CLEANUP_FREE char *data = NULL;
            size_t size;
            if (file_read(s->fd, "f", 10, &data, &size, NULL) < 0 || size != 3 ||
                (memcmp(data, "old", 3) != 0 && memcmp(data, "new", 3) != 0))
                seen++;
        }
        assert_int_equal(status, 0);
        assert_int_equal(seen, 0);
        CLEANUP_FREE char *old = NULL;
        assert_int_equal(fd_read_all(before, 10, &old, NULL), 0);
        assert_string_equal(old, "old");
    }
}

static void a_write_that_fails_leaves_the_old_file_and_no_other(void **state)
{
    struct scratch *s = *state;
    struct stat st;
    mkdirat(s->fd, "taken", 0700);
    for (size_t i = 0; i < ARRAY_SIZE(writers); i++) {
        struct error err = {0};
        assert_int_equal(writers[i](s->fd, "taken", "1", 1, 0600, &err), -EISDIR);
        assert_string_equal(err.message, "write taken: Is a directory");
        assert_int_equal(fstatat(s->fd, "taken", &st, AT_SYMLINK_NOFOLLOW), 0);
        assert_true(S_ISDIR(st.st_mode));
        assert_int_equal(writers[i](s->fd, "no/f", "1", 1, 0600, &err), -ENOENT);
        assert_int_equal(entries(s->fd), 1);
        error_clear(&err);
    }
}

static void a_name_of_255_bytes_can_be_written(void **state)
{
    struct scratch *s = *state;
    char name[256];
    memset(name, 'n', 255);
    name[255] = '\0';
    assert_int_equal(file_write_atomic(s->fd, name, "1", 1, 0600, NULL), 0);
}

static void reading_says_which_file_and_why_not(void **state)
{
    struct scratch *s = *state;
    struct error err = {0};
    char *data = NULL;
    assert_int_equal(file_read(s->fd, "none", 10, &data, NULL, &err), -ENOENT);
    assert_string_equal(err.message, "open none: No such file or directory");
    file_write_atomic(s->fd, "big", "12345", 5, 0600, NULL);
    assert_int_equal(file_read(s->fd, "big", 4, &data, NULL, &err), -EFBIG);
    assert_string_equal(err.message, "read big: File too large");
    assert_int_equal(file_read(s->fd, ".", 4, &data, NULL, &err), -EISDIR);
    assert_null(data);
}

static void a_control_file_must_exist(void **state)
{
    struct scratch *s = *state;
    assert_int_equal(file_write_control(s->fd, "none", "1"), -ENOENT);
    file_write_atomic(s->fd, "control", "", 0, 0600, NULL);
    assert_int_equal(file_write_control(s->fd, "control", "+memory"), 0);
    CLEANUP_FREE char *data = NULL;
    file_read(s->fd, "control", 100, &data, NULL, NULL);
    assert_string_equal(data, "+memory");
    assert_int_equal(file_write_control(AT_FDCWD, "/dev/full", "1"), -ENOSPC);
}

static void mkdirs_makes_all_levels_and_is_content_with_what_is_there(void **state)
{
    struct scratch *s = *state;
    struct error err = {0};
    CLEANUP_FREE char *path = xasprintf("%s//a/b/./c/", s->path);
    assert_int_equal(file_mkdirs(path, 0710, &err), 0);
    assert_int_equal(file_mkdirs(path, 0710, &err), 0);
    struct stat st;
    assert_int_equal(fstatat(s->fd, "a/b/c", &st, 0), 0);
    assert_int_equal(st.st_mode, S_IFDIR | 0710);
    assert_int_equal(file_mkdirs("/", 0755, &err), 0);
}

static void mkdirs_walks_symlinks_to_directories(void **state)
{
    struct scratch *s = *state;
    mkdirat(s->fd, "real", 0755);
    symlinkat("real", s->fd, "link");
    CLEANUP_FREE char *path = xasprintf("%s/link/sub", s->path);
    assert_int_equal(file_mkdirs(path, 0755, NULL), 0);
    assert_int_equal(faccessat(s->fd, "real/sub", F_OK, 0), 0);
}

static void mkdirs_names_the_level_that_is_in_the_way(void **state)
{
    struct scratch *s = *state;
    struct error err = {0};
    file_write_atomic(s->fd, "f", "", 0, 0600, NULL);
    CLEANUP_FREE char *path = xasprintf("%s/f/sub", s->path);
    assert_int_equal(file_mkdirs(path, 0755, &err), -ENOTDIR);
    CLEANUP_FREE char *expected = xasprintf("mkdir %s/f: Not a directory", s->path);
    assert_string_equal(err.message, expected);
    assert_int_equal(file_mkdirs("", 0755, &err), -ENOENT);
    symlinkat("nowhere", s->fd, "dangling");
    CLEANUP_FREE char *dangling = xasprintf("%s/dangling", s->path);
    assert_int_equal(file_mkdirs(dangling, 0755, &err), -ENOENT);
}

static void spreading_keeps_the_other_flags_and_is_a_hint_only(void **state)
{
    char path[] = "/var/tmp/dory-unit-XXXXXX"; /* on a disk, if there is one */
    int before = 0, after = 0;
    (void)state;
    assert_non_null(mkdtemp(path));
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool has_flags = ioctl(fd, FS_IOC_GETFLAGS, &before) == 0;
    for (int i = 0; i < 2; i++)
        file_spread(fd);
    assert_int_equal(mkdirat(fd, "one", 0755), 0);
    assert_int_equal(unlinkat(fd, "one", AT_REMOVEDIR), 0);
    assert_int_equal(rmdir(path), 0);
    struct statfs fs;
    fstatfs(fd, &fs);
    if (!has_flags || fs.f_type != EXT4_SUPER_MAGIC) {
        print_message("not ext4: the hint means nothing here\n");
        skip();
    }
    assert_int_equal(ioctl(fd, FS_IOC_GETFLAGS, &after), 0);
    assert_int_equal(after, before | FS_TOPDIR_FL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(what_is_written_atomically_reads_back),
        IN_SCRATCH(the_mode_is_exact_whatever_the_umask),
        IN_SCRATCH(writing_replaces_and_leaves_no_temporary_file),
        IN_SCRATCH(readers_see_the_old_file_or_the_new_one),
        IN_SCRATCH(a_write_that_fails_leaves_the_old_file_and_no_other),
        IN_SCRATCH(a_name_of_255_bytes_can_be_written),
        IN_SCRATCH(reading_says_which_file_and_why_not),
        IN_SCRATCH(a_control_file_must_exist),
        IN_SCRATCH(mkdirs_makes_all_levels_and_is_content_with_what_is_there),
        IN_SCRATCH(mkdirs_walks_symlinks_to_directories),
        IN_SCRATCH(mkdirs_names_the_level_that_is_in_the_way),
        cmocka_unit_test(spreading_keeps_the_other_flags_and_is_a_hint_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
