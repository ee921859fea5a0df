/* Images from archives. */
#include "tests/unit/image_samples.h"

#include "daemon/build/changes.h"

/* ---- Archives ---- */

static char *last_status;

static int note_status(const char *id, const char *status, int64_t current, int64_t total, void *data)
{
    (void)current;
    (void)total;
    (void)data;
    if (!id)
        xstrset(&last_status, status);
    return 0;
}

static int load(struct store_test *t, const struct strbuf *archive)
{
    int CLEANUP_CLOSE fd = data_fd(archive->data, archive->size);
    xstrset(&last_status, "");
    return image_load(t->store, fd, &(struct image_load_options){.progress = note_status}, &t->err);
}

/* As docker save writes it: configs and layers, manifest.json last. config_layer: which layer the config claims second.
 */
static void docker_archive(struct strbuf *out, bool wrong_layer, const char *tags)
{
    struct strbuf CLEANUP_STRBUF first = STRBUF_INIT;
    struct strbuf CLEANUP_STRBUF second = STRBUF_INIT;
    char ids[2][DIGEST_TEXT_MAX];
    base_layer(&first);
    second_layer(&second);
    digest_of(first.data, first.size, ids[0]);
    digest_of(wrong_layer ? first.data : second.data, wrong_layer ? first.size : second.size, ids[1]);
    const char *diff_ids[] = {ids[0], ids[1]};
    CLEANUP_FREE char *config = make_config(diff_ids, 2, "");
    CLEANUP_FREE char *manifest =
        xasprintf("[{\"Config\":\"c.json\",\"RepoTags\":%s,\"Layers\":[\"one/layer.tar\",\"two/layer.tar\"]}]", tags);
    TAR(out, {.name = "one/", .type = '5'}, {.name = "one/layer.tar", .type = '2', .link = "../first.tar"},
        {.name = "first.tar", .type = '0', .content = first.data, .size = first.size},
        {.name = "./two/layer.tar", .type = '0', .content = second.data, .size = second.size},
        {.name = "c.json", .type = '0', .content = config},
        {.name = "manifest.json", .type = '0', .content = manifest});
}

static void docker_archives_load_plain_and_compressed(void **state)
{
    struct store_test *t = *state;
    struct strbuf CLEANUP_STRBUF archive = STRBUF_INIT;
    struct strbuf CLEANUP_STRBUF packed = STRBUF_INIT;
    docker_archive(&archive, false, "[\"app:1\",\"app:2\"]");
    ASSERT_OK(t, load(t, &archive));
    assert_string_equal(last_status, "Loaded image: app:2");
    gzip(t, &archive, &packed);
    ASSERT_OK(t, load(t, &packed));
    CLEANUP_IMAGE struct image *image = NULL;
    ASSERT_OK(t, image_lookup(t->store, "app:1", &image, &t->err));
    assert_int_equal(image->repo_tags.count, 2);
    struct strbuf CLEANUP_STRBUF unnamed = STRBUF_INIT;
    docker_archive(&unnamed, false, "null");
    ASSERT_OK(t, load(t, &unnamed));
    assert_memory_equal(last_status, "Loaded image ID: sha256:", 24);
}

static void wrong_docker_archives_are_refused_and_leave_nothing(void **state)
{
    struct store_test *t = *state;
    struct strbuf CLEANUP_STRBUF wrong = STRBUF_INIT;
    struct strbuf CLEANUP_STRBUF badtag = STRBUF_INIT;
    struct strbuf CLEANUP_STRBUF none = STRBUF_INIT;
    struct strbuf CLEANUP_STRBUF missing = STRBUF_INIT;
    docker_archive(&wrong, true, "[\"app:1\"]");
    ASSERT_ERROR(t, load(t, &wrong), ERROR_INVALID, "invalid diffID for layer 1: expected \"sha256:");
    docker_archive(&badtag, false, "[\"App:1\"]");
    ASSERT_ERROR(t, load(t, &badtag), ERROR_INVALID, "must be lowercase");
    TAR(&none, {.name = "x", .type = '0', .content = "y"});
    ASSERT_ERROR(t, load(t, &none), ERROR_INVALID, "invalid archive: does not contain a manifest.json");
    TAR(&missing, {.name = "manifest.json",
                   .type = '0',
                   .content = "[{\"Config\":\"../../../etc/passwd\",\"RepoTags\":null,\"Layers\":[]}]"});
    ASSERT_ERROR(t, load(t, &missing), ERROR_INVALID, "invalid archive: ../../../etc/passwd is missing");
    for (size_t size = 100; size < badtag.size - 1024; size += 777) {
        struct strbuf cut = {.data = badtag.data, .size = size};
        error_clear(&t->err);
        assert_true(load(t, &cut) < 0);
        assert_int_equal(t->err.kind, ERROR_INVALID);
    }
    assert_store_is_empty(t);
}

