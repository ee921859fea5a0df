/* Layers into the store and images made of them; failures leave nothing. */
#include "tests/unit/image_samples.h"

#include "base/json.h"
#include "image/store.h"

/* ---- Layers ---- */

static void layers_in_every_compression_have_the_same_diff_id(void **state)
{
    struct store_test *t = *state;
    struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
    struct strbuf packed[4] = {{0}};
    char diff_id[DIGEST_TEXT_MAX];
    base_layer(&tar);
    digest_of(tar.data, tar.size, diff_id);
    strbuf_add(&packed[0], tar.data, tar.size);
    gzip(t, &tar, &packed[1]);
    zstd(&tar, &packed[2]);
    /* Two gzip members in a row are one stream. */
    struct strbuf half = {.data = tar.data, .size = 700};
    struct strbuf rest = {.data = tar.data + 700, .size = tar.size - 700};
    gzip(t, &half, &packed[3]);
    gzip(t, &rest, &packed[3]);
    for (size_t i = 0; i < ARRAY_SIZE(packed); i++) {
        CLEANUP_LAYER_INGEST struct layer_ingest *ingest = NULL;
        char digest[DIGEST_TEXT_MAX];
        digest_of(packed[i].data, packed[i].size, digest);
        ASSERT_OK(t, ingest_all(t, digest, packed[i].data, packed[i].size, &ingest));
        assert_string_equal(layer_ingest_info(ingest)->digest, digest);
        assert_string_equal(layer_ingest_info(ingest)->diff_id, diff_id);
        assert_int_equal(layer_ingest_info(ingest)->tar_size, tar.size);
        assert_int_equal(layer_ingest_info(ingest)->size, strlen("#!shell") + strlen("one") + 1);
        strbuf_release(&packed[i]);
    }
    assert_store_is_empty(t);
}

static void large_layers_pass_through_the_bounded_buffers(void **state)
{
    struct store_test *t = *state;
    struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
    struct strbuf CLEANUP_STRBUF packed = STRBUF_INIT;
    char diff_id[DIGEST_TEXT_MAX];
    size_t size = 20 << 20;
    CLEANUP_FREE char *data = xmalloc(size);
    for (size_t i = 0; i < size; i++)
        data[i] = (char)(i * i >> 7);
    TAR(&tar, {.name = "big", .type = '0', .content = data, .size = size},
        {.name = "small", .type = '0', .content = "x"});
    gzip(t, &tar, &packed);
    digest_of(tar.data, tar.size, diff_id);
    /* A plain one is hashed once, a compressed one twice. */
    const struct strbuf *const forms[] = {&packed, &tar};
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        CLEANUP_LAYER_INGEST struct layer_ingest *ingest = NULL;
        char digest[DIGEST_TEXT_MAX];
        digest_of(forms[i]->data, forms[i]->size, digest);
        ASSERT_OK(t, ingest_all(t, digest, forms[i]->data, forms[i]->size, &ingest));
        assert_string_equal(layer_ingest_info(ingest)->digest, digest);
        assert_string_equal(layer_ingest_info(ingest)->diff_id, diff_id);
        assert_int_equal(layer_ingest_info(ingest)->size, size + 1);
    }
}

static void wrong_layers_are_refused_and_leave_nothing(void **state)
{
    struct store_test *t = *state;
    struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
    struct strbuf CLEANUP_STRBUF packed = STRBUF_INIT;
    char digest[DIGEST_TEXT_MAX];
    base_layer(&tar);
    gzip(t, &tar, &packed);
    digest_of(packed.data, packed.size, digest);
    CLEANUP_LAYER_INGEST struct layer_ingest *cut = NULL;
    ASSERT_ERROR(t, ingest_all(t, digest, packed.data, packed.size - 20, &cut), ERROR_INVALID,
                 "filesystem layer verification failed for digest sha256:");
    CLEANUP_LAYER_INGEST struct layer_ingest *unclaimed = NULL;
    ASSERT_ERROR(t, ingest_all(t, NULL, packed.data, packed.size - 20, &unclaimed), ERROR_INVALID, "unexpected EOF");
    packed.data[packed.size / 2] ^= 0x55;
    CLEANUP_LAYER_INGEST struct layer_ingest *damaged = NULL;
    ASSERT_ERROR(t, ingest_all(t, digest, packed.data, packed.size, &damaged), ERROR_INVALID,
                 "filesystem layer verification failed for digest sha256:");
    CLEANUP_LAYER_INGEST struct layer_ingest *garbage = NULL;
    ASSERT_ERROR(t, ingest_all(t, NULL, packed.data, packed.size, &garbage), ERROR_INVALID, "");
    CLEANUP_LAYER_INGEST struct layer_ingest *other = NULL;
    ASSERT_ERROR(t, ingest_all(t, NULL, "BZh9 and so on", 14, &other), ERROR_INVALID, "bzip2: corrupt input");
    CLEANUP_LAYER_INGEST struct layer_ingest *text = NULL;
    CLEANUP_FREE char *page = xcalloc(1, 1000);
    memset(page, 'x', 1000);
    ASSERT_ERROR(t, ingest_all(t, NULL, page, 1000, &text), ERROR_INVALID, "invalid tar header");
    layer_ingest_free(TAKE_PTR(cut));
    layer_ingest_free(TAKE_PTR(unclaimed));
    layer_ingest_free(TAKE_PTR(damaged));
    layer_ingest_free(TAKE_PTR(garbage));
    layer_ingest_free(TAKE_PTR(other));
    layer_ingest_free(TAKE_PTR(text));
    assert_store_is_empty(t);
}

