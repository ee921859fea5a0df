#include "tests/unit/base_test.h"

#include <stdio.h>
#include <string.h>

#include "base/json_table.h"

struct inner {
    char *name;
    int64_t size;
};

static const struct json_field inner_fields[] = {
    {"Name", JSON_FIELD_STRING, offsetof(struct inner, name), JSON_REQUIRED, NULL, NULL},
    {"Size", JSON_FIELD_INT, offsetof(struct inner, size), JSON_OMIT_EMPTY, NULL, NULL},
};
static const struct json_table inner_table = JSON_TABLE(struct inner, inner_fields);

/* A member no type fits: a string or an array of strings, as many of the API's are. */
static int decode_command(const struct json *value, void *field, struct error *err)
{
    struct strv *v = field;
    strv_release(v);
    if (value->kind == JSON_NULL)
        return 0;
    if (value->kind == JSON_STRING) {
        strv_add(v, value->string.data);
        return 0;
    }
    if (value->kind != JSON_ARRAY)
        return error_set(err, ERROR_INVALID, 0, "neither text nor list");
    for (size_t i = 0; i < json_count(value); i++)
        strv_add(v, json_string(json_at(value, i)));
    return 0;
}

static void encode_command(const void *field, struct json_writer *w)
{
    const struct strv *v = field;
    json_begin_array(w);
    for (size_t i = 0; i < v->count; i++)
        json_put_string(w, v->items[i]);
    json_end_array(w);
}

static void release_command(void *field)
{
    strv_release(field);
}

static bool command_is_empty(const void *field)
{
    return ((const struct strv *)field)->count == 0;
}

static const struct json_custom command = {
    .decode = decode_command, .encode = encode_command, .release = release_command, .is_empty = command_is_empty};

struct outer {
    char *text;
    bool flag;
    int64_t number;
    uint32_t small;
    uint64_t large;
    double real;
    struct strv list;
    struct strmap map;
    bool *opt_flag;
    int64_t *opt_number;
    struct inner object;
    struct inner *pointer;
    struct json_array items;
    struct json *raw;
    struct strv command;
};

#define ROW(name_, type_, member, ...)                                                                                 \
    {                                                                                                                  \
        .name = (name_), .type = (type_), .offset = offsetof(struct outer, member), __VA_ARGS__                        \
    }

static const struct json_field outer_fields[] = {
    ROW("Text", JSON_FIELD_STRING, text),
    ROW("Flag", JSON_FIELD_BOOL, flag),
    ROW("Number", JSON_FIELD_INT, number),
    ROW("Small", JSON_FIELD_UINT32, small),
    ROW("Large", JSON_FIELD_UINT64, large),
    ROW("Real", JSON_FIELD_DOUBLE, real),
    ROW("List", JSON_FIELD_STRV, list),
    ROW("Map", JSON_FIELD_STRMAP, map),
    ROW("OptFlag", JSON_FIELD_OPT_BOOL, opt_flag),
    ROW("OptNumber", JSON_FIELD_OPT_INT, opt_number),
    ROW("Object", JSON_FIELD_OBJECT, object, .table = &inner_table),
    ROW("Pointer", JSON_FIELD_OBJECT_PTR, pointer, .table = &inner_table),
    ROW("Items", JSON_FIELD_ARRAY, items, .table = &inner_table),
    ROW("Raw", JSON_FIELD_RAW, raw),
    ROW("Command", JSON_FIELD_CUSTOM, command, .custom = &command),
};
static const struct json_table outer_table = JSON_TABLE(struct outer, outer_fields);

/* The same, with everything empty left out. */
static struct json_field sparse_fields[ARRAY_SIZE(outer_fields)];
/* With everything empty as null. */
static struct json_field null_fields[ARRAY_SIZE(outer_fields)];
static const struct json_table sparse_table = JSON_TABLE(struct outer, sparse_fields);
static const struct json_table null_table = JSON_TABLE(struct outer, null_fields);

static int make_tables(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(outer_fields); i++) {
        sparse_fields[i] = null_fields[i] = outer_fields[i];
        sparse_fields[i].flags = JSON_OMIT_EMPTY;
        null_fields[i].flags = JSON_NULL_EMPTY;
    }
    return 0;
}

