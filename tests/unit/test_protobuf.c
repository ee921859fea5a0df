#include "tests/unit/base_test.h"

#include <errno.h>
#include <string.h>

#include "runtime/protobuf.h"

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    CLEANUP_STRBUF struct strbuf inner = STRBUF_INIT, out = STRBUF_INIT;
    protobuf_add_string(&inner, 1, "text");
    protobuf_add_int(&out, 7, 300);
    protobuf_add_int(&out, 8, -1);
    protobuf_add_string(&out, 9, NULL);
    protobuf_add_message(&out, 1000, &inner);
    struct protobuf_reader reader = {.data = (unsigned char *)out.data, .size = out.size};
    struct protobuf_field field;
    assert_int_equal(protobuf_next(&reader, &field), 1);
    assert_int_equal(field.number, 7);
    assert_int_equal(field.value, 300);
    assert_int_equal(protobuf_next(&reader, &field), 1);
    assert_int_equal((int64_t)field.value, -1);
    assert_int_equal(protobuf_next(&reader, &field), 1);
    assert_int_equal(field.number, 1000);
    assert_int_equal(field.size, inner.size);
    assert_memory_equal(field.data, "\x0a\x04text", 6);
    assert_int_equal(protobuf_next(&reader, &field), 0);
}

static void numbers_have_the_documented_encoding(void **state)
{
    (void)state;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    protobuf_add_int(&out, 1, 150); /* the example of the format's documentation */
    assert_int_equal(out.size, 3);
    assert_memory_equal(out.data, "\x08\x96\x01", 3);
}

static void what_is_no_message_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } bad[] = {
        {"\x00\x01", 2}, /* field 0 */
        {"\x08", 1},     /* no value */
        {"\x0a\x05"
         "abc",
         5},                                                      /* shorter than it says */
        {"\x0b", 1},                                              /* a group */
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12}, /* more than 64 bits */
        {"\x09\x01", 2},                                          /* half of a fixed number */
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct protobuf_reader reader = {.data = (const unsigned char *)bad[i].bytes, .size = bad[i].size};
        struct protobuf_field field;
        assert_int_equal(protobuf_next(&reader, &field), -EBADMSG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(numbers_have_the_documented_encoding),
        cmocka_unit_test(what_is_no_message_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
