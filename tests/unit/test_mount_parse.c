#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/mounts.h"

static struct mount_point parse(const char *text)
{
    struct mount_point m = {0};
    struct error err = {0};
    if (mount_parse_bind(text, &m, &err) < 0)
        fail_msg("%s: %s", text, err.message);
    return m;
}

static void refuse(const char *text, const char *message)
{
    struct mount_point m = {0};
    struct error err = {0};
    if (mount_parse_bind(text, &m, &err) == 0)
        fail_msg("%s was accepted", text);
    assert_int_equal(err.kind, ERROR_INVALID);
    assert_string_equal(err.message, message);
    json_table_release(&mount_point_table, &m);
}

static void binds_volumes_and_anonymous_volumes(void **state)
{
    (void)state;
    struct mount_point m = parse("/host//dir/:/in/../x/./y:ro,rslave");
    assert_int_equal(m.type, MOUNT_BIND);
    assert_string_equal(m.source, "/host/dir");
    assert_string_equal(m.destination, "/x/y");
    assert_true(m.read_only);
    assert_true(m.create_source);
    assert_string_equal(m.propagation, "rslave");
    json_table_release(&mount_point_table, &m);

    m = parse("data:/srv:nocopy,z");
    assert_int_equal(m.type, MOUNT_VOLUME);
    assert_string_equal(m.name, "data");
    assert_true(m.no_copy);
    assert_false(m.read_only);
    assert_string_equal(m.mode, "nocopy,z");
    json_table_release(&mount_point_table, &m);

    m = parse("/srv");
    assert_int_equal(m.type, MOUNT_VOLUME);
    assert_true(m.anonymous);
    assert_null(m.name);
    json_table_release(&mount_point_table, &m);
}

static void wrong_texts_are_refused_in_dockers_words(void **state)
{
    (void)state;
    refuse("", "invalid volume specification: ''");
    refuse(":/x", "invalid volume specification: ':/x'");
    refuse("/a:", "invalid volume specification: '/a:'");
    refuse("/a:/b:ro:extra", "invalid volume specification: '/a:/b:ro:extra'");
    refuse("/a:ro", "invalid volume specification: '/a:ro'");
    refuse("/a:/b:rox", "invalid mode: rox");
    refuse("/a:/b:ro,rw", "invalid mode: ro,rw");
    refuse("/a:/b:nocopy", "invalid mode: nocopy");
    refuse("vol:/b:rshared", "invalid mode: rshared");
    refuse("/a:b",
           "invalid volume specification: '/a:b': invalid mount config for type \"bind\": invalid mount path: 'b' "
           "mount path must be absolute");
    refuse("/a:/",
           "invalid volume specification: '/a:/': invalid mount config for type \"bind\": invalid specification: "
           "destination can't be '/'");
    refuse("/a:/b/..", "invalid volume specification: '/a:/b/..': invalid mount config for type \"bind\": invalid "
                       "specification: destination can't be '/'");
    refuse("../a:/b",
           "create ../a: \"../a\" includes invalid characters for a local volume name, only "
           "\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute "
           "path");
    refuse("a:/b", "create a: volume name is too short, names should be at least two alphanumeric characters");
}

static void paths_are_cleaned_lexically(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"/", "/"},      {"//", "/"},        {"/a/", "/a"},        {"/a/b/../c", "/a/c"},
        {"/../..", "/"}, {"/a/./b", "/a/b"}, {"/a/...", "/a/..."}, {"/..a", "/..a"}};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_FREE char *clean = mount_clean_path(rows[i][0]);
        assert_string_equal(clean, rows[i][1]);
    }
    assert_null(mount_clean_path("a"));
    assert_null(mount_clean_path(""));
    assert_null(mount_clean_path(NULL));
}

static int collect(const char *text, struct mount_point **ret, size_t *ret_count, struct error *err)
{
    struct host_config host = {0};
    struct container_config config = {0};
    CLEANUP_JSON struct json *tree = NULL;
    assert_int_equal(json_parse(text, strlen(text), &tree, NULL), 0);
    assert_int_equal(json_table_decode(&host_config_table, json_get(tree, "HostConfig"), &host, NULL), 0);
    assert_int_equal(json_table_decode(&container_config_table, tree, &config, NULL), 0);
    int r = mounts_collect(&config, &host, NULL, ret, ret_count, err);
    host_config_release(&host);
    container_config_release(&config);
    return r;
}