static void release_outer(struct outer *o)
{
    json_table_release(&outer_table, o);
}
#define CLEANUP_OUTER CLEANUP(release_outer)

static void decode(const char *text, struct outer *o)
{
    struct error err = {0};
    if (json_table_decode_text(&outer_table, text, strlen(text), o, &err) < 0)
        fail_msg("%s: %s", text, err.message);
}

static char *encode(const struct json_table *table, const void *object)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &out);
    json_table_encode(table, object, &w);
    return strbuf_take(&out);
}

static void assert_encoded(const struct json_table *table, const void *object, const char *expected)
{
    CLEANUP_FREE char *text = encode(table, object);
    assert_string_equal(text, expected);
}

static void assert_refused(const char *text, const char *message)
{
    CLEANUP_OUTER struct outer o = {0};
    struct error err = {0};
    assert_int_equal(json_table_decode_text(&outer_table, text, strlen(text), &o, &err), -EINVAL);
    assert_string_equal(err.message, message);
    assert_int_equal(err.kind, ERROR_INVALID);
}

static const char full[] =
    "{\"Text\":\"x\",\"Flag\":true,\"Number\":-5,\"Small\":4294967295,\"Large\":18446744073709551615,\"Real\":0.5,"
    "\"List\":[\"a\",\"\"],\"Map\":{\"k\":\"v\",\"a\":\"\"},\"OptFlag\":false,\"OptNumber\":0,"
    "\"Object\":{\"Name\":\"o\",\"Size\":1},\"Pointer\":{\"Name\":\"p\"},"
    "\"Items\":[{\"Name\":\"i\"},{\"Name\":\"j\",\"Size\":2}],\"Raw\":{\"any\":[1,null]},\"Command\":[\"sh\",\"-c\"]}";

static void every_type_is_decoded_into_its_place(void **state)
{
    (void)state;
    CLEANUP_OUTER struct outer o = {0};
    decode(full, &o);
    assert_string_equal(o.text, "x");
    assert_int_equal(o.flag, true);
    assert_int_equal(o.number, -5);
    assert_true(o.small == UINT32_MAX);
    assert_true(o.large == UINT64_MAX);
    assert_true(o.real == 0.5);
    assert_int_equal(o.list.count, 2);
    assert_string_equal(o.list.items[1], "");
    assert_string_equal(strmap_get(&o.map, "k"), "v");
    assert_non_null(o.opt_flag);
    assert_int_equal(*o.opt_flag, false);
    assert_int_equal(*o.opt_number, 0);
    assert_string_equal(o.object.name, "o");
    assert_string_equal(o.pointer->name, "p");
    assert_int_equal(o.items.count, 2);
    assert_int_equal(((struct inner *)o.items.items)[1].size, 2);
    assert_int_equal(json_count(json_get(o.raw, "any")), 2);
    assert_string_equal(o.command.items[1], "-c");
}

static void what_is_decoded_encodes_to_the_same_text(void **state)
{
    (void)state;
    CLEANUP_OUTER struct outer o = {0};
    decode(full, &o);
    assert_encoded(&outer_table, &o, full);
    assert_encoded(&null_table, &o, full);
}

static void an_empty_struct_prints_gos_zero_values(void **state)
{
    (void)state;
    struct outer o = {0};
    assert_encoded(
        &outer_table, &o,
        "{\"Text\":\"\",\"Flag\":false,\"Number\":0,\"Small\":0,\"Large\":0,\"Real\":0,\"List\":[],\"Map\":{},"
        "\"OptFlag\":null,\"OptNumber\":null,\"Object\":{\"Name\":\"\"},\"Pointer\":null,\"Items\":[],"
        "\"Raw\":null,\"Command\":[]}");
}

static void null_empty_prints_null_for_what_can_be_nil(void **state)
{
    (void)state;
    struct outer o = {0};
    assert_encoded(&null_table, &o,
                   "{\"Text\":null,\"Flag\":false,\"Number\":0,\"Small\":0,\"Large\":0,\"Real\":0,\"List\":null,"
                   "\"Map\":null,\"OptFlag\":null,\"OptNumber\":null,\"Object\":null,\"Pointer\":null,\"Items\":null,"
                   "\"Raw\":null,\"Command\":null}");
    o.text = xstrdup("");
    CLEANUP_FREE char *text = encode(&null_table, &o);
    assert_memory_equal(text, "{\"Text\":\"\",", 11);
    release_outer(&o);
}

