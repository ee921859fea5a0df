/* Containers' root file systems over the layers of images. */
#include "tests/unit/image_samples.h"

#include <sys/xattr.h>

/* ---- Containers' roots ---- */

static void a_root_shows_the_layers_and_keeps_its_own_changes(void **state)
{
    struct store_test *t = *state;
    char id[DIGEST_TEXT_MAX];
    CLEANUP_FREE char *rootfs = NULL;
    CLEANUP_IMAGE struct image *image = NULL;
    add_image(t, "app", 2, "", id);
    ASSERT_OK(t, image_lookup(t->store, "app", &image, &t->err));
    ASSERT_OK(t, image_rootfs_create(t->store, image, &(struct image_rootfs_options){0}, &rootfs, &t->err));
    int CLEANUP_CLOSE mount = image_rootfs_mount(t->store, rootfs, 0, &t->err);
    if (mount < 0)
        fail_msg("%s", t->err.message);
    char data[8] = "";
    int CLEANUP_CLOSE file = openat(mount, "etc/a", O_RDONLY | O_CLOEXEC);
    assert_int_equal(fd_read_full(file, data, sizeof(data)), 3);
    assert_string_equal(data, "two");
    assert_int_equal(faccessat(mount, "etc/b", F_OK, 0), -1);
    assert_int_equal(faccessat(mount, "bin/sh", X_OK, 0), 0);
    int CLEANUP_CLOSE new = openat(mount, "new", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_true(new >= 0);
    int CLEANUP_CLOSE upper = image_rootfs_upper(t->store, rootfs, &t->err);
    assert_int_equal(faccessat(upper, "new", F_OK, 0), 0);
    struct strv CLEANUP_STRV list = STRV_INIT;
    ASSERT_OK(t, image_rootfs_list(t->store, &list, &t->err));
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0], rootfs);
    CLEANUP_FREE char *table = NULL;
    int CLEANUP_CLOSE mounts = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    assert_int_equal(fd_read_all(mounts, 1 << 20, &table, NULL), 0);
    assert_null(strstr(table, t->root));
    ASSERT_ERROR(t, image_rootfs_mount(t->store, "0123456789ab", 0, &t->err), ERROR_NOT_FOUND,
                 "No such root file system");
    ASSERT_ERROR(t, image_rootfs_upper(t->store, "../tmp", &t->err), ERROR_NOT_FOUND, "No such root file system");
}

static void a_hundred_and_thirty_layers_mount(void **state)
{
    struct store_test *t = *state;
    enum { COUNT = 130 };
    struct layer_ingest *ingests[COUNT] = {0};
    struct image_commit_layer layers[COUNT];
    const char *diff_ids[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
        char name[16];
        snprintf(name, sizeof(name), "f%zu", i);
        TAR(&tar, {.name = name, .type = '0', .content = name}, {.name = "top", .type = '0', .content = name});
        ASSERT_OK(t, ingest_all(t, NULL, tar.data, tar.size, &ingests[i]));
        layers[i] = (struct image_commit_layer){.ingest = ingests[i]};
        diff_ids[i] = layer_ingest_info(ingests[i])->diff_id;
    }
    CLEANUP_FREE char *config = make_config(diff_ids, COUNT, "");
    char id[DIGEST_TEXT_MAX];
    struct image_commit commit = {
        .config = config, .config_size = strlen(config), .layers = layers, .layer_count = COUNT};
    ASSERT_OK(t, image_commit(t->store, &commit, id, &t->err));
    for (size_t i = 0; i < COUNT; i++)
        layer_ingest_free(ingests[i]);
    CLEANUP_IMAGE struct image *image = NULL;
    CLEANUP_FREE char *rootfs = NULL;
    ASSERT_OK(t, image_lookup(t->store, id, &image, &t->err));
    ASSERT_OK(t, image_rootfs_create(t->store, image, &(struct image_rootfs_options){0}, &rootfs, &t->err));
    int CLEANUP_CLOSE mount = image_rootfs_mount(t->store, rootfs, 0, &t->err);
    if (mount < 0)
        fail_msg("%s", t->err.message);
    char data[8] = "";
    int CLEANUP_CLOSE top = openat(mount, "top", O_RDONLY | O_CLOEXEC);
    fd_read_full(top, data, sizeof(data) - 1);
    assert_string_equal(data, "f129");
    assert_int_equal(faccessat(mount, "f0", F_OK, 0), 0);
}

