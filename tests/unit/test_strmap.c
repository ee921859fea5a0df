#include "tests/unit/base_test.h"

#include <stdio.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/strmap.h"

#define assert_pairs(m, expected)                                                                                      \
    do {                                                                                                               \
        CLEANUP_STRBUF struct strbuf text_ = STRBUF_INIT;                                                              \
        for (size_t i_ = 0; i_ < (m)->count; i_++)                                                                     \
            strbuf_addf(&text_, "%s=%s;", (m)->items[i_].key, (m)->items[i_].value);                                   \
        assert_string_equal(strbuf_str(&text_), (expected));                                                           \
    } while (0)

static void pairs_keep_the_order_of_insertion(void **state)
{
    (void)state;
    CLEANUP_STRMAP struct strmap m = STRMAP_INIT;
    assert_null(strmap_get(&m, "a"));
    strmap_set(&m, "b", "1");
    strmap_set(&m, "a", "2");
    strmap_set(&m, "b", "3");
    assert_pairs(&m, "b=3;a=2;");
    assert_string_equal(strmap_get(&m, "a"), "2");
    assert_null(strmap_get(&m, "c"));
}

static void a_null_value_counts_as_the_empty_string(void **state)
{
    (void)state;
    CLEANUP_STRMAP struct strmap m = STRMAP_INIT;
    strmap_set(&m, "a", NULL);
    assert_string_equal(strmap_get(&m, "a"), "");
}

static void a_value_can_be_set_from_itself(void **state)
{
    (void)state;
    CLEANUP_STRMAP struct strmap m = STRMAP_INIT;
    strmap_set(&m, "a", "xyz");
    strmap_set(&m, "a", strmap_get(&m, "a") + 1);
    assert_pairs(&m, "a=yz;");
}

static void unset_removes_the_pair_and_closes_the_gap(void **state)
{
    (void)state;
    CLEANUP_STRMAP struct strmap m = STRMAP_INIT;
    strmap_unset(&m, "a");
    strmap_set(&m, "a", "1");
    strmap_set(&m, "b", "2");
    strmap_set(&m, "c", "3");
    strmap_unset(&m, "b");
    assert_pairs(&m, "a=1;c=3;");
    strmap_unset(&m, "c");
    strmap_unset(&m, "a");
    assert_int_equal(m.count, 0);
}

static void copy_replaces_and_sort_orders_by_bytes(void **state)
{
    (void)state;
    CLEANUP_STRMAP struct strmap m = STRMAP_INIT;
    CLEANUP_STRMAP struct strmap n = STRMAP_INIT;
    strmap_set(&m, "b", "1");
    strmap_set(&m, "B", "2");
    strmap_set(&m, "a", "3");
    strmap_set(&n, "old", "x");
    strmap_copy(&n, &m);
    strmap_sort(&n);
    assert_pairs(&n, "B=2;a=3;b=1;");
    assert_pairs(&m, "b=1;B=2;a=3;");
}

static int values[5000];

static const char *name(int i)
{
    static char text[32];
    snprintf(text, sizeof text, "container-%d", i);
    return text;
}

static void a_map_finds_each_of_thousands_of_keys(void **state)
{
    (void)state;
    struct map m = MAP_INIT;
    assert_null(map_get(&m, "x"));
    assert_null(map_unset(&m, "x"));
    for (int i = 0; i < 5000; i++)
        assert_null(map_set(&m, name(i), &values[i]));
    assert_int_equal(m.count, 5000);
    for (int i = 0; i < 5000; i++)
        assert_ptr_equal(map_get(&m, name(i)), &values[i]);
    assert_null(map_get(&m, "container-5000"));
    map_release(&m);
    assert_int_equal(m.count, 0);
}

static void removed_keys_are_gone_and_the_others_stay_reachable(void **state)
{
    (void)state;
    struct map m = MAP_INIT;
    for (int i = 0; i < 5000; i++)
        map_set(&m, name(i), &values[i]);
    for (int i = 0; i < 5000; i += 3)
        assert_ptr_equal(map_unset(&m, name(i)), &values[i]);
    for (int i = 0; i < 5000; i++)
        assert_ptr_equal(map_get(&m, name(i)), i % 3 == 0 ? NULL : &values[i]);
    assert_int_equal(m.count, 5000 - 1667);
    map_release(&m);
}

static void setting_again_returns_the_former_value(void **state)
{
    (void)state;
    struct map m = MAP_INIT;
    map_set(&m, "", &values[0]);
    assert_ptr_equal(map_set(&m, "", &values[1]), &values[0]);
    assert_ptr_equal(map_get(&m, ""), &values[1]);
    assert_int_equal(m.count, 1);
    map_release(&m);
}

static void keys_of_every_length_are_told_apart(void **state)
{
    (void)state;
    struct map m = MAP_INIT;
    char key[41] = "";
    for (int i = 0; i < 40; i++) {
        map_set(&m, key, &values[i]);
        key[i] = 'a';
        key[i + 1] = '\0';
    }
    assert_int_equal(m.count, 40);
    for (int i = 0; i < 40; i++) {
        key[i] = '\0';
        assert_ptr_equal(map_get(&m, key), &values[i]);
        key[i] = 'a';
    }
    map_release(&m);
}

static void next_visits_each_key_once(void **state)
{
    (void)state;
    struct map m = MAP_INIT;
    for (int i = 0; i < 100; i++)
        map_set(&m, name(i), &values[i]);
    bool seen[100] = {false};
    size_t position = 0;
    int visits = 0;
    const char *key;
    void *value;
    while (map_next(&m, &position, &key, &value)) {
        int i = (int)((int *)value - values);
        assert_string_equal(key, name(i));
        assert_int_equal(seen[i], false);
        seen[i] = true;
        visits++;
    }
    assert_int_equal(visits, 100);
    map_release(&m);
    position = 0;
    assert_int_equal(map_next(&m, &position, NULL, NULL), false);
}

static void random_changes_agree_with_a_plain_array(void **state)
{
    (void)state;
    struct map m = MAP_INIT;
    bool present[200] = {false};
    unsigned random = 1;
    for (int step = 0; step < 100000; step++) {
        random = random * 1103515245 + 12345;
        int i = (int)(random >> 16) % 200;
        if (random >> 30 & 1)
            map_set(&m, name(i), &values[i]);
        else
            map_unset(&m, name(i));
        present[i] = random >> 30 & 1;
        int probe = (int)(random >> 8) % 200;
        assert_ptr_equal(map_get(&m, name(probe)), present[probe] ? &values[probe] : NULL);
    }
    map_release(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_keep_the_order_of_insertion),
        cmocka_unit_test(a_null_value_counts_as_the_empty_string),
        cmocka_unit_test(a_value_can_be_set_from_itself),
        cmocka_unit_test(unset_removes_the_pair_and_closes_the_gap),
        cmocka_unit_test(copy_replaces_and_sort_orders_by_bytes),
        cmocka_unit_test(a_map_finds_each_of_thousands_of_keys),
        cmocka_unit_test(removed_keys_are_gone_and_the_others_stay_reachable),
        cmocka_unit_test(setting_again_returns_the_former_value),
        cmocka_unit_test(keys_of_every_length_are_told_apart),
        cmocka_unit_test(next_visits_each_key_once),
        cmocka_unit_test(random_changes_agree_with_a_plain_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
