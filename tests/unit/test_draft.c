/* Layers that come into being in the store: what is written to a draft is a layer without being copied. */
#include "tests/unit/image_test.h"

#include "image/compose.h"
#include "image/draft.h"

static void put(struct store_test *t, const char *id, const char *name, const char *text)
{
    CLEANUP_FREE char *path = xasprintf("overlay/%s/diff/%s", id, name);
    int CLEANUP_CLOSE fd = openat(image_store_root_fd(t->store), path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

static bool exists(struct store_test *t, const char *id)
{
    CLEANUP_FREE char *path = xasprintf("overlay/%s/diff", id);
    return faccessat(image_store_root_fd(t->store), path, F_OK, 0) == 0;
}

static int discard(void *data, const void *bytes, size_t size, struct error *err)
{
    (void)bytes;
    (void)err;
    *(int64_t *)data += (int64_t)size;
    return 0;
}

static void test_draft_becomes_a_layer(void **state)
{
    struct store_test *t = *state;
    const struct draft_base base = {0};
    struct draft_info info;
    char id[DRAFT_ID_MAX], dir[DRAFT_ID_MAX], image[DIGEST_TEXT_MAX];
    bool kept = false;
    int64_t size = 0, written = 0;
    ASSERT_OK(t, image_draft_create(t->store, &base, id, &t->err));
    put(t, id, "file", "contents");
    ASSERT_OK(t, image_draft_digest(t->store, id, NULL, &info, &t->err));
    assert_int_equal(info.size, 8);
    assert_false(info.empty);
    ASSERT_OK(t, image_draft_commit(t->store, id, &info, &kept, &t->err));
    ASSERT_OK(t, image_layer_use(t->store, info.diff_id, "cache:1", &t->err));
    assert_true(kept);
    ASSERT_OK(t, image_layer_open(t->store, info.diff_id, dir, &size, &t->err));
    assert_string_equal(dir, id);
    assert_int_equal(size, 8);
    /* The way back to the tar is verified against the digest. */
    ASSERT_OK(t, image_layer_tar_write(t->store, info.diff_id, discard, &written, &t->err));
    assert_int_equal(written % 512, 0);

    CLEANUP_STRV struct strv diff_ids = STRV_INIT;
    strv_add(&diff_ids, info.diff_id);
    const struct image_history steps[] = {{.created_by = (char *)"COPY"},
                                          {.created_by = (char *)"CMD", .empty_layer = true}};
    const struct container_config config = {0};
    const struct image_compose what = {
        .config = &config, .steps = steps, .step_count = 2, .diff_ids = &diff_ids, .created = 1000000000};
    ASSERT_OK(t, image_compose(t->store, &what, image, &t->err));
    CLEANUP_IMAGE struct image *found = NULL;
    ASSERT_OK(t, image_lookup(t->store, image, &found, &t->err));
    assert_int_equal(found->history_count, 2);
    assert_int_equal(found->created, 1000000000);
    assert_true(image_layer_is_shared(t->store, info.diff_id));
    image_layer_unpin(t->store, info.diff_id);
    image_layer_unpin(t->store, info.diff_id);
    ASSERT_OK(t, image_layer_release(t->store, "cache:1", &t->err));
    assert_true(exists(t, id)); /* the image has it */
}

/* Megabytes that nothing compresses, and a file with a hole. */
static void put_large(struct store_test *t, const char *id)
{
    const size_t size = 3 << 20;
    CLEANUP_FREE char *path = xasprintf("overlay/%s/diff/large", id);
    CLEANUP_FREE char *sparse = xasprintf("overlay/%s/diff/sparse", id);
    CLEANUP_FREE unsigned char *bytes = xmalloc(size);
    uint32_t seed = 1;
    for (size_t i = 0; i < size; i++) {
        seed = seed * 1664525 + 1013904223;
        bytes[i] = (unsigned char)(seed >> 24);
    }
    int CLEANUP_CLOSE fd = openat(image_store_root_fd(t->store), path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_int_equal(fd_write_all(fd, bytes, size), 0);
    int CLEANUP_CLOSE holes = openat(image_store_root_fd(t->store), sparse, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_int_equal(pwrite(holes, bytes, 70000, 0), 70000);
    assert_int_equal(pwrite(holes, bytes, 70000, 5 << 20), 70000);
}

/* The way back to the tar says where contents are, and does not hold them once more. */
static void test_contents_are_kept_once(void **state)
{
    struct store_test *t = *state;
    const struct draft_base base = {0};
    struct draft_info info;
    char id[DRAFT_ID_MAX];
    struct stat st;
    bool kept = false;
    int64_t written = 0;
    ASSERT_OK(t, image_draft_create(t->store, &base, id, &t->err));
    put(t, id, "before", "small");
    put_large(t, id);
    put(t, id, "zlast", "");
    ASSERT_OK(t, image_draft_digest(t->store, id, NULL, &info, &t->err));
    assert_int_equal(info.size, 5 + (3 << 20) + (5 << 20) + 70000);
    ASSERT_OK(t, image_draft_commit(t->store, id, &info, &kept, &t->err));
    CLEANUP_FREE char *skeleton = xasprintf("overlay/%s/skeleton", id);
    assert_int_equal(fstatat(image_store_root_fd(t->store), skeleton, &st, 0), 0);
    assert_in_range(st.st_size, 1, 16 * 1024);
    ASSERT_OK(t, image_layer_tar_write(t->store, info.diff_id, discard, &written, &t->err));
    assert_true(written > 3 << 20);
    image_layer_unpin(t->store, info.diff_id);
}

static void test_layer_goes_with_its_last_user(void **state)
{
    struct store_test *t = *state;
    const struct draft_base base = {0};
    struct draft_info info, again;
    char id[DRAFT_ID_MAX], second[DRAFT_ID_MAX];
    bool kept = false;
    ASSERT_OK(t, image_draft_create(t->store, &base, id, &t->err));
    put(t, id, "file", "other");
    const int64_t epoch = 1000;
    ASSERT_OK(t, image_draft_digest(t->store, id, &epoch, &info, &t->err));
    ASSERT_OK(t, image_draft_commit(t->store, id, &info, &kept, &t->err));
    ASSERT_OK(t, image_layer_use(t->store, info.diff_id, "cache:2", &t->err));
    /* The same contents elsewhere: with the times limited, the same digest, and the first one serves. */
    ASSERT_OK(t, image_draft_create(t->store, &base, second, &t->err));
    put(t, second, "file", "other");
    ASSERT_OK(t, image_draft_digest(t->store, second, &epoch, &again, &t->err));
    assert_string_equal(again.diff_id, info.diff_id);
    ASSERT_OK(t, image_draft_commit(t->store, second, &again, &kept, &t->err));
    ASSERT_OK(t, image_layer_use(t->store, again.diff_id, "cache:3", &t->err));
    assert_false(kept);
    image_draft_remove(t->store, second);
    assert_false(exists(t, second));
    image_layer_unpin(t->store, info.diff_id);
    image_layer_unpin(t->store, info.diff_id);
    ASSERT_OK(t, image_layer_release(t->store, "cache:2", &t->err));
    assert_true(exists(t, id));
    ASSERT_OK(t, image_layer_release(t->store, "cache:3", &t->err));
    assert_false(exists(t, id));
}

static void test_empty_draft(void **state)
{
    struct store_test *t = *state;
    const struct draft_base base = {0};
    struct draft_info info;
    char id[DRAFT_ID_MAX];
    ASSERT_OK(t, image_draft_create(t->store, &base, id, &t->err));
    ASSERT_OK(t, image_draft_digest(t->store, id, NULL, &info, &t->err));
    assert_true(info.empty);
    image_draft_remove(t->store, id);
}

/* What a crash leaves of a build has no right to stay. */
static void test_layer_use_survives_reopening(void **state)
{
    struct store_test *t = *state;
    const struct draft_base base = {0};
    struct draft_info info;
    char id[DRAFT_ID_MAX];
    bool kept = false;
    ASSERT_OK(t, image_draft_create(t->store, &base, id, &t->err));
    put(t, id, "file", "stays");
    ASSERT_OK(t, image_draft_digest(t->store, id, NULL, &info, &t->err));
    ASSERT_OK(t, image_draft_commit(t->store, id, &info, &kept, &t->err));
    ASSERT_OK(t, image_layer_use(t->store, info.diff_id, "cache:4", &t->err));
    store_test_close(t);
    store_test_open(t);
    assert_true(exists(t, id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_draft_becomes_a_layer, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_contents_are_kept_once, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_layer_goes_with_its_last_user, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_empty_draft, store_setup, store_teardown),
        cmocka_unit_test_setup_teardown(test_layer_use_survives_reopening, store_setup, store_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