static void abandoned_layers_leave_nothing(void **state)
{
    struct store_test *t = *state;
    struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
    base_layer(&tar);
    struct layer_ingest *ingest = NULL;
    ASSERT_OK(t, layer_ingest_open(t->store, NULL, &ingest, &t->err));
    ASSERT_OK(t, layer_ingest_write(ingest, tar.data, 600, &t->err));
    layer_ingest_free(ingest);
    assert_store_is_empty(t);
}

/* ---- Commit ---- */

static void a_config_that_claims_other_layers_is_refused(void **state)
{
    struct store_test *t = *state;
    struct strbuf CLEANUP_STRBUF first = STRBUF_INIT;
    struct strbuf CLEANUP_STRBUF second = STRBUF_INIT;
    char private_id[DIGEST_TEXT_MAX], id[DIGEST_TEXT_MAX];
    add_image(t, "private:1", 1, "", private_id);
    base_layer(&first);
    second_layer(&second);
    CLEANUP_LAYER_INGEST struct layer_ingest *ingest = NULL;
    ASSERT_OK(t, ingest_all(t, NULL, second.data, second.size, &ingest));
    /* Its bytes are the second layer's; the config says that they are the first's, which is in the store. */
    char claimed[DIGEST_TEXT_MAX];
    digest_of(first.data, first.size, claimed);
    const char *diff_ids[] = {claimed};
    CLEANUP_FREE char *config = make_config(diff_ids, 1, "hostile");
    struct image_commit_layer layer = {.ingest = ingest};
    struct image_commit commit = {.config = config, .config_size = strlen(config), .layers = &layer, .layer_count = 1};
    ASSERT_ERROR(t, image_commit(t->store, &commit, id, &t->err), ERROR_INVALID,
                 "layers from manifest don't match image configuration");
    commit.layer_count = 0;
    ASSERT_ERROR(t, image_commit(t->store, &commit, id, &t->err), ERROR_INVALID, "layers from manifest don't match");
    commit.layer_count = 1;
    commit.expected_id = private_id;
    ASSERT_ERROR(t, image_commit(t->store, &commit, id, &t->err), ERROR_INVALID, "image config verification failed");
    struct image **images;
    size_t count;
    ASSERT_OK(t, image_list(t->store, &images, &count, &t->err));
    assert_int_equal(count, 1);
    image_unref(images[0]);
    free(images);
}

static void configs_that_make_no_sense_are_refused(void **state)
{
    struct store_test *t = *state;
    static const char *const configs[] = {
        "",
        "{",
        "[]",
        "{}",
        "{\"rootfs\":{\"diff_ids\":[\"sha256:12\"]}}",
        "{\"rootfs\":{},\"config\":{\"Env\":5}}",
        "{\"rootfs\":{},\"os\":\"windows\"}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(configs); i++) {
        struct image_commit commit = {.config = configs[i], .config_size = strlen(configs[i])};
        ASSERT_ERROR(t, image_commit(t->store, &commit, NULL, &t->err), ERROR_INVALID, "");
    }
    assert_store_is_empty(t);
}

