/* SHA-256 against the examples of FIPS 180-4, whole and in pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "image/digest.h"

static const struct {
    const char *text, *digest;
} known[] = {
    {"", "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "sha256:248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};

static void known_digests_come_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        char text[DIGEST_TEXT_MAX];
        digest_of(known[i].text, strlen(known[i].text), text);
        assert_string_equal(text, known[i].digest);
        assert_true(digest_is_valid(text));
        assert_string_equal(digest_hex(text), text + 7);
    }
}

static void the_size_of_the_pieces_does_not_matter(void **state)
{
    (void)state;
    for (size_t piece = 1; piece < 70; piece++) {
        struct digest digest;
        digest_init(&digest);
        for (size_t left = 1000000; left > 0;) {
            static const char as[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
            size_t n = left < piece ? left : piece;
            digest_update(&digest, as, n);
            left -= n;
        }
        char text[DIGEST_TEXT_MAX];
        digest_final_text(&digest, text);
        assert_string_equal(text, "sha256:cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    }
}

static void a_digest_can_be_abandoned(void **state)
{
    (void)state;
    struct digest digest = {0};
    digest_release(&digest);
    digest_init(&digest);
    digest_update(&digest, "x", 1);
    digest_release(&digest);
    digest_release(&digest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_digests_come_out),
        cmocka_unit_test(the_size_of_the_pieces_does_not_matter),
        cmocka_unit_test(a_digest_can_be_abandoned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
