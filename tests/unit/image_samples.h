/* What the tests of the image store put into it: layers, configs, images. */
#ifndef DORY_TESTS_UNIT_IMAGE_SAMPLES_H
#define DORY_TESTS_UNIT_IMAGE_SAMPLES_H

#include "tests/unit/image_test.h"

#include <zstd.h>

/* The gzip of `data`, made by gzip itself. */
static inline void gzip(struct store_test *t, const struct strbuf *data, struct strbuf *out)
{
    CLEANUP_FREE char *plain = xasprintf("%s/plain", t->scratch->path);
    CLEANUP_FREE char *command = xasprintf("gzip -nc %s > %s.gz", plain, plain);
    CLEANUP_FREE char *packed = xasprintf("%s.gz", plain);
    CLEANUP_FREE char *bytes = NULL;
    size_t size;
    int CLEANUP_CLOSE fd = open(plain, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(fd_write_all(fd, data->data, data->size), 0);
    assert_int_equal(system(command), 0);
    int CLEANUP_CLOSE in = open(packed, O_RDONLY | O_CLOEXEC);
    assert_int_equal(fd_read_all(in, 1 << 26, &bytes, &size), 0);
    strbuf_add(out, bytes, size);
}

static inline void zstd(const struct strbuf *data, struct strbuf *out)
{
    char *room = strbuf_reserve(out, ZSTD_compressBound(data->size));
    size_t n = ZSTD_compress(room, ZSTD_compressBound(data->size), data->data, data->size, 3);
    assert_false(ZSTD_isError(n));
    out->size += n;
    strbuf_terminate(out);
}

static inline void base_layer(struct strbuf *tar)
{
    TAR(tar, {.name = "bin/", .type = '5'}, {.name = "bin/sh", .type = '0', .content = "#!shell", .mode = 0755},
        {.name = "etc/", .type = '5'}, {.name = "etc/a", .type = '0', .content = "one"},
        {.name = "etc/b", .type = '0', .content = "b"});
}

static inline void second_layer(struct strbuf *tar)
{
    TAR(tar, {.name = "etc/", .type = '5'}, {.name = "etc/a", .type = '0', .content = "two"},
        {.name = "etc/.wh.b", .type = '0'});
}

/* A config over these layers; `tweak` makes ids differ. */
static inline char *make_config(const char *const *diff_ids, size_t count, const char *tweak)
{
    struct strbuf out = STRBUF_INIT;
    strbuf_addf(&out,
                "{\"architecture\":\"amd64\",\"os\":\"linux\",\"created\":\"2024-01-02T03:04:05Z\",\"author\":\"%s\","
                "\"config\":{\"Cmd\":[\"sh\"]},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[",
                tweak);
    for (size_t i = 0; i < count; i++)
        strbuf_addf(&out, "%s\"%s\"", i ? "," : "", diff_ids[i]);
    strbuf_adds(&out, "]}}");
    return strbuf_take(&out);
}

static inline struct reference reference(const char *text)
{
    struct reference ref = {0};
    struct error err = {0};
    if (reference_parse(text, &ref, &err) < 0)
        fail_msg("%s", err.message);
    return ref;
}

/* An image of one or both layers with a name (NULL: none). */
static inline void add_image(struct store_test *t, const char *name, size_t layer_count, const char *tweak,
                             char ret_id[DIGEST_TEXT_MAX])
{
    struct strbuf CLEANUP_STRBUF first = STRBUF_INIT;
    struct strbuf CLEANUP_STRBUF second = STRBUF_INIT;
    CLEANUP_LAYER_INGEST struct layer_ingest *a = NULL;
    CLEANUP_LAYER_INGEST struct layer_ingest *b = NULL;
    base_layer(&first);
    second_layer(&second);
    ASSERT_OK(t, ingest_all(t, NULL, first.data, first.size, &a));
    ASSERT_OK(t, ingest_all(t, NULL, second.data, second.size, &b));
    const char *diff_ids[] = {layer_ingest_info(a)->diff_id, layer_ingest_info(b)->diff_id};
    CLEANUP_FREE char *config = make_config(diff_ids, layer_count, tweak);
    struct image_commit_layer layers[] = {{.ingest = a}, {.ingest = b}};
    struct reference ref = {0};
    if (name)
        ref = reference(name);
    struct image_commit commit = {.config = config,
                                  .config_size = strlen(config),
                                  .layers = layers,
                                  .layer_count = layer_count,
                                  .refs = &ref,
                                  .ref_count = name != NULL};
    ASSERT_OK(t, image_commit(t->store, &commit, ret_id, &t->err));
    reference_release(&ref);
}

#endif