static void omit_empty_leaves_out_everything_empty(void **state)
{
    (void)state;
    CLEANUP_OUTER struct outer o = {0};
    assert_encoded(&sparse_table, &o, "{}");
    o.text = xstrdup("");
    assert_encoded(&sparse_table, &o, "{}");
    decode("{\"OptFlag\":false,\"OptNumber\":0,\"Pointer\":{\"Name\":\"\"},\"List\":[\"\"]}", &o);
    assert_encoded(&sparse_table, &o,
                   "{\"List\":[\"\"],\"OptFlag\":false,\"OptNumber\":0,\"Pointer\":{\"Name\":\"\"}}");
}

static void members_can_be_written_into_an_object_already_begun(void **state)
{
    (void)state;
    struct inner i = {.name = (char[]){"x"}, .size = 3};
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &out);
    json_begin_object(&w);
    json_member_int(&w, "first", 1);
    json_table_encode_members(&inner_table, &i, &w);
    json_end_object(&w);
    assert_string_equal(out.data, "{\"first\":1,\"Name\":\"x\",\"Size\":3}");
}

static void names_match_exactly_or_else_ignoring_case(void **state)
{
    (void)state;
    CLEANUP_OUTER struct outer o = {0};
    decode("{\"text\":\"a\",\"NUMBER\":3,\"oPTfLAG\":true}", &o);
    assert_string_equal(o.text, "a");
    assert_int_equal(o.number, 3);
    assert_int_equal(*o.opt_flag, true);

    struct pair {
        int64_t lower;
        int64_t upper;
    };
    static const struct json_field fields[] = {
        {"a", JSON_FIELD_INT, offsetof(struct pair, lower), 0, NULL, NULL},
        {"A", JSON_FIELD_INT, offsetof(struct pair, upper), 0, NULL, NULL},
    };
    static const struct json_table table = JSON_TABLE(struct pair, fields);
    struct pair p = {0};
    assert_int_equal(json_table_decode_text(&table, "{\"A\":1,\"a\":2}", 13, &p, NULL), 0);
    assert_int_equal(p.upper, 1);
    assert_int_equal(p.lower, 2);
}

static void the_last_of_several_members_of_a_name_wins(void **state)
{
    (void)state;
    CLEANUP_OUTER struct outer o = {0};
    decode(
        "{\"Text\":\"a\",\"List\":[\"1\"],\"Map\":{\"x\":\"1\"},\"OptNumber\":1,\"Items\":[{\"Name\":\"a\"}],\"Raw\":1,"
        "\"Text\":\"b\",\"List\":[\"2\"],\"Map\":{\"y\":\"2\"},\"OptNumber\":2,\"Items\":[{\"Name\":\"b\"}],\"Raw\":2}",
        &o);
    assert_string_equal(o.text, "b");
    assert_int_equal(o.list.count, 1);
    assert_string_equal(o.list.items[0], "2");
    assert_int_equal(o.map.count, 1);
    assert_string_equal(strmap_get(&o.map, "y"), "2");
    assert_int_equal(*o.opt_number, 2);
    assert_int_equal(o.items.count, 1);
    assert_string_equal(((struct inner *)o.items.items)[0].name, "b");
    assert_int_equal(o.raw->integer, 2);
}

static void absent_members_keep_their_former_values(void **state)
{
    (void)state;
    CLEANUP_OUTER struct outer o = {0};
    decode(full, &o);
    decode("{\"Number\":9,\"Object\":{\"Name\":\"new\"},\"Pointer\":{\"Name\":\"q\",\"Size\":4}}", &o);
    assert_string_equal(o.text, "x");
    assert_int_equal(o.number, 9);
    assert_string_equal(o.object.name, "new");
    assert_int_equal(o.object.size, 1);
    assert_string_equal(o.pointer->name, "q");
    assert_int_equal(o.pointer->size, 4);
    assert_int_equal(o.list.count, 2);
}

