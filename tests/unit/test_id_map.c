/* Subordinate ids: reading subuid(5), and what ids are on the other side. */
#include "base/id_map.h"
#include "base_test.h"

static struct id_map parsed(const char *text)
{
    struct id_map map;
    struct error err = {0};
    int r = id_map_parse(text, "user", "1000", &map, &err);
    if (r != 0)
        fail_msg("%s: %s", text, err.message);
    return map;
}

static void test_lines_of_the_name_and_of_the_id_count_and_no_others(void **state)
{
    (void)state;
    struct id_map map = parsed("other:1:10\nuser:100000:65536\n\n# user:5:5\n1000:300000:4\nuserx:7:7\nuser\n");
    assert_int_equal(map.count, 2);
    assert_int_equal(map.ranges[0].outside, 100000);
    assert_int_equal(map.ranges[0].count, 65536);
    assert_int_equal(map.ranges[1].outside, 300000);
    assert_int_equal(map.size, 65540);
    assert_int_equal(parsed("").count, 0);
}

static void test_ids_run_through_the_ranges_one_after_the_other(void **state)
{
    (void)state;
    struct id_map map = parsed("user:100000:10\nuser:500:5");
    uint32_t outside = 0;
    assert_true(id_map_outside(&map, 0, &outside));
    assert_int_equal(outside, 100000);
    assert_true(id_map_outside(&map, 9, &outside));
    assert_int_equal(outside, 100009);
    assert_true(id_map_outside(&map, 10, &outside));
    assert_int_equal(outside, 500);
    assert_false(id_map_outside(&map, 15, &outside));
    assert_int_equal(id_map_inside(&map, 100009), 9);
    assert_int_equal(id_map_inside(&map, 504), 14);
    assert_int_equal(id_map_inside(&map, 0), ID_MAP_NOBODY);
    assert_int_equal(id_map_inside(&map, 505), ID_MAP_NOBODY);
}

static void test_the_text_is_what_the_kernel_reads(void **state)
{
    (void)state;
    struct id_map map = parsed("user:100000:10\nuser:500:5");
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    id_map_text(&map, true, &text);
    assert_string_equal(strbuf_str(&text), "0 100000 10\n10 500 5\n4294967294 0 1\n");
    strbuf_clear(&text);
    id_map_text(&map, false, &text);
    assert_string_equal(strbuf_str(&text), "0 100000 10\n10 500 5\n");
}

static void test_a_range_that_cannot_be_is_refused_by_its_line(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "user:100000",          "user:100000:0",       "user:0:65536",      "user:x:1",
        "user:1:1:1",           "user:-1:5",           "user:4294967290:6", "user:1:99999999999",
        "user:10:5\nuser:14:1", "user:10:5\nuser:6:5",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct id_map map;
        struct error err = {0};
        int r = id_map_parse(bad[i], "user", "1000", &map, &err);
        if (r >= 0 || err.kind != ERROR_INVALID || strstr(err.message, "no range of subordinate ids: \"user:") == NULL)
            fail_msg("%s: %d %s", bad[i], r, err.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_of_the_name_and_of_the_id_count_and_no_others),
        cmocka_unit_test(test_ids_run_through_the_ranges_one_after_the_other),
        cmocka_unit_test(test_the_text_is_what_the_kernel_reads),
        cmocka_unit_test(test_a_range_that_cannot_be_is_refused_by_its_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