static void add_blob(struct strbuf *out, const void *data, size_t size, char ret_digest[DIGEST_TEXT_MAX])
{
    digest_of(data, size, ret_digest);
    CLEANUP_FREE char *name = xasprintf("blobs/sha256/%s", digest_hex(ret_digest));
    const struct tar_member member = {.name = name, .type = '0', .content = data, .size = size};
    tar_member_add(out, &member);
}

static void oci_archive(struct store_test *t, struct strbuf *out, bool damage)
{
    struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
    struct strbuf CLEANUP_STRBUF layer = STRBUF_INIT;
    char diff_id[DIGEST_TEXT_MAX], layer_id[DIGEST_TEXT_MAX], config_id[DIGEST_TEXT_MAX], manifest_id[DIGEST_TEXT_MAX];
    base_layer(&tar);
    digest_of(tar.data, tar.size, diff_id);
    gzip(t, &tar, &layer);
    const char *diff_ids[] = {diff_id};
    CLEANUP_FREE char *config = make_config(diff_ids, 1, "oci");
    add_blob(out, layer.data, layer.size, layer_id);
    add_blob(out, config, strlen(config), config_id);
    if (damage)
        layer_id[20] = layer_id[20] == 'a' ? 'b' : 'a';
    CLEANUP_FREE char *manifest = xasprintf(
        "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":{\"mediaType\":"
        "\"application/vnd.oci.image.config.v1+json\",\"digest\":\"%s\",\"size\":%zu},\"layers\":[{\"mediaType\":"
        "\"application/vnd.oci.image.layer.v1.tar+gzip\",\"digest\":\"%s\",\"size\":%zu}]}",
        config_id, strlen(config), layer_id, layer.size);
    add_blob(out, manifest, strlen(manifest), manifest_id);
    CLEANUP_FREE char *index = xasprintf(
        "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":"
        "\"%s\",\"size\":%zu,\"annotations\":{\"org.opencontainers.image.ref.name\":\"oci:1\"}}]}",
        manifest_id, strlen(manifest));
    TAR(out, {.name = "index.json", .type = '0', .content = index},
        {.name = "oci-layout", .type = '0', .content = "{\"imageLayoutVersion\":\"1.0.0\"}"});
}

static void oci_archives_load_and_their_digests_are_verified(void **state)
{
    struct store_test *t = *state;
    struct strbuf CLEANUP_STRBUF archive = STRBUF_INIT;
    struct strbuf CLEANUP_STRBUF packed = STRBUF_INIT;
    struct strbuf CLEANUP_STRBUF bad = STRBUF_INIT;
    oci_archive(t, &bad, true);
    ASSERT_ERROR(t, load(t, &bad), ERROR_INVALID, "is missing");
    assert_store_is_empty(t);
    oci_archive(t, &archive, false);
    zstd(&archive, &packed);
    ASSERT_OK(t, load(t, &packed));
    assert_string_equal(last_status, "Loaded image: oci:1");
}

static void a_root_tar_is_imported_as_an_image(void **state)
{
    struct store_test *t = *state;
    struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
    struct strbuf CLEANUP_STRBUF packed = STRBUF_INIT;
    char id[DIGEST_TEXT_MAX];
    base_layer(&tar);
    gzip(t, &tar, &packed);
    struct reference ref = reference("mine");
    struct strv CLEANUP_STRV changes = STRV_INIT;
    strv_add(&changes, "CMD [\"sh\"]");
    strv_add(&changes, "ENV A=b");
    struct image_import_options options = {
        .ref = &ref, .message = "hello", .changes = &changes, .change = container_config_change};
    int CLEANUP_CLOSE fd = data_fd(packed.data, packed.size);
    ASSERT_OK(t, image_import(t->store, fd, &options, id, &t->err));
    CLEANUP_IMAGE struct image *image = NULL;
    ASSERT_OK(t, image_lookup(t->store, "mine:latest", &image, &t->err));
    assert_string_equal(image->id, id);
    assert_string_equal(image->config.cmd.items[0], "sh");
    assert_string_equal(image->config.env.items[0], "A=b");
    assert_string_equal(image->os, "linux");
    assert_string_equal(image->comment, "hello");
    assert_int_equal(image->history_count, 1);
    assert_string_equal(image->history[0].comment, "hello");
    assert_true(image->created > 0);
    strv_clear(&changes);
    strv_add(&changes, "RUN x");
    int CLEANUP_CLOSE again = data_fd(packed.data, packed.size);
    ASSERT_ERROR(t, image_import(t->store, again, &options, id, &t->err), ERROR_INVALID,
                 "RUN is not a valid change command");
    reference_release(&ref);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, store_setup, store_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(docker_archives_load_plain_and_compressed),
        TEST(wrong_docker_archives_are_refused_and_leave_nothing),
        TEST(oci_archives_load_and_their_digests_are_verified),
        TEST(a_root_tar_is_imported_as_an_image),
    };
    int r = cmocka_run_group_tests(tests, NULL, NULL);
    free(last_status);
    return r;
}