static void null_keeps_plain_values_and_empties_what_can_be_nil(void **state)
{
    (void)state;
    CLEANUP_OUTER struct outer o = {0};
    decode(full, &o);
    decode("{\"Text\":null,\"Flag\":null,\"Number\":null,\"Small\":null,\"Large\":null,\"Real\":null,\"List\":null,"
           "\"Map\":null,\"OptFlag\":null,\"OptNumber\":null,\"Object\":null,\"Pointer\":null,\"Items\":null,"
           "\"Raw\":null,\"Command\":null}",
           &o);
    assert_string_equal(o.text, "x");
    assert_int_equal(o.flag, true);
    assert_int_equal(o.number, -5);
    assert_int_equal(o.list.count, 0);
    assert_int_equal(o.map.count, 0);
    assert_null(o.opt_flag);
    assert_null(o.opt_number);
    assert_string_equal(o.object.name, "o");
    assert_null(o.pointer);
    assert_int_equal(o.items.count, 0);
    assert_int_equal(o.raw->kind, JSON_NULL);
    assert_int_equal(o.command.count, 0);
}

static void null_items_are_zero_values(void **state)
{
    (void)state;
    CLEANUP_OUTER struct outer o = {0};
    decode("{\"List\":[null,\"a\"],\"Map\":{\"k\":null},\"Items\":[null]}", &o);
    assert_string_equal(o.list.items[0], "");
    assert_string_equal(strmap_get(&o.map, "k"), "");
    assert_int_equal(o.items.count, 1);
    assert_null(((struct inner *)o.items.items)[0].name);
}

static void a_wrong_kind_names_the_path_and_both_kinds(void **state)
{
    (void)state;
    assert_refused("[]", "expected an object, got an array");
    assert_refused("{\"Text\":1}", "Text: expected a string, got a number");
    assert_refused("{\"Flag\":\"true\"}", "Flag: expected a boolean, got a string");
    assert_refused("{\"Number\":\"5\"}", "Number: expected a number, got a string");
    assert_refused("{\"Small\":true}", "Small: expected a number, got a boolean");
    assert_refused("{\"Real\":{}}", "Real: expected a number, got an object");
    assert_refused("{\"List\":{}}", "List: expected an array, got an object");
    assert_refused("{\"List\":[\"a\",2]}", "List[1]: expected a string, got a number");
    assert_refused("{\"Map\":[]}", "Map: expected an object, got an array");
    assert_refused("{\"Map\":{\"a\":\"b\",\"c\":false}}", "Map.c: expected a string, got a boolean");
    assert_refused("{\"OptFlag\":0}", "OptFlag: expected a boolean, got a number");
    assert_refused("{\"OptNumber\":\"\"}", "OptNumber: expected a number, got a string");
    assert_refused("{\"Object\":7}", "Object: expected an object, got a number");
    assert_refused("{\"Object\":{\"Name\":\"x\",\"Size\":[]}}", "Object.Size: expected a number, got an array");
    assert_refused("{\"Pointer\":\"x\"}", "Pointer: expected an object, got a string");
    assert_refused("{\"Items\":{}}", "Items: expected an array, got an object");
    assert_refused("{\"Items\":[{\"Name\":\"a\"},{\"Name\":\"b\",\"size\":\"c\"}]}",
                   "Items[1].size: expected a number, got a string");
    assert_refused("{\"Command\":5}", "Command: neither text nor list");
}

static void numbers_out_of_range_are_refused(void **state)
{
    (void)state;
    assert_refused("{\"Number\":1.5}", "Number: expected a whole number, got 1.5");
    assert_refused("{\"Number\":9223372036854775808}", "Number: the number 9.22337e+18 is out of range");
    assert_refused("{\"Number\":-1e19}", "Number: the number -1e+19 is out of range");
    assert_refused("{\"Small\":4294967296}", "Small: the number 4294967296 is out of range");
    assert_refused("{\"Small\":-1}", "Small: the number -1 is out of range");
    assert_refused("{\"Small\":18446744073709551615}", "Small: the number 18446744073709551615 is out of range");
    assert_refused("{\"Large\":-1}", "Large: the number -1 is out of range");
    assert_refused("{\"Large\":18446744073709551616}", "Large: the number 1.84467e+19 is out of range");
    assert_refused("{\"OptNumber\":1e300}", "OptNumber: the number 1e+300 is out of range");
}

