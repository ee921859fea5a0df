#include "tests/unit/base_test.h"

#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

#include "base/fd.h"

/* Inside the scratch directory: root/ is the tree, outside/ must never be touched. */
struct tree {
    struct scratch *scratch;
    int root;
    int outside;
};

static int tree_setup(void **state)
{
    struct tree *t = xcalloc(1, sizeof *t);
    if (scratch_setup((void **)&t->scratch) < 0)
        return -1;
    mkdirat(t->scratch->fd, "root", 0755);
    mkdirat(t->scratch->fd, "outside", 0755);
    t->root = openat(t->scratch->fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    t->outside = openat(t->scratch->fd, "outside", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    fd_close(openat(t->outside, "secret", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    *state = t;
    return 0;
}

static int tree_teardown(void **state)
{
    struct tree *t = *state;
    int r = faccessat(t->outside, "secret", F_OK, 0);
    fd_close(t->root);
    fd_close(t->outside);
    r |= scratch_teardown((void **)&t->scratch);
    free(t);
    return r;
}

#define IN_TREE(test) cmocka_unit_test_setup_teardown(test, tree_setup, tree_teardown)

static void put_file(int dir_fd, const char *path, const char *text)
{
    CLEANUP_CLOSE int fd = openat(dir_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

static bool exists(int dir_fd, const char *path)
{
    return faccessat(dir_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Asserts that the descriptor is the thing of that path in the root, and closes it. */
static void assert_is(const struct tree *t, int fd, const char *path)
{
    struct stat got;
    struct stat want;
    if (fd < 0)
        fail_msg("%s: %s", path, strerror(-fd));
    assert_int_equal(fstat(fd, &got), 0);
    assert_int_equal(fstatat(t->root, path, &want, AT_SYMLINK_NOFOLLOW), 0);
    assert_true(got.st_dev == want.st_dev);
    assert_int_equal(got.st_ino, want.st_ino);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    fd_close(fd);
}

static void the_root_cannot_be_left_by_dots_or_symlinks(void **state)
{
    struct tree *t = *state;
    CLEANUP_FREE char *absolute = xasprintf("%s/outside/secret", t->scratch->path);
    symlinkat(absolute, t->root, "absolute");
    symlinkat("../outside/secret", t->root, "relative");
    symlinkat("../../../../../../../../..", t->root, "up");
    assert_int_equal(beneath_open(t->root, "absolute", O_RDONLY, 0), -ENOENT);
    assert_int_equal(beneath_open(t->root, "relative", O_RDONLY, 0), -ENOENT);
    assert_int_equal(beneath_open(t->root, "../outside/secret", O_RDONLY, 0), -ENOENT);
    assert_int_equal(beneath_open(t->root, absolute, O_RDONLY, 0), -ENOENT);
    assert_int_equal(beneath_open_inside(t->root, "absolute", O_RDONLY), -EXDEV);
    assert_int_equal(beneath_open_inside(t->root, "relative", O_RDONLY), -EXDEV);
    assert_int_equal(beneath_open_inside(t->root, "up", O_PATH), -EXDEV);
    assert_is(t, beneath_open(t->root, "up", O_PATH, 0), ".");
    assert_is(t, beneath_open(t->root, "../..", O_PATH, 0), ".");
    assert_is(t, beneath_open(t->root, "/", O_PATH, 0), ".");
}

static void symlinks_inside_the_root_are_followed(void **state)
{
    struct tree *t = *state;
    mkdirat(t->root, "run", 0755);
    mkdirat(t->root, "var", 0755);
    symlinkat("/run", t->root, "var/run");
    put_file(t->root, "run/pid", "1");
    assert_is(t, beneath_open(t->root, "/var/run/pid", O_RDONLY, 0), "run/pid");
    assert_is(t, beneath_open(t->root, "var/run", O_PATH | O_NOFOLLOW, 0), "var/run");
}

static void nofollow_refuses_symlinks_everywhere(void **state)
{
    struct tree *t = *state;
    mkdirat(t->root, "dir", 0755);
    put_file(t->root, "dir/f", "");
    symlinkat("dir", t->root, "link");
    assert_is(t, beneath_open_inside(t->root, "link/../link/f", O_RDONLY), "dir/f");
    assert_is(t, beneath_open_nofollow(t->root, "dir/f", O_RDONLY, 0), "dir/f");
    assert_int_equal(beneath_open_nofollow(t->root, "link/f", O_RDONLY, 0), -ELOOP);
    assert_int_equal(beneath_open_nofollow(t->root, "link", O_RDONLY, 0), -ELOOP);
}

static void magic_links_are_refused(void **state)
{
    (void)state;
    CLEANUP_CLOSE int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(beneath_open(proc, "self/root", O_PATH, 0), -ELOOP);
    assert_int_equal(beneath_open(proc, "self/fd/0", O_RDONLY, 0), -ELOOP);
    assert_int_equal(beneath_open(proc, "self/cwd/x", O_RDONLY, 0), -ELOOP);
}

static void a_file_can_be_created_with_its_mode(void **state)
{
    struct tree *t = *state;
    assert_is(t, beneath_open(t->root, "new", O_WRONLY | O_CREAT | O_EXCL, 0600), "new");
    struct stat st;
    fstatat(t->root, "new", &st, 0);
    assert_int_equal(st.st_mode, S_IFREG | 0600);
    /* A mode without O_CREAT would be EINVAL for the kernel. */
    assert_is(t, beneath_open(t->root, "new", O_RDONLY, 0644), "new");
    assert_int_equal(beneath_open(t->root, "", O_RDONLY, 0), -ENOENT);
}

static void mkdirs_makes_what_is_missing(void **state)
{
    struct tree *t = *state;
    assert_is(t, beneath_mkdirs(t->root, "/a//b/./c/", 0750), "a/b/c");
    struct stat st;
    fstatat(t->root, "a/b", &st, 0);
    assert_int_equal(st.st_mode, S_IFDIR | 0750);
    assert_is(t, beneath_mkdirs(t->root, "a/b/c", 0755), "a/b/c");
    assert_is(t, beneath_mkdirs(t->root, "a/x/../y", 0755), "a/y");
    assert_true(exists(t->root, "a/x"));
    assert_is(t, beneath_mkdirs(t->root, "", 0755), ".");
    assert_is(t, beneath_mkdirs(t->root, "/", 0755), ".");
    assert_is(t, beneath_mkdirs(t->root, "../../up", 0755), "up");
    assert_is(t, beneath_mkdirs(t->root, "q/../../../r/s", 0755), "r/s");
    assert_false(exists(t->scratch->fd, "r"));
}

static void mkdirs_stays_inside_whatever_symlinks_say(void **state)
{
    struct tree *t = *state;
    CLEANUP_FREE char *absolute = xasprintf("%s/outside", t->scratch->path);
    symlinkat(absolute, t->root, "absolute");
    symlinkat("../outside", t->root, "relative");
    CLEANUP_FREE char *inside = xasprintf(".%s/outside/sub", t->scratch->path);
    assert_is(t, beneath_mkdirs(t->root, "absolute/sub", 0755), inside);
    assert_is(t, beneath_mkdirs(t->root, "relative/sub/deep", 0755), "outside/sub/deep");
    assert_false(exists(t->outside, "sub"));
}

static void mkdirs_makes_the_target_of_a_dangling_symlink(void **state)
{
    struct tree *t = *state;
    mkdirat(t->root, "var", 0755);
    symlinkat("/run", t->root, "var/run");
    symlinkat("../lib64/x", t->root, "var/rel");
    assert_is(t, beneath_mkdirs(t->root, "var/run/dory", 0755), "run/dory");
    assert_is(t, beneath_mkdirs(t->root, "var/rel/../y", 0755), "lib64/y");
    assert_true(exists(t->root, "lib64/x"));
}

static void mkdirs_gives_up_on_symlink_loops(void **state)
{
    struct tree *t = *state;
    symlinkat("b", t->root, "a");
    symlinkat("a", t->root, "b");
    symlinkat("grow/x", t->root, "grow");
    symlinkat("missing/../again", t->root, "again");
    assert_int_equal(beneath_mkdirs(t->root, "a/x", 0755), -ELOOP);
    assert_int_equal(beneath_mkdirs(t->root, "grow", 0755), -ELOOP);
    assert_int_equal(beneath_mkdirs(t->root, "again", 0755), -ELOOP);
}

static void mkdirs_refuses_what_is_no_directory(void **state)
{
    struct tree *t = *state;
    put_file(t->root, "f", "");
    assert_int_equal(beneath_mkdirs(t->root, "f", 0755), -ENOTDIR);
    assert_int_equal(beneath_mkdirs(t->root, "f/x", 0755), -ENOTDIR);
    symlinkat("f", t->root, "to-f");
    assert_int_equal(beneath_mkdirs(t->root, "missing/../to-f/x", 0755), -ENOTDIR);
}

static void paths_beyond_path_max_are_refused(void **state)
{
    struct tree *t = *state;
    CLEANUP_FREE char *path = xmalloc(10001);
    for (int i = 0; i < 10000; i++)
        path[i] = i % 2 ? '/' : 'a';
    path[10000] = '\0';
    assert_int_equal(beneath_mkdirs(t->root, path, 0755), -ENAMETOOLONG);
    assert_int_equal(beneath_make_target(t->root, path, false), -ENAMETOOLONG);
    path[4000] = '\0';
    CLEANUP_CLOSE int fd = beneath_mkdirs(t->root, path, 0755);
    assert_true(fd >= 0);
}

static void assert_parent(const struct tree *t, const char *path, const char *parent, const char *name)
{
    char *got = NULL;
    assert_is(t, beneath_open_parent(t->root, path, false, &got), parent);
    assert_string_equal(got, name);
    free(got);
}

static void open_parent_splits_off_the_last_component_unresolved(void **state)
{
    struct tree *t = *state;
    mkdirat(t->root, "dir", 0755);
    symlinkat("/dir", t->root, "link");
    symlinkat("nowhere", t->root, "dir/dangling");
    assert_parent(t, "link/dangling", "dir", "dangling");
    assert_parent(t, "file", ".", "file");
    assert_parent(t, "/file", ".", "file");
    assert_parent(t, "dir/sub/", "dir", "sub");
    assert_parent(t, "dir/sub//.//", "dir", "sub");
    assert_parent(t, "link", ".", "link");
    assert_parent(t, "../../x", ".", "x");
    assert_parent(t, "dir/..x", "dir", "..x");
    assert_parent(t, "dir/x.", "dir", "x.");
    assert_parent(t, ".hidden", ".", ".hidden");
}

static void open_parent_refuses_paths_without_a_name(void **state)
{
    struct tree *t = *state;
    static const char *const bad[] = {"", "/", "//", ".", "./", "..", "/..", "a/..", "a/../", "a/../."};
    mkdirat(t->root, "a", 0755);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char *name = NULL;
        int fd = beneath_open_parent(t->root, bad[i], true, &name);
        if (fd != -EINVAL)
            fail_msg("'%s' gave %d", bad[i], fd);
        assert_null(name);
    }
}

static void open_parent_makes_parents_only_when_asked(void **state)
{
    struct tree *t = *state;
    char *name = NULL;
    assert_int_equal(beneath_open_parent(t->root, "x/y/z", false, &name), -ENOENT);
    assert_null(name);
    assert_is(t, beneath_open_parent(t->root, "x/y/z", true, &name), "x/y");
    assert_string_equal(name, "z");
    free(name);
    assert_false(exists(t->root, "x/y/z"));
}

static void make_target_makes_files_and_directories_once(void **state)
{
    struct tree *t = *state;
    struct stat st;
    assert_is(t, beneath_make_target(t->root, "etc/hosts", false), "etc/hosts");
    fstatat(t->root, "etc/hosts", &st, 0);
    assert_int_equal(st.st_mode, S_IFREG | 0644);
    assert_int_equal(st.st_size, 0);
    fstatat(t->root, "etc", &st, 0);
    assert_int_equal(st.st_mode, S_IFDIR | 0755);
    put_file(t->root, "etc/hosts", "kept");
    assert_is(t, beneath_make_target(t->root, "etc/hosts", false), "etc/hosts");
    fstatat(t->root, "etc/hosts", &st, 0);
    assert_int_equal(st.st_size, 4);
    assert_is(t, beneath_make_target(t->root, "data/vol", true), "data/vol");
    fstatat(t->root, "data/vol", &st, 0);
    assert_int_equal(st.st_mode & S_IFMT, S_IFDIR);
    /* What is there stays, also of the other kind: the mount will tell. */
    assert_is(t, beneath_make_target(t->root, "etc", false), "etc");
    assert_is(t, beneath_make_target(t->root, "etc/hosts", true), "etc/hosts");
    assert_is(t, beneath_make_target(t->root, "/", true), ".");
}

static void make_target_resolves_symlinks_inside_the_root(void **state)
{
    struct tree *t = *state;
    CLEANUP_FREE char *secret = xasprintf("%s/outside/made", t->scratch->path);
    symlinkat(secret, t->root, "escape");
    symlinkat("/run/resolv.conf", t->root, "resolv.conf");
    assert_is(t, beneath_make_target(t->root, "resolv.conf", false), "run/resolv.conf");
    CLEANUP_FREE char *inside = xasprintf(".%s", secret);
    assert_is(t, beneath_make_target(t->root, "escape", false), inside);
    assert_false(exists(t->outside, "made"));
}

static void read_file_reads_regular_files_up_to_the_limit(void **state)
{
    struct tree *t = *state;
    put_file(t->root, "passwd", "root:x:0:0");
    symlinkat("passwd", t->root, "link");
    char *data = NULL;
    size_t size = 0;
    assert_int_equal(beneath_read_file(t->root, "/link", 10, &data, &size), 0);
    assert_string_equal(data, "root:x:0:0");
    assert_int_equal(size, 10);
    free(data);
    data = NULL;
    assert_int_equal(beneath_read_file(t->root, "passwd", 9, &data, &size), -EFBIG);
    assert_int_equal(beneath_read_file(t->root, "none", 9, &data, &size), -ENOENT);
    assert_int_equal(beneath_read_file(t->root, "/", 9, &data, &size), -EISDIR);
    assert_null(data);
}

static void read_file_neither_waits_for_a_fifo_nor_opens_a_device(void **state)
{
    struct tree *t = *state;
    char *data = NULL;
    mkfifoat(t->root, "fifo", 0600);
    assert_int_equal(beneath_read_file(t->root, "fifo", 100, &data, NULL), -EINVAL);
    if (mknodat(t->root, "zero", S_IFCHR | 0600, makedev(1, 5)) == 0)
        assert_int_equal(beneath_read_file(t->root, "zero", 100, &data, NULL), -EINVAL);
    assert_null(data);
}

static void remove_tree_removes_every_kind_of_file(void **state)
{
    struct tree *t = *state;
    fd_close(beneath_mkdirs(t->root, "d/a/b/c", 0755));
    fd_close(beneath_mkdirs(t->root, "d/empty", 0755));
    put_file(t->root, "d/a/f", "x");
    mkfifoat(t->root, "d/fifo", 0600);
    fd_close(fd_listen_unix(t->root, "d/sock", 1, 0600));
    CLEANUP_FREE char *outside = xasprintf("%s/outside", t->scratch->path);
    symlinkat(outside, t->root, "d/a/out");
    symlinkat("nowhere", t->root, "d/dangling");
    put_file(t->root, "keep", "x");
    assert_int_equal(beneath_remove_tree(t->root, "d"), 0);
    assert_false(exists(t->root, "d"));
    assert_true(exists(t->root, "keep"));
    assert_true(exists(t->outside, "secret"));
}

static void remove_tree_takes_files_symlinks_and_absence(void **state)
{
    struct tree *t = *state;
    put_file(t->root, "f", "x");
    CLEANUP_FREE char *outside = xasprintf("%s/outside", t->scratch->path);
    symlinkat(outside, t->root, "link");
    assert_int_equal(beneath_remove_tree(t->root, "f"), 0);
    assert_int_equal(beneath_remove_tree(t->root, "link"), 0);
    assert_int_equal(beneath_remove_tree(t->root, "none"), 0);
    assert_true(exists(t->outside, "secret"));
}

static void remove_tree_takes_one_component_only(void **state)
{
    struct tree *t = *state;
    static const char *const bad[] = {"", ".", "..", "a/b", "/", "../outside"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(beneath_remove_tree(t->root, bad[i]), -EINVAL);
}

static void remove_tree_goes_as_deep_as_it_must(void **state)
{
    struct tree *t = *state;
    /* Deeper than descriptors, the stack and PATH_MAX allow, with something beside each level. */
    CLEANUP_CLOSE int fd = fd_dup(t->root);
    for (int i = 0; i < 2500; i++) {
        if (i % 10 == 0)
            put_file(fd, "file", "");
        assert_int_equal(mkdirat(fd, "d", 0755), 0);
        int next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        fd_close(fd);
        fd = next;
    }
    assert_int_equal(beneath_remove_tree(t->root, "d"), 0);
    assert_false(exists(t->root, "d"));
}

static void remove_tree_removes_wide_directories_at_every_level(void **state)
{
    struct tree *t = *state;
    CLEANUP_CLOSE int fd = fd_dup(t->root);
    for (int level = 0; level < 100; level++) {
        mkdirat(fd, "m", 0755);
        int next = openat(fd, "m", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        fd_close(fd);
        fd = next;
        for (int i = 0; i < 40; i++) {
            CLEANUP_FREE char *name = xasprintf("%c%d", i % 2 ? 'a' : 'z', i);
            if (i % 4 == 0)
                mkdirat(fd, name, 0755);
            else
                put_file(fd, name, "");
        }
    }
    assert_int_equal(beneath_remove_tree(t->root, "m"), 0);
    assert_false(exists(t->root, "m"));
}

static void in_a_mount_namespace(void (*fn)(struct tree *), struct tree *t)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
            _exit(77);
        fn(t);
        _exit(0);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(status, 0);
}

/* In the child assertions cannot be cmocka's. */
#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            print_error("%s:%d: %s\n", __FILE__, __LINE__, #condition);                                                \
            _exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

static void remove_with_mounts(struct tree *t)
{
    CLEANUP_FREE char *outside = xasprintf("%s/outside", t->scratch->path);
    CLEANUP_FREE char *inside = xasprintf("%s/root/d/mnt", t->scratch->path);
    CLEANUP_FREE char *file = xasprintf("%s/root/d/file", t->scratch->path);
    CLEANUP_FREE char *secret = xasprintf("%s/outside/secret", t->scratch->path);
    /* The parent's descriptor belongs to its mount namespace, in which none of this happens. */
    CLEANUP_FREE char *root = xasprintf("%s/root", t->scratch->path);
    fd_close(t->root);
    t->root = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    fd_close(beneath_mkdirs(t->root, "d/mnt", 0755));
    CHECK(mount(outside, inside, NULL, MS_BIND, NULL) == 0);
    CHECK(beneath_remove_tree(t->root, "d") == -EXDEV);
    CHECK(exists(t->outside, "secret"));
    CLEANUP_CLOSE int d = openat(t->root, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(beneath_remove_tree(d, "mnt") == -EXDEV);
    CHECK(umount2(inside, MNT_DETACH) == 0);

    fd_close(openat(d, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    CHECK(mount(secret, file, NULL, MS_BIND, NULL) == 0);
    CHECK(beneath_remove_tree(t->root, "d") == -EBUSY);
    CHECK(umount2(file, MNT_DETACH) == 0);
    CHECK(beneath_remove_tree(t->root, "d") == 0);
    CHECK(exists(t->outside, "secret"));
}

static void remove_tree_never_goes_into_a_mount_even_of_the_same_file_system(void **state)
{
    in_a_mount_namespace(remove_with_mounts, *state);
}

static void no_descriptor_leaks(void **state)
{
    struct tree *t = *state;
    int before = fcntl(0, F_DUPFD_CLOEXEC, 0);
    fd_close(before);
    for (int i = 0; i < 3; i++) {
        fd_close(beneath_mkdirs(t->root, "a/../b/c", 0755));
        symlinkat("loop", t->root, "loop");
        beneath_mkdirs(t->root, "loop/x", 0755);
        fd_close(beneath_make_target(t->root, "x/y", false));
        beneath_make_target(t->root, "x/y/z", false);
        char *data;
        beneath_read_file(t->root, "x", 10, &data, NULL);
        beneath_remove_tree(t->root, "b");
        beneath_remove_tree(t->root, "x");
    }
    int after = fcntl(0, F_DUPFD_CLOEXEC, 0);
    fd_close(after);
    assert_int_equal(after, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_TREE(the_root_cannot_be_left_by_dots_or_symlinks),
        IN_TREE(symlinks_inside_the_root_are_followed),
        IN_TREE(nofollow_refuses_symlinks_everywhere),
        cmocka_unit_test(magic_links_are_refused),
        IN_TREE(a_file_can_be_created_with_its_mode),
        IN_TREE(mkdirs_makes_what_is_missing),
        IN_TREE(mkdirs_stays_inside_whatever_symlinks_say),
        IN_TREE(mkdirs_makes_the_target_of_a_dangling_symlink),
        IN_TREE(mkdirs_gives_up_on_symlink_loops),
        IN_TREE(mkdirs_refuses_what_is_no_directory),
        IN_TREE(paths_beyond_path_max_are_refused),
        IN_TREE(open_parent_splits_off_the_last_component_unresolved),
        IN_TREE(open_parent_refuses_paths_without_a_name),
        IN_TREE(open_parent_makes_parents_only_when_asked),
        IN_TREE(make_target_makes_files_and_directories_once),
        IN_TREE(make_target_resolves_symlinks_inside_the_root),
        IN_TREE(read_file_reads_regular_files_up_to_the_limit),
        IN_TREE(read_file_neither_waits_for_a_fifo_nor_opens_a_device),
        IN_TREE(remove_tree_removes_every_kind_of_file),
        IN_TREE(remove_tree_takes_files_symlinks_and_absence),
        IN_TREE(remove_tree_takes_one_component_only),
        IN_TREE(remove_tree_goes_as_deep_as_it_must),
        IN_TREE(remove_tree_removes_wide_directories_at_every_level),
        IN_TREE(remove_tree_never_goes_into_a_mount_even_of_the_same_file_system),
        IN_TREE(no_descriptor_leaks),
    };
    umask(022);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
