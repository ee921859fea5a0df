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

/* What digest_of says of the same bytes. */
static void expect(const unsigned char *data, size_t size, const char *got)
{
    char text[DIGEST_TEXT_MAX];
    digest_of(data, size, text);
    assert_string_equal(got, text);
}

static void streams_that_are_hashed_together_do_not_mix(void **state)
{
    (void)state;
    enum { STREAMS = 11, SIZE = 100000 };
    static unsigned char data[STREAMS][SIZE];
    struct digest_pool pool;
    struct digest_stream streams[STREAMS];
    size_t sizes[STREAMS], at[STREAMS] = {0}, pieces[STREAMS] = {0};
    uint32_t random = 1;
    digest_pool_init(&pool);
    for (size_t i = 0; i < STREAMS; i++) {
        digest_stream_open(&streams[i], &pool);
        sizes[i] = SIZE - i * 997;
        for (size_t j = 0; j < SIZE; j++)
            data[i][j] = (unsigned char)((random = random * 1664525 + 1013904223) >> 24);
    }
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < STREAMS; i++) {
            random = random * 1664525 + 1013904223;
            /* Mostly whole blocks as the pipes have them, some odd sizes. */
            size_t n = i % 3 ? (random >> 20) & ~63u : random >> 20;
            n = n < sizes[i] - at[i] ? n : sizes[i] - at[i];
            digest_stream_add(&streams[i], data[i] + at[i], n);
            at[i] += n;
            pieces[i]++;
            if (random & 1024)
                digest_stream_wait(&streams[i], pieces[i]);
            more = more || at[i] < sizes[i];
        }
    }
    for (size_t i = 0; i < STREAMS; i++) {
        char text[DIGEST_TEXT_MAX];
        digest_stream_final_text(&streams[i], text);
        expect(data[i], sizes[i], text);
        digest_stream_wait(&streams[i], pieces[i]);
        digest_stream_close(&streams[i]);
    }
    digest_pool_release(&pool);
}

static void every_kind_of_the_processor_gives_the_same(void **state)
{
    (void)state;
    static unsigned char data[SHA256_LANES][1024];
    for (size_t i = 0; i < sizeof data; i++)
        data[i / 1024][i % 1024] = (unsigned char)(i * i >> 3);
    enum sha256_kind best = sha256_best();
    for (int kind = SHA256_PLAIN; kind <= (int)best; kind++) {
        uint32_t states[SHA256_LANES][8], plain[8], *where[SHA256_LANES];
        const unsigned char *from[SHA256_LANES];
        for (size_t i = 0; i < SHA256_LANES; i++) {
            memcpy(states[i], sha256_initial, sizeof states[i]);
            where[i] = states[i];
            from[i] = data[i];
        }
        if (kind >= SHA256_LANES_AVX2)
            sha256_blocks_lanes(kind, where, from, SHA256_LANES, 1024 / SHA256_BLOCK);
        for (size_t i = 0; i < SHA256_LANES; i++) {
            memcpy(plain, sha256_initial, sizeof plain);
            sha256_blocks(SHA256_PLAIN, plain, data[i], 1024 / SHA256_BLOCK);
            if (kind >= SHA256_LANES_AVX2)
                assert_memory_equal(states[i], plain, sizeof plain);
        }
    }
}

static void an_abandoned_stream_is_forgotten(void **state)
{
    (void)state;
    struct digest_pool pool;
    struct digest_stream a = {0}, b;
    digest_stream_close(&a);
    digest_pool_init(&pool);
    digest_stream_open(&a, &pool);
    digest_stream_open(&b, &pool);
    digest_stream_add(&a, "gone", 4);
    digest_stream_close(&a);
    digest_stream_add(&b, "abc", 3);
    char text[DIGEST_TEXT_MAX];
    digest_stream_final_text(&b, text);
    expect((const unsigned char *)"abc", 3, text);
    digest_stream_close(&b);
    digest_pool_release(&pool);
}

#ifdef __x86_64__
#include <immintrin.h>

/*
 * The SHA extensions by the pseudo-code of Intel's manual, so that the code for them is tested on processors that lack
 * them.
 */
static uint32_t turn(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static __m128i emulated_rnds2(__m128i cdgh, __m128i abef, __m128i wk)
{
    uint32_t x[4], y[4], k[4];
    _mm_storeu_si128((__m128i *)x, cdgh);
    _mm_storeu_si128((__m128i *)y, abef);
    _mm_storeu_si128((__m128i *)k, wk);
    uint32_t a = y[3], b = y[2], c = x[3], d = x[2], e = y[1], f = y[0], g = x[1], h = x[0];
    for (int i = 0; i < 2; i++) {
        uint32_t t = ((e & f) ^ (~e & g)) + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + k[i] + h;
        uint32_t u = t + ((a & b) ^ (a & c) ^ (b & c)) + (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22));
        h = g, g = f, f = e, e = t + d, d = c, c = b, b = a, a = u;
    }
    return _mm_setr_epi32((int)f, (int)e, (int)b, (int)a);
}

static uint32_t small0(uint32_t x)
{
    return turn(x, 7) ^ turn(x, 18) ^ x >> 3;
}

static uint32_t small1(uint32_t x)
{
    return turn(x, 17) ^ turn(x, 19) ^ x >> 10;
}

static __m128i emulated_msg1(__m128i first, __m128i second)
{
    uint32_t x[4], y[4];
    _mm_storeu_si128((__m128i *)x, first);
    _mm_storeu_si128((__m128i *)y, second);
    return _mm_setr_epi32((int)(x[0] + small0(x[1])), (int)(x[1] + small0(x[2])), (int)(x[2] + small0(x[3])),
                          (int)(x[3] + small0(y[0])));
}

static __m128i emulated_msg2(__m128i first, __m128i second)
{
    uint32_t x[4], y[4], w[4];
    _mm_storeu_si128((__m128i *)x, first);
    _mm_storeu_si128((__m128i *)y, second);
    w[0] = x[0] + small1(y[2]);
    w[1] = x[1] + small1(y[3]);
    w[2] = x[2] + small1(w[0]);
    w[3] = x[3] + small1(w[1]);
    return _mm_loadu_si128((const __m128i *)w);
}

#define SHA256_EMULATED
#define SHA256_RNDS2 emulated_rnds2
#define SHA256_MSG1 emulated_msg1
#define SHA256_MSG2 emulated_msg2
#include "base/sha256_extensions.h"

static void the_sha_extensions_are_used_as_intel_describes_them(void **state)
{
    (void)state;
    static unsigned char data[64 * SHA256_BLOCK];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(i * 7 + i / 64);
    uint32_t a[8], b[8];
    memcpy(a, sha256_initial, sizeof a);
    memcpy(b, sha256_initial, sizeof b);
    sha256_blocks(SHA256_PLAIN, a, data, 64);
    sha256_extensions_run(b, data, 64);
    assert_memory_equal(a, b, sizeof a);
}
#else
static void the_sha_extensions_are_used_as_intel_describes_them(void **state)
{
    (void)state;
    skip();
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_digests_come_out),
        cmocka_unit_test(the_size_of_the_pieces_does_not_matter),
        cmocka_unit_test(streams_that_are_hashed_together_do_not_mix),
        cmocka_unit_test(every_kind_of_the_processor_gives_the_same),
        cmocka_unit_test(an_abandoned_stream_is_forgotten),
        cmocka_unit_test(the_sha_extensions_are_used_as_intel_describes_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
