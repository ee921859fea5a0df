#include "tests/unit/base_test.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/directory.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/strv.h"

static void names_come_without_the_directory_and_its_parent(void **state)
{
    struct scratch *s = *state;
    CLEANUP_DIRECTORY DIR *dir = NULL;
    CLEANUP_STRV struct strv names = STRV_INIT;
    const char *name;
    int r;
    assert_int_equal(mkdirat(s->fd, "d", 0755), 0);
    assert_int_equal(file_write_atomic(s->fd, "d/..a", "", 0, 0600, NULL), 0);
    assert_int_equal(file_write_atomic(s->fd, "d/.b", "", 0, 0600, NULL), 0);
    assert_int_equal(directory_open(s->fd, "d", &dir), 0);
    assert_true(fcntl(dirfd(dir), F_GETFD) & FD_CLOEXEC);
    while ((r = directory_next(dir, &name)) > 0)
        strv_add(&names, name);
    assert_int_equal(r, 0);
    strv_sort(&names);
    assert_int_equal(names.count, 2);
    assert_string_equal(names.items[0], "..a");
    assert_string_equal(names.items[1], ".b");
}

static void a_descriptor_can_be_read_more_than_once_also_one_of_a_path(void **state)
{
    struct scratch *s = *state;
    CLEANUP_CLOSE int fd = -1;
    const char *name;
    assert_int_equal(mkdirat(s->fd, "d", 0755), 0);
    assert_int_equal(mkdirat(s->fd, "d/one", 0755), 0);
    fd = openat(s->fd, "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < 2; i++) {
        CLEANUP_DIRECTORY DIR *dir = NULL;
        assert_int_equal(directory_open(fd, ".", &dir), 0);
        assert_int_equal(directory_next(dir, &name), 1);
        assert_string_equal(name, "one");
        assert_int_equal(directory_next(dir, &name), 0);
    }
}

static void a_list_is_in_order_and_adds(void **state)
{
    struct scratch *s = *state;
    CLEANUP_STRV struct strv names = STRV_INIT;
    assert_int_equal(mkdirat(s->fd, "d", 0755), 0);
    assert_int_equal(mkdirat(s->fd, "d/c", 0755), 0);
    assert_int_equal(mkdirat(s->fd, "d/a", 0755), 0);
    assert_int_equal(mkdirat(s->fd, "d/b", 0755), 0);
    assert_int_equal(directory_list(s->fd, "d", &names), 0);
    assert_int_equal(names.count, 3);
    assert_string_equal(names.items[0], "a");
    assert_string_equal(names.items[1], "b");
    assert_string_equal(names.items[2], "c");
    assert_int_equal(directory_list(s->fd, "nothing", &names), -ENOENT);
    assert_int_equal(names.count, 3);
}

static void what_is_no_directory_is_refused(void **state)
{
    struct scratch *s = *state;
    DIR *dir = NULL;
    int64_t size = -7;
    assert_int_equal(file_write_atomic(s->fd, "file", "", 0, 0600, NULL), 0);
    assert_int_equal(symlinkat("/", s->fd, "link"), 0);
    assert_int_equal(directory_open(s->fd, "file", &dir), -ENOTDIR);
    assert_int_equal(directory_open(s->fd, "link", &dir), -ENOTDIR);
    assert_int_equal(directory_open(s->fd, "nothing", &dir), -ENOENT);
    assert_null(dir);
    assert_int_equal(directory_size(s->fd, "link", &size), -ENOTDIR);
    assert_int_equal(size, -7);
}

static void a_size_is_that_of_files_and_links_and_leads_nowhere_else(void **state)
{
    struct scratch *s = *state;
    int64_t size = -1;
    assert_int_equal(mkdirat(s->fd, "d", 0755), 0);
    assert_int_equal(directory_size(s->fd, "d", &size), 0);
    assert_int_equal(size, 0);
    assert_int_equal(mkdirat(s->fd, "d/e", 0755), 0);
    assert_int_equal(file_write_atomic(s->fd, "d/three", "abc", 3, 0600, NULL), 0);
    assert_int_equal(file_write_atomic(s->fd, "d/e/five", "abcde", 5, 0600, NULL), 0);
    assert_int_equal(symlinkat("/usr", s->fd, "d/e/four"), 0);
    assert_int_equal(mkfifoat(s->fd, "d/pipe", 0600), 0);
    assert_int_equal(directory_size(s->fd, "d", &size), 0);
    assert_int_equal(size, 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(names_come_without_the_directory_and_its_parent),
        IN_SCRATCH(a_descriptor_can_be_read_more_than_once_also_one_of_a_path),
        IN_SCRATCH(a_list_is_in_order_and_adds),
        IN_SCRATCH(what_is_no_directory_is_refused),
        IN_SCRATCH(a_size_is_that_of_files_and_links_and_leads_nowhere_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
