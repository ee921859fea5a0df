#include "tests/unit/base_test.h"

#include <string.h>

#include "base/strbuf.h"

static void an_untouched_buffer_reads_as_the_empty_string(void **state)
{
    (void)state;
    struct strbuf b = STRBUF_INIT;
    assert_string_equal(strbuf_str(&b), "");
    strbuf_clear(&b);
    strbuf_release(&b);
}

static void pieces_of_every_kind_are_appended_and_terminated(void **state)
{
    (void)state;
    CLEANUP_STRBUF struct strbuf b = STRBUF_INIT;
    strbuf_add(&b, "a\0b", 3);
    strbuf_addc(&b, 'c');
    strbuf_adds(&b, "de");
    strbuf_addf(&b, "%d", 42);
    strbuf_add(&b, NULL, 0);
    assert_int_equal(b.size, 8);
    assert_memory_equal(b.data, "a\0bcde42", 9);
}

static void a_long_format_is_written_whole(void **state)
{
    (void)state;
    CLEANUP_STRBUF struct strbuf b = STRBUF_INIT;
    strbuf_adds(&b, "start ");
    CLEANUP_FREE char *text = xmalloc(10001);
    memset(text, 'x', 10000);
    text[10000] = '\0';
    strbuf_addf(&b, "%s|%d", text, 7);
    assert_int_equal(b.size, 6 + 10000 + 2);
    assert_string_equal(b.data + 6 + 9998, "xx|7");
}

static void formats_of_every_length_around_the_growth_fit(void **state)
{
    (void)state;
    for (int n = 0; n < 300; n++) {
        CLEANUP_STRBUF struct strbuf b = STRBUF_INIT;
        strbuf_addf(&b, "%*s", n, "");
        strbuf_addf(&b, "%*s", n, "");
        assert_int_equal(b.size, 2 * n);
        assert_int_equal(strlen(b.data), 2 * n);
    }
}

static void many_small_additions_keep_all_bytes(void **state)
{
    (void)state;
    CLEANUP_STRBUF struct strbuf b = STRBUF_INIT;
    for (int i = 0; i < 100000; i++)
        strbuf_addc(&b, (char)('a' + i % 26));
    assert_int_equal(b.size, 100000);
    for (int i = 0; i < 100000; i++)
        if (b.data[i] != 'a' + i % 26)
            assert_int_equal(b.data[i], 'a' + i % 26);
    assert_int_equal(b.data[100000], 0);
}

static void reserve_gives_room_that_terminate_closes(void **state)
{
    (void)state;
    CLEANUP_STRBUF struct strbuf b = STRBUF_INIT;
    strbuf_adds(&b, "ab");
    char *room = strbuf_reserve(&b, 500);
    memset(room, 'z', 500);
    b.size += 500;
    strbuf_terminate(&b);
    assert_int_equal(strlen(b.data), 502);
}

static void terminate_alone_makes_an_empty_string(void **state)
{
    (void)state;
    CLEANUP_STRBUF struct strbuf b = STRBUF_INIT;
    strbuf_terminate(&b);
    assert_non_null(b.data);
    assert_string_equal(b.data, "");
}

static void take_hands_over_and_empties(void **state)
{
    (void)state;
    struct strbuf b = STRBUF_INIT;
    strbuf_adds(&b, "text");
    CLEANUP_FREE char *text = strbuf_take(&b);
    assert_string_equal(text, "text");
    assert_null(b.data);
    CLEANUP_FREE char *empty = strbuf_take(&b);
    assert_string_equal(empty, "");
}

static void clear_keeps_the_memory(void **state)
{
    (void)state;
    CLEANUP_STRBUF struct strbuf b = STRBUF_INIT;
    strbuf_adds(&b, "text");
    size_t capacity = b.capacity;
    strbuf_clear(&b);
    assert_int_equal(b.size, 0);
    assert_string_equal(strbuf_str(&b), "");
    assert_int_equal(b.capacity, capacity);
}

static void reserve_everything(void *data)
{
    struct strbuf b = STRBUF_INIT;
    strbuf_adds(&b, "x");
    *(char **)data = strbuf_reserve(&b, SIZE_MAX);
}

static void a_reservation_that_overflows_aborts(void **state)
{
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    skip(); /* the sanitizer ends the process in its own way */
#endif
    char *p = NULL;
    assert_int_equal(signal_that_ends(reserve_everything, &p), SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_untouched_buffer_reads_as_the_empty_string),
        cmocka_unit_test(pieces_of_every_kind_are_appended_and_terminated),
        cmocka_unit_test(a_long_format_is_written_whole),
        cmocka_unit_test(formats_of_every_length_around_the_growth_fit),
        cmocka_unit_test(many_small_additions_keep_all_bytes),
        cmocka_unit_test(reserve_gives_room_that_terminate_closes),
        cmocka_unit_test(terminate_alone_makes_an_empty_string),
        cmocka_unit_test(take_hands_over_and_empties),
        cmocka_unit_test(clear_keeps_the_memory),
        cmocka_unit_test(a_reservation_that_overflows_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