static void a_real_without_a_fraction_is_a_whole_number(void **state)
{
    (void)state;
    CLEANUP_OUTER struct outer o = {0};
    decode("{\"Number\":1e3,\"Small\":7.0,\"Large\":1e19,\"OptNumber\":-0.0,\"Real\":3}", &o);
    assert_int_equal(o.number, 1000);
    assert_int_equal(o.small, 7);
    assert_true(o.large == 10000000000000000000u);
    assert_int_equal(*o.opt_number, 0);
    assert_true(o.real == 3.0);
}

static void a_string_with_a_nul_inside_is_refused(void **state)
{
    (void)state;
    assert_refused("{\"Text\":\"a\\u0000b\"}", "Text: the string contains a NUL");
    assert_refused("{\"List\":[\"\\u0000\"]}", "List[0]: the string contains a NUL");
    assert_refused("{\"Map\":{\"k\":\"\\u0000\"}}", "Map.k: the string contains a NUL");
}

static void required_members_must_be_there_and_not_null(void **state)
{
    (void)state;
    assert_refused("{\"Items\":[{\"Size\":1}]}", "Items[0].Name: required, but missing");
    assert_refused("{\"Object\":{}}", "Object.Name: required, but missing");
    assert_refused("{\"Pointer\":{\"Name\":null}}", "Pointer.Name: required, but missing");
    CLEANUP_OUTER struct outer o = {0};
    decode("{\"Object\":{\"name\":\"\"}}", &o);
}

static void unknown_members_are_ignored_unless_the_table_is_strict(void **state)
{
    (void)state;
    CLEANUP_OUTER struct outer o = {0};
    decode("{\"Nothing\":{\"deep\":[1]},\"Text\":\"x\"}", &o);
    assert_string_equal(o.text, "x");
    struct json_table strict = outer_table;
    strict.strict = true;
    struct error err = {0};
    const char *text = "{\"Text\":\"y\",\"Nothing\":1}";
    assert_int_equal(json_table_decode_text(&strict, text, strlen(text), &o, &err), -EINVAL);
    assert_string_equal(err.message, "Nothing: unknown member");
}

static void a_parse_error_comes_through(void **state)
{
    (void)state;
    assert_refused("{\"Text\":", "invalid JSON at line 1, column 9: parse error: premature EOF");
}

static void a_very_long_name_does_not_fill_the_message(void **state)
{
    (void)state;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    strbuf_adds(&text, "{\"Map\":{\"");
    for (int i = 0; i < 10000; i++)
        strbuf_addc(&text, 'n');
    strbuf_adds(&text, "\":1}}");
    CLEANUP_OUTER struct outer o = {0};
    struct error err = {0};
    assert_int_equal(json_table_decode_text(&outer_table, text.data, text.size, &o, &err), -EINVAL);
    assert_non_null(strstr(err.message, "nnn: expected a string, got a number"));
    assert_true(strlen(err.message) < 200);
}

static void large_maps_take_linear_time_and_the_last_value_of_a_key(void **state)
{
    (void)state;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    strbuf_adds(&text, "{\"Map\":{");
    for (int i = 0; i < 100000; i++)
        strbuf_addf(&text, "\"key%d\":\"%d\",", i % 60000, i);
    strbuf_adds(&text, "\"z\":\"\"}}");
    CLEANUP_OUTER struct outer o = {0};
    assert_int_equal(json_table_decode_text(&outer_table, text.data, text.size, &o, NULL), 0);
    assert_int_equal(o.map.count, 60001);
    assert_string_equal(o.map.items[7].key, "key7");
    assert_string_equal(o.map.items[7].value, "60007");
    assert_string_equal(o.map.items[50000].value, "50000");
}

static void release_zeroes_and_may_be_repeated(void **state)
{
    (void)state;
    struct outer o = {0};
    decode(full, &o);
    json_table_release(&outer_table, &o);
    json_table_release(&outer_table, &o);
    json_table_release(&outer_table, NULL);
    static const struct outer zero;
    assert_memory_equal(&o, &zero, sizeof o);
}

