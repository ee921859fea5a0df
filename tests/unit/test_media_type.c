#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/media_type.h"
#include "base/memory.h"

static const char *const offers[] = {"application/jsonl", "application/x-ndjson", MEDIA_TYPE_JSON_SEQUENCE, NULL};

static void the_heaviest_offer_that_is_named_is_taken(void **state)
{
    static const struct {
        const char *accept, *expected;
    } rows[] = {
        {"application/jsonl", "application/jsonl"},
        {"Application/X-NDJSON", "application/x-ndjson"},
        {"application/json-seq, application/jsonl", "application/jsonl"},
        {"application/jsonl;q=0.5, application/json-seq;q=0.75", "application/json-seq"},
        {"text/html , application/x-ndjson ; charset=utf-8 ; q=0.001", "application/x-ndjson"},
        {"application/jsonl;q=0.1,application/x-ndjson;q=1.000", "application/x-ndjson"},
        {",,;;,application/json-seq", "application/json-seq"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_string_equal(media_type_accepted(rows[i].accept, offers), rows[i].expected);
}

static void what_names_none_of_them_takes_none(void **state)
{
    static const char *const rows[] = {
        "",
        "*/*",
        "application/*",
        "application/json",
        "application/jsonlines",
        "application/json-seq;q=0",
        "application/jsonl;q=0.000",
        "application/jsonl;q=",
        "application/jsonl;q=2",
        "application/jsonl;q=1.001",
        "application/jsonl;q=0,5",
        "application/jsonl;q=0.1234",
        "application/jsonl;q=-1",
        "application/jsonl;q=0x1",
        "xapplication/jsonl",
    };

    (void)state;
    assert_null(media_type_accepted(NULL, offers));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *taken = media_type_accepted(rows[i], offers);

        if (taken)
            fail_msg("\"%s\" is taken for %s", rows[i], taken);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_heaviest_offer_that_is_named_is_taken),
        cmocka_unit_test(what_names_none_of_them_takes_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
