/* The store after a crash, and on a full disk. */
#include "tests/unit/image_samples.h"

#include <sched.h>
#include <sys/mount.h>

/* ---- After a crash ---- */

static void opening_removes_what_has_no_row_and_empties_tmp(void **state)
{
    struct store_test *t = *state;
    char id[DIGEST_TEXT_MAX];
    add_image(t, "app", 2, "", id);
    CLEANUP_FREE char *rootfs = NULL;
    ASSERT_OK(t, image_rootfs_create(t->store, NULL, &(struct image_rootfs_options){0}, &rootfs, &t->err));
    store_test_close(t);
    CLEANUP_FREE char *command = xasprintf(
        "cd %s && mkdir -p overlay/aaaaaaaaaaaa/diff/x tmp/bbbbbbbbbbbb/diff && echo x > image/blobs/sha256/cc",
        t->root);
    assert_int_equal(system(command), 0);
    store_test_open(t);
    assert_int_equal(image_store_repairs(t->store)->count, 0);
    store_test_close(t);
    assert_int_equal(store_count(t, "overlay"), 3);
    assert_int_equal(store_count(t, "tmp"), 0);
    assert_int_equal(store_count(t, "image/blobs/sha256"), 1);
    store_test_open(t);
    CLEANUP_IMAGE struct image *image = NULL;
    ASSERT_OK(t, image_lookup(t->store, "app", &image, &t->err));
}

static void opening_drops_images_whose_files_are_gone_and_tells(void **state)
{
    struct store_test *t = *state;
    char id[DIGEST_TEXT_MAX], other[DIGEST_TEXT_MAX];
    struct image *image;
    add_image(t, "app", 1, "", id);
    add_image(t, "other", 2, "other", other);
    ASSERT_OK(t, image_lookup(t->store, "other", &image, &t->err));
    CLEANUP_FREE char *command = xasprintf("rm -r %s/%s", t->root, image->layer_dirs.items[1]);
    image_unref(image);
    store_test_close(t);
    assert_int_equal(system(command), 0);
    store_test_open(t);
    assert_true(image_store_repairs(t->store)->count > 0);
    ASSERT_ERROR(t, image_lookup(t->store, "other", &image, &t->err), ERROR_NOT_FOUND, "No such image: other:latest");
    CLEANUP_IMAGE struct image *kept = NULL;
    ASSERT_OK(t, image_lookup(t->store, "app", &kept, &t->err));
}

/* What came later is made on the roots that are there. */
static void a_root_from_before_indexes_is_taken_over(void **state)
{
    struct store_test *t = *state;
    char id[DIGEST_TEXT_MAX];
    struct image_remove_options options = {.force = true};
    struct image_removed *rows;
    size_t count;
    add_image(t, "app", 2, "", id);
    image_store_close(TAKE_PTR(t->store));
    ASSERT_OK(t,
              db_exec(t->db,
                      "DROP TRIGGER image_gone; DROP TABLE name_index; DROP TABLE index_image; DROP TABLE image_index;"
                      "DROP INDEX image_blob_digest",
                      &t->err));
    store_test_close(t);
    store_test_open(t);
    struct image *image;
    ASSERT_OK(t, image_lookup(t->store, "app", &image, &t->err));
    image_unref(image);
    ASSERT_OK(t, image_remove(t->store, "app", &options, &rows, &count, &t->err));
    image_removed_free(rows, count);
    assert_store_is_empty(t);
}

static void layers_that_a_power_failure_may_have_hit_are_dropped(void **state)
{
    struct store_test *t = *state;
    char id[DIGEST_TEXT_MAX];
    struct image *image;
    add_image(t, "app", 1, "", id);
    image_store_close(TAKE_PTR(t->store)); /* else it may find the layer safe just now */
    ASSERT_OK(t, db_exec(t->db, "UPDATE layer SET boot = 'another boot'", &t->err));
    store_test_close(t);
    store_test_open(t);
    assert_non_null(strstr(image_store_repairs(t->store)->items[0], "was not on the disk yet"));
    ASSERT_ERROR(t, image_lookup(t->store, "app", &image, &t->err), ERROR_NOT_FOUND, "No such image");
    assert_store_is_empty(t);
}

/* Layers are written to the disk in a moment; a store that closes before does it then. */
static void layers_are_safe_once_the_store_is_closed(void **state)
{
    struct store_test *t = *state;
    char id[DIGEST_TEXT_MAX];
    add_image(t, "app", 1, "", id);
    image_store_close(TAKE_PTR(t->store));
    ASSERT_OK(t, db_exec(t->db, "UPDATE layer SET boot = 'another boot' WHERE boot IS NOT NULL", &t->err));
    store_test_close(t);
    store_test_open(t);
    assert_int_equal(image_store_repairs(t->store)->count, 0);
    CLEANUP_IMAGE struct image *image = NULL;
    ASSERT_OK(t, image_lookup(t->store, "app", &image, &t->err));
}

static void a_second_daemon_is_kept_out(void **state)
{
    struct store_test *t = *state;
    struct image_store *second;
    ASSERT_ERROR(t, image_store_open(t->root, t->db, &second, &t->err), ERROR_CONFLICT, "in use by another daemon");
}

/* The store on a file system of its own that is too small. */
static void a_full_disk_leaves_nothing_behind(void **state)
{
    struct store_test *t = *state;
    struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
    size_t size = 6 << 20;
    CLEANUP_FREE char *data = xmalloc(size);
    memset(data, 'x', size);
    TAR(&tar, {.name = "a", .type = '0', .content = data, .size = size},
        {.name = "b", .type = '0', .content = data, .size = size});
    store_test_close(t);
    assert_int_equal(unshare(CLONE_NEWNS), 0);
    assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    assert_int_equal(mount("tmpfs", t->root, "tmpfs", 0, "size=8m"), 0);
    store_test_open(t);
    char id[DIGEST_TEXT_MAX];
    struct image_import_options options = {0};
    int CLEANUP_CLOSE fd = data_fd(tar.data, tar.size);
    ASSERT_ERROR(t, image_import(t->store, fd, &options, id, &t->err), ERROR_SYSTEM, "no space left on device");
    assert_int_equal(t->err.errnum, ENOSPC);
    assert_store_is_empty(t);
    add_image(t, "fits", 2, "", id);
    store_test_close(t);
    assert_int_equal(umount2(t->root, MNT_DETACH), 0);
    store_test_open(t);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, store_setup, store_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(opening_removes_what_has_no_row_and_empties_tmp),
        TEST(opening_drops_images_whose_files_are_gone_and_tells),
        TEST(a_root_from_before_indexes_is_taken_over),
        TEST(layers_that_a_power_failure_may_have_hit_are_dropped),
        TEST(layers_are_safe_once_the_store_is_closed),
        TEST(a_second_daemon_is_kept_out),
        TEST(a_full_disk_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
