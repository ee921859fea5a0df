#include "tests/unit/base_test.h"

#include "daemon/storage_options.h"

static void the_size_of_containers_is_read_and_the_last_one_counts(void **state)
{
    (void)state;
    CLEANUP_STRV struct strv options = STRV_INIT;
    struct error err = {0};
    uint64_t size = 7;
    assert_int_equal(storage_options_size(&options, &size, &err), 0);
    assert_int_equal(size, 0);
    strv_add(&options, "overlay2.size=1g");
    strv_add(&options, "overlay2.size=3M");
    assert_int_equal(storage_options_size(&options, &size, &err), 0);
    assert_int_equal(size, 3 << 20);
}

static void others_and_wrong_ones_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *option, *message;
    } rows[] = {
        {"overlay2.size", "unable to parse key/value option overlay2.size"},
        {"overlay2.size=", "overlay2.size: invalid size: ''"},
        {"overlay2.size=-1", "overlay2.size: invalid size: '-1'"},
        {"overlay2.other=1", "overlay2: unknown option overlay2.other"},
        {"=1", "overlay2: unknown option "},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_STRV struct strv options = STRV_INIT;
        struct error err = {0};
        uint64_t size = 7;
        strv_add(&options, rows[i].option);
        assert_int_equal(storage_options_size(&options, &size, &err), -EINVAL);
        assert_string_equal(err.message, rows[i].message);
        assert_int_equal(size, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_size_of_containers_is_read_and_the_last_one_counts),
        cmocka_unit_test(others_and_wrong_ones_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