static void the_digest_of_a_stored_layer_pins_it(void **state)
{
    struct store_test *t = *state;
    struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
    char id[DIGEST_TEXT_MAX], digest[DIGEST_TEXT_MAX], diff_id[DIGEST_TEXT_MAX], second_id[DIGEST_TEXT_MAX];
    struct image_remove_options options = {0};
    struct image_removed *rows;
    size_t count;
    add_image(t, "a:1", 1, "", id);
    base_layer(&tar);
    digest_of(tar.data, tar.size, digest);
    assert_true(image_layer_pin(t->store, digest, diff_id));
    assert_false(image_layer_pin(t->store, id, diff_id));
    /* The image goes while another one with the same layer is on its way: the layer stays for that one. */
    ASSERT_OK(t, image_remove(t->store, "a:1", &options, &rows, &count, &t->err));
    image_removed_free(rows, count);
    const char *diff_ids[] = {diff_id};
    CLEANUP_FREE char *config = make_config(diff_ids, 1, "second");
    struct image_commit_layer layer = {.diff_id = diff_id};
    struct image_commit commit = {.config = config, .config_size = strlen(config), .layers = &layer, .layer_count = 1};
    ASSERT_OK(t, image_commit(t->store, &commit, second_id, &t->err));
    image_layer_unpin(t->store, diff_id);
    ASSERT_OK(t, image_remove(t->store, second_id, &options, &rows, &count, &t->err));
    image_removed_free(rows, count);
    assert_false(image_layer_pin(t->store, digest, diff_id));
    assert_store_is_empty(t);
}

/* The layer goes back to its ingest, from which the next commit, perhaps of another pull, takes it. */
static void a_commit_that_fails_leaves_its_layers_to_the_next(void **state)
{
    struct store_test *t = *state;
    struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
    struct strbuf CLEANUP_STRBUF second = STRBUF_INIT;
    char diff_id[DIGEST_TEXT_MAX], absent[DIGEST_TEXT_MAX], id[DIGEST_TEXT_MAX];
    base_layer(&tar);
    second_layer(&second);
    digest_of(tar.data, tar.size, diff_id);
    digest_of(second.data, second.size, absent);
    CLEANUP_LAYER_INGEST struct layer_ingest *ingest = NULL;
    ASSERT_OK(t, ingest_all(t, NULL, tar.data, tar.size, &ingest));
    const char *diff_ids[] = {diff_id, absent};
    CLEANUP_FREE char *two = make_config(diff_ids, 2, "two");
    CLEANUP_FREE char *one = make_config(diff_ids, 1, "one");
    struct image_commit_layer layers[] = {{.ingest = ingest}, {.diff_id = absent}};
    struct image_commit commit = {.config = two, .config_size = strlen(two), .layers = layers, .layer_count = 2};
    ASSERT_ERROR(t, image_commit(t->store, &commit, id, &t->err), ERROR_SYSTEM, "is not in the store any more");
    assert_int_equal(store_count(t, "overlay"), 0);
    commit = (struct image_commit){.config = one, .config_size = strlen(one), .layers = layers, .layer_count = 1};
    ASSERT_OK(t, image_commit(t->store, &commit, id, &t->err));
    assert_int_equal(store_count(t, "overlay"), 1);
    assert_int_equal(store_count(t, "tmp"), 0);
}

static bool never(int64_t received, void *data)
{
    (void)received;
    (void)data;
    return false;
}

static void finished_layers_are_kept_within_a_bound(void **state)
{
    struct store_test *t = *state;
    struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
    char digest[DIGEST_TEXT_MAX];
    base_layer(&tar);
    digest_of(tar.data, tar.size, digest);
    const int64_t bounds[] = {1 << 20, 1};
    for (size_t i = 0; i < ARRAY_SIZE(bounds); i++) {
        enum download_turn turn;
        t->store->downloads.kept_max = bounds[i];
        struct download *download = download_join(t->store, digest, true);
        ASSERT_OK(t, download_wait(download, never, NULL, &turn, &t->err));
        assert_int_equal(turn, DOWNLOAD_DRIVE);
        ASSERT_OK(t, download_write(download, tar.data, tar.size, &t->err));
        ASSERT_OK(t, download_finish(download, &t->err));
        download_leave(download, 3600);
        download = download_join(t->store, digest, true);
        assert_int_equal(download_received(download), i == 0 ? (int64_t)tar.size : 0);
        download_leave(download, 0);
    }
    assert_store_is_empty(t);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, store_setup, store_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(layers_in_every_compression_have_the_same_diff_id),
        TEST(large_layers_pass_through_the_bounded_buffers),
        TEST(wrong_layers_are_refused_and_leave_nothing),
        TEST(abandoned_layers_leave_nothing),
        TEST(a_config_that_claims_other_layers_is_refused),
        TEST(configs_that_make_no_sense_are_refused),
        TEST(the_digest_of_a_stored_layer_pins_it),
        TEST(a_commit_that_fails_leaves_its_layers_to_the_next),
        TEST(finished_layers_are_kept_within_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
