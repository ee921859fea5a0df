/* Layers back into the tar that they came from: byte for byte, whatever kind of tar that was. */
#include "tests/unit/image_test.h"

#include "base/memory.h"

static int to_buffer(void *data, const void *bytes, size_t size, struct error *err)
{
    (void)err;
    strbuf_add(data, bytes, size);
    return 0;
}

/* An image of this one layer, so that the layer is in the store. */
static void add_layer(struct store_test *t, const void *data, size_t size, char ret_diff_id[DIGEST_TEXT_MAX])
{
    CLEANUP_LAYER_INGEST struct layer_ingest *ingest = NULL;
    ASSERT_OK(t, ingest_all(t, NULL, data, size, &ingest));
    memcpy(ret_diff_id, layer_ingest_info(ingest)->diff_id, DIGEST_TEXT_MAX);
    CLEANUP_FREE char *config = xasprintf(
        "{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"%s\"]}}",
        ret_diff_id);
    struct image_commit_layer layer = {.ingest = ingest};
    struct image_commit commit = {.config = config, .config_size = strlen(config), .layers = &layer, .layer_count = 1};
    ASSERT_OK(t, image_commit(t->store, &commit, NULL, &t->err));
}

static void assert_comes_back(struct store_test *t, const void *tar, size_t size)
{
    struct strbuf CLEANUP_STRBUF out = STRBUF_INIT;
    char diff_id[DIGEST_TEXT_MAX];
    int64_t tar_size = 0;
    add_layer(t, tar, size, diff_id);
    ASSERT_OK(t, image_layer_tar_size(t->store, diff_id, &tar_size, &t->err));
    assert_int_equal(tar_size, size);
    ASSERT_OK(t, image_layer_tar_write(t->store, diff_id, to_buffer, &out, &t->err));
    assert_int_equal(out.size, size);
    assert_memory_equal(out.data, tar, size);
}

static void every_kind_of_entry_comes_back(void **state)
{
    struct store_test *t = *state;
    struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
    CLEANUP_FREE char *big = xmalloc(700001);
    for (size_t i = 0; i < 700001; i++)
        big[i] = (char)(i * 7 + i / 999);
    TAR(&tar, {.name = "./", .type = '5'}, {.name = "./d/", .type = '5', .uid = 7, .mtime = 99},
        {.name = "./d/../d//file", .type = '0', .content = "text", .mode = 04711},
        {.name = "d/big", .type = '0', .content = big, .size = 700001}, {.name = "d/empty", .type = '0'},
        {.name = "hard", .type = '1', .link = "d/big"}, {.name = "link", .type = '2', .link = "/etc/passwd"},
        {.name = "null", .type = '3', .major = 1, .minor = 3}, {.name = "d/.wh.gone", .type = '0'},
        {.name = "e/.wh..wh..opq", .type = '0'}, {.name = ".wh..wh.plnk", .type = '0', .content = "aufs"},
        {.name = "x", .type = '0', .content = "pax", .pax = "SCHILY.xattr.user.a=b\nmtime=1.5\npath=e/other\n"});
    strbuf_add(&tar, "trailing bytes", 14);
    assert_comes_back(t, tar.data, tar.size);
}

static void what_gnu_tar_and_python_write_comes_back(void **state)
{
    struct store_test *t = *state;
    static const char *const commands[] = {
        "tar -C %1$s -cf %1$s.tar .",
        "tar -C %1$s --format=gnu --sparse -cf %1$s.tar .",
        "tar -C %1$s --format=posix --sparse --xattrs -cf %1$s.tar .",
        "tar -C %1$s --format=v7 -b 1 -cf %1$s.tar a b",
        "cd %1$s && find . -depth | cpio --quiet -o -H ustar >%1$s.tar 2>/dev/null || tar -cf %1$s.tar .",
    };
    CLEANUP_FREE char *dir = xasprintf("%s/in", t->scratch->path);
    CLEANUP_FREE char *make =
        xasprintf("mkdir %1$s && cd %1$s && echo a >a && ln a b && truncate -s 3M hole && "
                  "printf x | dd of=hole seek=1000000 bs=1 conv=notrunc status=none && mkdir d && "
                  "seq 20000 >d/numbers",
                  dir);
    assert_int_equal(system(make), 0);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        CLEANUP_FREE char *command = xasprintf(commands[i], dir);
#pragma GCC diagnostic pop
        CLEANUP_FREE char *path = xasprintf("%s.tar", dir);
        CLEANUP_FREE char *data = NULL;
        size_t size;
        assert_int_equal(system(command), 0);
        int CLEANUP_CLOSE fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_int_equal(fd_read_all(fd, 64 << 20, &data, &size), 0);
        assert_comes_back(t, data, size);
    }
}

static void two_entries_of_one_name_can_be_used_but_not_made_again(void **state)
{
    struct store_test *t = *state;
    struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT, out = STRBUF_INIT;
    char diff_id[DIGEST_TEXT_MAX];
    int64_t size;
    TAR(&tar, {.name = "a", .type = '0', .content = "one"}, {.name = "a", .type = '0', .content = "two"});
    add_layer(t, tar.data, tar.size, diff_id);
    ASSERT_ERROR(t, image_layer_tar_size(t->store, diff_id, &size, &t->err), ERROR_CONFLICT, "two entries of one name");
    assert_true(image_layer_tar_write(t->store, diff_id, to_buffer, &out, &t->err) < 0);
}

static void a_layer_that_was_changed_on_the_disk_is_noticed(void **state)
{
    struct store_test *t = *state;
    struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT, out = STRBUF_INIT;
    char diff_id[DIGEST_TEXT_MAX];
    TAR(&tar, {.name = "f", .type = '0', .content = "contents"});
    add_layer(t, tar.data, tar.size, diff_id);
    CLEANUP_FREE char *other = xasprintf("for f in %s/overlay/*/diff/f; do printf CONTENTS >$f; done", t->root);
    assert_int_equal(system(other), 0);
    ASSERT_ERROR(t, image_layer_tar_write(t->store, diff_id, to_buffer, &out, &t->err), ERROR_SYSTEM, "is damaged");
    CLEANUP_FREE char *shorter = xasprintf("for f in %s/overlay/*/diff/f; do printf C >$f; done", t->root);
    assert_int_equal(system(shorter), 0);
    ASSERT_ERROR(t, image_layer_tar_write(t->store, diff_id, to_buffer, &out, &t->err), ERROR_SYSTEM, "is too short");
    CLEANUP_FREE char *garbage = xasprintf("for f in %s/overlay/*/skeleton; do printf garbage >$f; done", t->root);
    assert_int_equal(system(garbage), 0);
    ASSERT_ERROR(t, image_layer_tar_write(t->store, diff_id, to_buffer, &out, &t->err), ERROR_SYSTEM, "is damaged");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, store_setup, store_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_kind_of_entry_comes_back),
        TEST(what_gnu_tar_and_python_write_comes_back),
        TEST(two_entries_of_one_name_can_be_used_but_not_made_again),
        TEST(a_layer_that_was_changed_on_the_disk_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
