/* Names of images: look-up, tags, removal. */
#include "tests/unit/image_samples.h"

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
    ASSERT_OK(t, image_rootfs_create(t->store, image, &(struct image_rootfs_options){0}, &rootfs, &t->err));
    ASSERT_OK(t, image_remove(t->store, "two", &options, &rows, &count, &t->err));
    image_removed_free(rows, count);
    assert_true(store_count(t, "overlay") >= 3); /* two layers and the root */
    int CLEANUP_CLOSE mount = image_rootfs_mount(t->store, rootfs, 0, &t->err);
    assert_true(mount >= 0);
    ASSERT_OK(t, image_rootfs_remove(t->store, rootfs, &t->err));
    assert_store_is_empty(t);
}

/* The config of one image is the index of another: the text stays as long as either has it. */
static void a_text_that_is_config_and_index_stays_while_either_has_it(void **state)
{
    static const char text[] =
        "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[],"
        "\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}";
    struct store_test *t = *state;
    char id[DIGEST_TEXT_MAX], both[DIGEST_TEXT_MAX];
    struct reference config_ref = reference("both:1"), index_ref = reference("app:1");
    const struct image_commit config = {
        .config = text, .config_size = strlen(text), .refs = &config_ref, .ref_count = 1};
    const struct image_commit index = {.index = text, .index_size = strlen(text), .refs = &index_ref, .ref_count = 1};
    struct image_remove_options options = {.force = true};
    struct image_removed *rows;
    size_t count;
    add_image(t, "app:1", 1, "", id);
    ASSERT_OK(t, image_commit(t->store, &config, both, &t->err));
    ASSERT_OK(t, image_add_manifest(t->store, id, &index, &t->err));
    ASSERT_OK(t, image_tag(t->store, id, &index_ref, &t->err)); /* stands for the index no more */
    CLEANUP_IMAGE struct image *image = NULL;
    ASSERT_OK(t, image_lookup(t->store, "both:1", &image, &t->err));
    ASSERT_OK(t, image_add_manifest(t->store, id, &index, &t->err));
    ASSERT_OK(t, image_remove(t->store, "both:1", &options, &rows, &count, &t->err));
    image_removed_free(rows, count);
    assert_int_equal(store_count(t, "image/blobs/sha256"), 2);
    ASSERT_OK(t, image_remove(t->store, "app:1", &options, &rows, &count, &t->err));
    image_removed_free(rows, count);
    reference_release(&config_ref);
    reference_release(&index_ref);
    assert_store_is_empty(t);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, store_setup, store_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(images_are_found_by_name_id_and_prefix),
        TEST(unknown_and_malformed_names_are_told_as_docker_tells_them),
        TEST(an_ambiguous_prefix_is_an_error),
        TEST(tags_move_and_digest_tags_are_refused),
        TEST(removal_untags_first_and_deletes_with_the_last_name),
        TEST(conflicts_are_worded_as_dockers),
        TEST(the_last_tag_takes_the_digests_of_its_repository_with_it),
        TEST(layers_stay_while_another_image_or_a_container_has_them),
        TEST(a_text_that_is_config_and_index_stays_while_either_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
