/* The store from the outside: layers in, images, names, removal, archives, roots; and that failures leave nothing. */
#include "tests/unit/image_test.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/xattr.h>
#include <zstd.h>

#include "base/json.h"
#include "daemon/build/changes.h"

/* The gzip of `data`, made by gzip itself. */
static void gzip(struct store_test *t, const struct strbuf *data, struct strbuf *out)
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

static void zstd(const struct strbuf *data, struct strbuf *out)
{
    char *room = strbuf_reserve(out, ZSTD_compressBound(data->size));
    size_t n = ZSTD_compress(room, ZSTD_compressBound(data->size), data->data, data->size, 3);
    assert_false(ZSTD_isError(n));
    out->size += n;
    strbuf_terminate(out);
}

static void base_layer(struct strbuf *tar)
{
    TAR(tar, {.name = "bin/", .type = '5'}, {.name = "bin/sh", .type = '0', .content = "#!shell", .mode = 0755},
        {.name = "etc/", .type = '5'}, {.name = "etc/a", .type = '0', .content = "one"},
        {.name = "etc/b", .type = '0', .content = "b"});
}

static void second_layer(struct strbuf *tar)
{
    TAR(tar, {.name = "etc/", .type = '5'}, {.name = "etc/a", .type = '0', .content = "two"},
        {.name = "etc/.wh.b", .type = '0'});
}

/* A config over these layers; `tweak` makes ids differ. */
static char *make_config(const char *const *diff_ids, size_t count, const char *tweak)
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

static struct reference reference(const char *text)
{
    struct reference ref = {0};
    struct error err = {0};
    if (reference_parse(text, &ref, &err) < 0)
        fail_msg("%s", err.message);
    return ref;
}

/* An image of one or both layers with a name (NULL: none). */
static void add_image(struct store_test *t, const char *name, size_t layer_count, const char *tweak,
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
    CLEANUP_LAYER_INGEST struct layer_ingest *ingest = NULL;
    ASSERT_OK(t, ingest_all(t, NULL, packed.data, packed.size, &ingest));
    assert_string_equal(layer_ingest_info(ingest)->diff_id, diff_id);
    assert_int_equal(layer_ingest_info(ingest)->size, size + 1);
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

/* ---- Look-up and names ---- */

static void images_are_found_by_name_id_and_prefix(void **state)
{
    struct store_test *t = *state;
    char id[DIGEST_TEXT_MAX];
    add_image(t, "busybox", 2, "", id);
    const char *names[] = {"busybox", "busybox:latest", "docker.io/library/busybox", id, id + 7, NULL, NULL};
    CLEANUP_FREE char *prefix = xstrndup(id + 7, 12);
    CLEANUP_FREE char *prefixed = xstrndup(id, 20);
    names[5] = prefix;
    names[6] = prefixed;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        CLEANUP_IMAGE struct image *image = NULL;
        ASSERT_OK(t, image_lookup(t->store, names[i], &image, &t->err));
        assert_string_equal(image->id, id);
        assert_string_equal(image->repo_tags.items[0], "busybox:latest");
        assert_int_equal(image->layer_dirs.count, 2);
        assert_int_equal(image->size, strlen("#!shell") + 3 + 1 + 3);
        assert_int_equal(image->layer_sizes[1], 3);
        assert_string_equal(image->config.cmd.items[0], "sh");
    }
}

static void unknown_and_malformed_names_are_told_as_docker_tells_them(void **state)
{
    struct store_test *t = *state;
    struct image *image;
    ASSERT_ERROR(t, image_lookup(t->store, "x", &image, &t->err), ERROR_NOT_FOUND, "No such image: x:latest");
    ASSERT_ERROR(t, image_lookup(t->store, "a/b:1", &image, &t->err), ERROR_NOT_FOUND, "No such image: a/b:1");
    ASSERT_ERROR(t, image_lookup(t->store, "X", &image, &t->err), ERROR_INVALID, "must be lowercase");
    ASSERT_ERROR(t, image_lookup(t->store, "a::b", &image, &t->err), ERROR_INVALID, "invalid reference format");
    ASSERT_ERROR(t,
                 image_lookup(t->store, "sha256:0123456789012345678901234567890123456789012345678901234567890123",
                              &image, &t->err),
                 ERROR_NOT_FOUND, "No such image: sha256:0123456789");
}