static void a_copy_is_deep_and_replaces_what_was_there(void **state)
{
    (void)state;
    struct outer from = {0};
    CLEANUP_OUTER struct outer to = {0};
    decode(full, &from);
    decode("{\"Text\":\"old\",\"Items\":[{\"Name\":\"old\"}],\"Raw\":[1],\"Pointer\":{\"Name\":\"old\"}}", &to);
    json_table_copy(&outer_table, &to, &from);
    json_table_copy(&outer_table, &to, &to);
    release_outer(&from);
    assert_encoded(&outer_table, &to, full);
}

static void a_copy_keeps_null_and_empty_apart(void **state)
{
    (void)state;
    CLEANUP_OUTER struct outer from = {0};
    CLEANUP_OUTER struct outer to = {0};
    decode("{\"Text\":\"\",\"Pointer\":{\"Name\":\"\"},\"OptNumber\":0}", &from);
    json_table_copy(&outer_table, &to, &from);
    assert_non_null(to.text);
    assert_non_null(to.pointer);
    assert_non_null(to.pointer->name);
    assert_null(to.object.name);
    assert_null(to.opt_flag);
    assert_non_null(to.opt_number);
    assert_null(to.raw);
}

static void half_decoded_objects_release_cleanly(void **state)
{
    (void)state;
    /* Every prefix of the members, then one that fails: the leak checker watches. */
    static const char *const members[] = {
        "\"Text\":\"x\"",
        "\"List\":[\"a\",1]",
        "\"Map\":{\"a\":\"b\",\"c\":1}",
        "\"Items\":[{\"Name\":\"a\"},{\"Size\":1}]",
        "\"Pointer\":{\"Name\":\"x\",\"Size\":\"y\"}",
        "\"Command\":{}",
    };
    for (size_t i = 1; i < ARRAY_SIZE(members); i++) {
        CLEANUP_FREE char *text = xasprintf("{%s,\"Raw\":{},\"OptNumber\":1,%s}", members[0], members[i]);
        CLEANUP_OUTER struct outer o = {0};
        assert_int_equal(json_table_decode_text(&outer_table, text, strlen(text), &o, NULL), -EINVAL);
        assert_string_equal(o.text, "x");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_decoded_into_its_place),
        cmocka_unit_test(what_is_decoded_encodes_to_the_same_text),
        cmocka_unit_test(an_empty_struct_prints_gos_zero_values),
        cmocka_unit_test(null_empty_prints_null_for_what_can_be_nil),
        cmocka_unit_test(omit_empty_leaves_out_everything_empty),
        cmocka_unit_test(members_can_be_written_into_an_object_already_begun),
        cmocka_unit_test(names_match_exactly_or_else_ignoring_case),
        cmocka_unit_test(the_last_of_several_members_of_a_name_wins),
        cmocka_unit_test(absent_members_keep_their_former_values),
        cmocka_unit_test(null_keeps_plain_values_and_empties_what_can_be_nil),
        cmocka_unit_test(null_items_are_zero_values),
        cmocka_unit_test(a_wrong_kind_names_the_path_and_both_kinds),
        cmocka_unit_test(numbers_out_of_range_are_refused),
        cmocka_unit_test(a_real_without_a_fraction_is_a_whole_number),
        cmocka_unit_test(a_string_with_a_nul_inside_is_refused),
        cmocka_unit_test(required_members_must_be_there_and_not_null),
        cmocka_unit_test(unknown_members_are_ignored_unless_the_table_is_strict),
        cmocka_unit_test(a_parse_error_comes_through),
        cmocka_unit_test(a_very_long_name_does_not_fill_the_message),
        cmocka_unit_test(large_maps_take_linear_time_and_the_last_value_of_a_key),
        cmocka_unit_test(release_zeroes_and_may_be_repeated),
        cmocka_unit_test(a_copy_is_deep_and_replaces_what_was_there),
        cmocka_unit_test(a_copy_keeps_null_and_empty_apart),
        cmocka_unit_test(half_decoded_objects_release_cleanly),
    };
    return cmocka_run_group_tests(tests, make_tables, NULL);
}