static void parents_come_before_what_is_mounted_inside(void **state)
{
    (void)state;
    struct mount_point *mounts;
    size_t count;
    assert_int_equal(
        collect("{\"Volumes\":{\"/a/b/c\":{},\"/z\":{}},\"HostConfig\":{\"Binds\":[\"/h:/a/b\"],"
                "\"Tmpfs\":{\"/a\":\"\"},\"Mounts\":[{\"Type\":\"volume\",\"Source\":\"vol\",\"Target\":\"/z\"}"
                "]}}",
                &mounts, &count, NULL),
        0);
    assert_int_equal(count, 4);
    assert_string_equal(mounts[0].destination, "/a");
    assert_string_equal(mounts[1].destination, "/z");
    assert_string_equal(mounts[1].name, "vol"); /* what was asked for wins over the image's VOLUME */
    assert_string_equal(mounts[2].destination, "/a/b");
    assert_string_equal(mounts[3].destination, "/a/b/c");
    assert_true(mounts[3].anonymous);
    mounts_free(mounts, count);
}

static void the_same_place_twice_is_refused(void **state)
{
    (void)state;
    struct mount_point *mounts;
    size_t count;
    struct error err = {0};
    assert_true(collect("{\"HostConfig\":{\"Binds\":[\"/h:/a\",\"vol:/a/\"]}}", &mounts, &count, &err) < 0);
    assert_string_equal(err.message, "Duplicate mount point: /a");
}

static void mount_requests_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *mount, *message;
    } rows[] = {
        {"{\"Type\":\"bind\",\"Target\":\"/x\"}",
         "invalid mount config for type \"bind\": field Source must not be empty"},
        {"{\"Type\":\"bind\",\"Source\":\"/a\"}",
         "invalid mount config for type \"bind\": field Target must not be empty"},
        {"{\"Type\":\"bind\",\"Source\":\"a\",\"Target\":\"/x\"}",
         "invalid mount config for type \"bind\": invalid mount path: 'a' mount path must be absolute"},
        {"{\"Type\":\"nosuch\",\"Source\":\"/a\",\"Target\":\"/x\"}",
         "invalid mount config for type \"nosuch\": mount type unknown"},
        {"{\"Type\":\"tmpfs\",\"Source\":\"/a\",\"Target\":\"/x\"}",
         "invalid mount config for type \"tmpfs\": field Source must not be specified"},
        {"{\"Type\":\"volume\",\"Source\":\"vv\",\"Target\":\"/x\",\"VolumeOptions\":{\"Subpath\":\"/s\"}}",
         "invalid mount config for type \"volume\": subpath must be a relative path within the volume"},
        {"{\"Type\":\"volume\",\"Source\":\"vv\",\"Target\":\"/x\",\"VolumeOptions\":{\"Subpath\":\"a/.././../s\"}}",
         "invalid mount config for type \"volume\": subpath must be a relative path within the volume"},
        {"{\"Type\":\"volume\",\"Target\":\"/x\",\"VolumeOptions\":{\"Subpath\":\"s\"}}",
         "invalid mount config for type \"volume\": must not set Subpath when using anonymous volumes"},
        {"{\"Type\":\"bind\",\"Source\":\"/a\",\"Target\":\"/x\",\"BindOptions\":{\"ReadOnlyForceRecursive\":true}}",
         "invalid mount config for type \"bind\": ReadOnlyForceRecursive needs ReadOnly, a recursive bind and the "
         "propagation rprivate"},
        {"{\"Type\":\"volume\",\"ReadOnly\":true,\"Target\":\"/x\"}",
         "invalid mount config for type \"volume\": must not set ReadOnly mode when using anonymous volumes"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_FREE char *text = xasprintf("{\"HostConfig\":{\"Mounts\":[%s]}}", rows[i].mount);
        struct mount_point *mounts;
        size_t count;
        struct error err = {0};
        assert_true(collect(text, &mounts, &count, &err) < 0);
        assert_string_equal(err.message, rows[i].message);
    }
}

static void tmpfs_options_of_a_mount_become_text(void **state)
{
    (void)state;
    struct mount_point *mounts;
    size_t count;
    assert_int_equal(collect("{\"HostConfig\":{\"Mounts\":[{\"Type\":\"tmpfs\",\"Target\":\"/x\",\"TmpfsOptions\":{"
                             "\"SizeBytes\":1024,\"Mode\":448,\"Options\":[[\"exec\"]]}}]}}",
                             &mounts, &count, NULL),
                     0);
    assert_string_equal(mounts[0].tmpfs_options, "size=1024,mode=700,exec");
    mounts_free(mounts, count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(binds_volumes_and_anonymous_volumes),
        cmocka_unit_test(wrong_texts_are_refused_in_dockers_words),
        cmocka_unit_test(paths_are_cleaned_lexically),
        cmocka_unit_test(parents_come_before_what_is_mounted_inside),
        cmocka_unit_test(the_same_place_twice_is_refused),
        cmocka_unit_test(mount_requests_are_checked),
        cmocka_unit_test(tmpfs_options_of_a_mount_become_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