static void an_ambiguous_prefix_is_an_error(void **state)
{
    struct store_test *t = *state;
    struct image *image;
    char first[16] = "", id[DIGEST_TEXT_MAX];
    bool seen[256] = {false};
    /* With 17 images two share their first digit. */
    for (int i = 0; i < 17 && first[0] == 0; i++) {
        char tweak[16];
        snprintf(tweak, sizeof(tweak), "%d", i);
        add_image(t, NULL, 1, tweak, id);
        if (seen[(unsigned char)id[7]])
            first[0] = id[7];
        seen[(unsigned char)id[7]] = true;
    }
    ASSERT_ERROR(t, image_lookup(t->store, first, &image, &t->err), ERROR_INVALID, "ambiguous");
}

static void tags_move_and_digest_tags_are_refused(void **state)
{
    struct store_test *t = *state;
    char one[DIGEST_TEXT_MAX], two[DIGEST_TEXT_MAX], id[DIGEST_TEXT_MAX];
    add_image(t, "app:1", 1, "one", one);
    add_image(t, "app:2", 1, "two", two);
    struct reference ref = reference("app:1");
    ASSERT_OK(t, image_tag(t->store, "app:2", &ref, &t->err));
    assert_true(image_resolve(t->store, &ref, id));
    assert_string_equal(id, two);
    CLEANUP_IMAGE struct image *dangling = NULL;
    ASSERT_OK(t, image_lookup(t->store, one, &dangling, &t->err));
    assert_int_equal(dangling->repo_tags.count, 0);
    ASSERT_ERROR(t, image_tag(t->store, "nope", &ref, &t->err), ERROR_NOT_FOUND, "No such image: nope:latest");
    reference_release(&ref);
    CLEANUP_FREE char *with_digest = xasprintf("app@%s", one);
    ref = reference(with_digest);
    ASSERT_ERROR(t, image_tag(t->store, "app:2", &ref, &t->err), ERROR_INVALID,
                 "refusing to create a tag with a digest");
    reference_release(&ref);
}

/* ---- Removal ---- */

struct user {
    const char *id;
    bool running;
};

static char *used_by(const char *image_id, bool *ret_running, void *data)
{
    const struct user *user = data;
    *ret_running = user->running;
    return strcmp(image_id, user->id) == 0 ? xstrdup("container 0123456789ab") : NULL;
}

static char *removed_text(struct image_removed *rows, size_t count)
{
    struct strbuf out = STRBUF_INIT;
    for (size_t i = 0; i < count; i++) {
        assert_true((rows[i].untagged == NULL) != (rows[i].deleted == NULL));
        strbuf_addf(&out, "%s%.19s\n", rows[i].untagged ? "-" : "x", rows[i].untagged ?: rows[i].deleted);
    }
    image_removed_free(rows, count);
    return strbuf_take(&out);
}

static void removal_untags_first_and_deletes_with_the_last_name(void **state)
{
    struct store_test *t = *state;
    char id[DIGEST_TEXT_MAX];
    struct image_remove_options options = {0};
    struct image_removed *rows;
    size_t count;
    add_image(t, "app:1", 2, "", id);
    add_image(t, "app:2", 2, "", id);
    ASSERT_ERROR(t, image_remove(t->store, "nope", &options, &rows, &count, &t->err), ERROR_NOT_FOUND,
                 "No such image: nope:latest");
    ASSERT_OK(t, image_remove(t->store, "app:1", &options, &rows, &count, &t->err));
    CLEANUP_FREE char *first = removed_text(rows, count);
    assert_string_equal(first, "-app:1\n");
    ASSERT_OK(t, image_remove(t->store, "app:2", &options, &rows, &count, &t->err));
    assert_int_equal(count, 4); /* the tag, the image, two layers by their chain ids */
    assert_string_equal(rows[0].untagged, "app:2");
    assert_string_equal(rows[1].deleted, id);
    struct strbuf CLEANUP_STRBUF base = STRBUF_INIT;
    char base_id[DIGEST_TEXT_MAX];
    base_layer(&base);
    digest_of(base.data, base.size, base_id);
    assert_string_equal(rows[3].deleted, base_id);
    image_removed_free(rows, count);
    assert_store_is_empty(t);
}