static void equal_layers_and_opaque_roots_mount(void **state)
{
    struct store_test *t = *state;
    struct strbuf CLEANUP_STRBUF first = STRBUF_INIT;
    struct strbuf CLEANUP_STRBUF opaque = STRBUF_INIT;
    CLEANUP_LAYER_INGEST struct layer_ingest *a = NULL;
    CLEANUP_LAYER_INGEST struct layer_ingest *b = NULL;
    char id[DIGEST_TEXT_MAX];
    base_layer(&first);
    TAR(&opaque, {.name = ".wh..wh..opq", .type = '0'}, {.name = "only", .type = '0', .content = "x"});
    ASSERT_OK(t, ingest_all(t, NULL, first.data, first.size, &a));
    ASSERT_OK(t, ingest_all(t, NULL, opaque.data, opaque.size, &b));
    const char *diff_ids[] = {layer_ingest_info(a)->diff_id, layer_ingest_info(a)->diff_id,
                              layer_ingest_info(b)->diff_id};
    CLEANUP_FREE char *config = make_config(diff_ids, 3, "");
    struct image_commit_layer layers[] = {{.ingest = a}, {.ingest = a}, {.ingest = b}};
    struct image_commit commit = {.config = config, .config_size = strlen(config), .layers = layers, .layer_count = 3};
    ASSERT_OK(t, image_commit(t->store, &commit, id, &t->err));
    CLEANUP_IMAGE struct image *image = NULL;
    CLEANUP_FREE char *rootfs = NULL;
    ASSERT_OK(t, image_lookup(t->store, id, &image, &t->err));
    ASSERT_OK(t, image_rootfs_create(t->store, image, &(struct image_rootfs_options){0}, &rootfs, &t->err));
    int CLEANUP_CLOSE mount = image_rootfs_mount(t->store, rootfs, 0, &t->err);
    assert_true(mount >= 0);
    assert_int_equal(faccessat(mount, "only", F_OK, 0), 0);
    assert_int_equal(faccessat(mount, "etc/a", F_OK, 0), -1);
    assert_int_equal(faccessat(mount, "bin", F_OK, 0), -1);
}

static void a_root_without_an_image_is_an_empty_directory(void **state)
{
    struct store_test *t = *state;
    CLEANUP_FREE char *rootfs = NULL;
    ASSERT_OK(t, image_rootfs_create(t->store, NULL, &(struct image_rootfs_options){0}, &rootfs, &t->err));
    int CLEANUP_CLOSE mount = image_rootfs_mount(t->store, rootfs, 0, &t->err);
    assert_true(mount >= 0);
    int CLEANUP_CLOSE file = openat(mount, "x", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_true(file >= 0);
}

static void layers_are_out_of_other_users_reach(void **state)
{
    struct store_test *t = *state;
    char id[DIGEST_TEXT_MAX];
    add_image(t, "app", 1, "", id);
    CLEANUP_IMAGE struct image *image = NULL;
    ASSERT_OK(t, image_lookup(t->store, "app", &image, &t->err));
    CLEANUP_FREE char *path = xasprintf("%s/%s/bin/sh", t->root, image->layer_dirs.items[0]);
    assert_int_equal(access(path, X_OK), 0);
    assert_int_equal(chmod(t->scratch->path, 0755), 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(setgid(65534) < 0 || setuid(65534) < 0 || access(path, F_OK) == 0 || errno != EACCES);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, store_setup, store_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_root_shows_the_layers_and_keeps_its_own_changes),
        TEST(a_hundred_and_thirty_layers_mount),
        TEST(equal_layers_and_opaque_roots_mount),
        TEST(a_root_without_an_image_is_an_empty_directory),
        TEST(layers_are_out_of_other_users_reach),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