static void conflicts_are_worded_as_dockers(void **state)
{
    struct store_test *t = *state;
    char id[DIGEST_TEXT_MAX], text[256];
    struct image_removed *rows;
    size_t count;
    add_image(t, "app:1", 1, "", id);
    struct user user = {.id = id};
    struct image_remove_options options = {.used_by = used_by, .data = &user};
    snprintf(text, sizeof(text),
             "conflict: unable to remove repository reference \"app:1\" (must force) - container 0123456789ab is using "
             "its referenced image %.12s",
             id + 7);
    ASSERT_ERROR(t, image_remove(t->store, "app:1", &options, &rows, &count, &t->err), ERROR_CONFLICT, text);
    snprintf(
        text, sizeof(text),
        "conflict: unable to delete %.12s (must be forced) - image is being used by stopped container 0123456789ab",
        id + 7);
    ASSERT_ERROR(t, image_remove(t->store, id, &options, &rows, &count, &t->err), ERROR_CONFLICT, text);
    user.running = true;
    snprintf(
        text, sizeof(text),
        "conflict: unable to delete %.12s (cannot be forced) - image is being used by running container 0123456789ab",
        id + 7);
    options.force = true;
    ASSERT_ERROR(t, image_remove(t->store, id, &options, &rows, &count, &t->err), ERROR_CONFLICT, text);
    add_image(t, "other:1", 1, "", id);
    user.id = "";
    options.force = false;
    snprintf(text, sizeof(text),
             "conflict: unable to delete %.12s (must be forced) - image is referenced in multiple repositories",
             id + 7);
    ASSERT_ERROR(t, image_remove(t->store, id, &options, &rows, &count, &t->err), ERROR_CONFLICT, text);
    options.force = true;
    ASSERT_OK(t, image_remove(t->store, id, &options, &rows, &count, &t->err));
    CLEANUP_FREE char *removed = removed_text(rows, count);
    assert_memory_equal(removed, "-app:1\n-other:1\nxsha256:", 24);
    assert_store_is_empty(t);
}

static void the_last_tag_takes_the_digests_of_its_repository_with_it(void **state)
{
    struct store_test *t = *state;
    char id[DIGEST_TEXT_MAX];
    struct image_remove_options options = {0};
    struct image_removed *rows;
    size_t count;
    add_image(t, "app:1", 1, "", id);
    CLEANUP_FREE char *name = xasprintf("app@%s", id);
    struct reference ref = reference(name);
    ASSERT_OK(t, image_add_refs(t->store, id, &ref, 1, &t->err));
    reference_release(&ref);
    CLEANUP_IMAGE struct image *image = NULL;
    ASSERT_OK(t, image_lookup(t->store, name, &image, &t->err));
    assert_string_equal(image->repo_digests.items[0], name);
    ASSERT_OK(t, image_remove(t->store, "app:1", &options, &rows, &count, &t->err));
    assert_int_equal(count, 4);
    assert_string_equal(rows[1].untagged, name);
    image_removed_free(rows, count);
    assert_store_is_empty(t);
}

static void layers_stay_while_another_image_or_a_container_has_them(void **state)
{
    struct store_test *t = *state;
    char one[DIGEST_TEXT_MAX], two[DIGEST_TEXT_MAX];
    struct image_remove_options options = {.force = true};
    struct image_removed *rows;
    size_t count;
    add_image(t, "one", 1, "one", one);
    add_image(t, "two", 2, "two", two);
    ASSERT_OK(t, image_remove(t->store, "one", &options, &rows, &count, &t->err));
    assert_int_equal(count, 2); /* its layer is two's, too */
    image_removed_free(rows, count);
    CLEANUP_FREE char *rootfs = NULL;
    CLEANUP_IMAGE struct image *image = NULL;
    ASSERT_OK(t, image_lookup(t->store, "two", &image, &t->err));
    ASSERT_OK(t, image_rootfs_create(t->store, image, false, &rootfs, &t->err));
    ASSERT_OK(t, image_remove(t->store, "two", &options, &rows, &count, &t->err));
    image_removed_free(rows, count);
    assert_true(store_count(t, "overlay") >= 3); /* two layers and the root */
    int CLEANUP_CLOSE mount = image_rootfs_mount(t->store, rootfs, &t->err);
    assert_true(mount >= 0);
    ASSERT_OK(t, image_rootfs_remove(t->store, rootfs, &t->err));
    assert_store_is_empty(t);
}

/* ---- Containers' roots ---- */

static void a_root_shows_the_layers_and_keeps_its_own_changes(void **state)
{
    struct store_test *t = *state;
    char id[DIGEST_TEXT_MAX];
    CLEANUP_FREE char *rootfs = NULL;
    CLEANUP_IMAGE struct image *image = NULL;
    add_image(t, "app", 2, "", id);
    ASSERT_OK(t, image_lookup(t->store, "app", &image, &t->err));
    ASSERT_OK(t, image_rootfs_create(t->store, image, false, &rootfs, &t->err));
    int CLEANUP_CLOSE mount = image_rootfs_mount(t->store, rootfs, &t->err);
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
    ASSERT_ERROR(t, image_rootfs_mount(t->store, "0123456789ab", &t->err), ERROR_NOT_FOUND, "No such root file system");
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
    ASSERT_OK(t, image_rootfs_create(t->store, image, false, &rootfs, &t->err));
    int CLEANUP_CLOSE mount = image_rootfs_mount(t->store, rootfs, &t->err);
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
    ASSERT_OK(t, image_rootfs_create(t->store, image, false, &rootfs, &t->err));
    int CLEANUP_CLOSE mount = image_rootfs_mount(t->store, rootfs, &t->err);
    assert_true(mount >= 0);
    assert_int_equal(faccessat(mount, "only", F_OK, 0), 0);
    assert_int_equal(faccessat(mount, "etc/a", F_OK, 0), -1);
    assert_int_equal(faccessat(mount, "bin", F_OK, 0), -1);
}

static void a_root_without_an_image_is_an_empty_directory(void **state)
{
    struct store_test *t = *state;
    CLEANUP_FREE char *rootfs = NULL;
    ASSERT_OK(t, image_rootfs_create(t->store, NULL, false, &rootfs, &t->err));
    int CLEANUP_CLOSE mount = image_rootfs_mount(t->store, rootfs, &t->err);
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

/* ---- After a crash ---- */

static void opening_removes_what_has_no_row_and_empties_tmp(void **state)
{
    struct store_test *t = *state;
    char id[DIGEST_TEXT_MAX];
    add_image(t, "app", 2, "", id);
    CLEANUP_FREE char *rootfs = NULL;
    ASSERT_OK(t, image_rootfs_create(t->store, NULL, false, &rootfs, &t->err));
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

static void a_second_daemon_is_kept_out(void **state)
{
    struct store_test *t = *state;
    struct image_store *second;
    ASSERT_ERROR(t, image_store_open(t->root, t->db, &second, &t->err), ERROR_CONFLICT, "in use by another daemon");
}

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
        TEST(layers_in_every_compression_have_the_same_diff_id),
        TEST(large_layers_pass_through_the_bounded_buffers),
        TEST(wrong_layers_are_refused_and_leave_nothing),
        TEST(abandoned_layers_leave_nothing),
        TEST(a_config_that_claims_other_layers_is_refused),
        TEST(configs_that_make_no_sense_are_refused),
        TEST(the_digest_of_a_stored_layer_pins_it),
        TEST(images_are_found_by_name_id_and_prefix),
        TEST(unknown_and_malformed_names_are_told_as_docker_tells_them),
        TEST(an_ambiguous_prefix_is_an_error),
        TEST(tags_move_and_digest_tags_are_refused),
        TEST(removal_untags_first_and_deletes_with_the_last_name),
        TEST(conflicts_are_worded_as_dockers),
        TEST(the_last_tag_takes_the_digests_of_its_repository_with_it),
        TEST(layers_stay_while_another_image_or_a_container_has_them),
        TEST(a_root_shows_the_layers_and_keeps_its_own_changes),
        TEST(a_hundred_and_thirty_layers_mount),
        TEST(equal_layers_and_opaque_roots_mount),
        TEST(a_root_without_an_image_is_an_empty_directory),
        TEST(layers_are_out_of_other_users_reach),
        TEST(opening_removes_what_has_no_row_and_empties_tmp),
        TEST(opening_drops_images_whose_files_are_gone_and_tells),
        TEST(layers_that_a_power_failure_may_have_hit_are_dropped),
        TEST(a_second_daemon_is_kept_out),
        TEST(docker_archives_load_plain_and_compressed),
        TEST(wrong_docker_archives_are_refused_and_leave_nothing),
        TEST(oci_archives_load_and_their_digests_are_verified),
        TEST(a_root_tar_is_imported_as_an_image),
        TEST(a_full_disk_leaves_nothing_behind),
    };
    int r = cmocka_run_group_tests(tests, NULL, NULL);
    free(last_status);
    return r;
}
