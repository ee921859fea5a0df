#include "base/sha256.h"

#include <stdbool.h>
#include <string.h>

const uint32_t sha256_initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

const uint32_t sha256_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* ---- plain C ---- */

static uint32_t rotate(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static uint32_t read_word(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void plain_block(uint32_t state[8], const unsigned char *data)
{
    uint32_t w[64], v[8];
    for (int i = 0; i < 16; i++)
        w[i] = read_word(data + 4 * i);
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] =
            w[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + w[i - 7] + (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
    }
    memcpy(v, state, sizeof v);
#pragma GCC unroll 8
    for (int i = 0; i < 64; i++) {
        uint32_t a = v[0], e = v[4];
        uint32_t t1 = v[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & v[5]) ^ (~e & v[6])) +
                      sha256_constants[i] + w[i];
        uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
        v[7] = v[6], v[6] = v[5], v[5] = e, v[4] = v[3] + t1;
        v[3] = v[2], v[2] = v[1], v[1] = a, v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++)
        state[i] += v[i];
}

#ifdef __x86_64__

#include <cpuid.h>
#include <immintrin.h>

/* ---- the SHA extensions ---- */

/* tests/unit/test_sha256.c runs this on processors without the extensions, too, by standing in for the intrinsics. */
#include "base/sha256_extensions.h"

static void extensions_blocks(uint32_t state[8], const unsigned char *data, size_t blocks)
{
    sha256_extensions_run(state, data, blocks);
}

/* ---- eight lanes ---- */

#define LANES_NAME(suffix) lanes_avx2##suffix
#define LANES_TARGET "avx2"
#define ROR(x, n) _mm256_or_si256(_mm256_srli_epi32(x, n), _mm256_slli_epi32(x, 32 - (n)))
#define CHOOSE(e, f, g) _mm256_xor_si256(g, _mm256_and_si256(e, _mm256_xor_si256(f, g)))
#define MAJORITY(a, b, c) _mm256_or_si256(_mm256_and_si256(a, b), _mm256_and_si256(c, _mm256_or_si256(a, b)))
#define XOR3(x, y, z) _mm256_xor_si256(x, _mm256_xor_si256(y, z))
#include "base/sha256_lanes.h"

#define LANES_NAME(suffix) lanes_avx512##suffix
#define LANES_TARGET "avx2,avx512f,avx512vl"
#define ROR(x, n) _mm256_ror_epi32(x, n)
#define CHOOSE(e, f, g) _mm256_ternarylogic_epi32(e, f, g, 0xca)
#define MAJORITY(a, b, c) _mm256_ternarylogic_epi32(a, b, c, 0xe8)
#define XOR3(x, y, z) _mm256_ternarylogic_epi32(x, y, z, 0x96)
#include "base/sha256_lanes.h"

/* Do the extensions give what plain C gives? One block; so an emulator's or our own mistake cannot spoil a store. */
static bool extensions_work(void)
{
    static const unsigned char block[SHA256_BLOCK] = "every digest in the store depends on this";
    uint32_t a[8], b[8];
    memcpy(a, sha256_initial, sizeof a);
    memcpy(b, sha256_initial, sizeof b);
    plain_block(a, block);
    extensions_blocks(b, block, 1);
    return memcmp(a, b, sizeof a) == 0;
}

/* Which registers the system saves (XCR0). */
static unsigned saved_registers(unsigned features)
{
    unsigned low = 0, high;
    if (features & bit_OSXSAVE)
        __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

/* The processor is asked when there is something to hash. With __builtin_cpu_supports() every program asks it when it
 * starts, which takes a tenth of a millisecond in a virtual machine. */
enum sha256_kind sha256_best(void)
{
    enum { AVX_STATE = 0x6, AVX512_STATE = 0xe6, SHA = 1u << 29 };
    unsigned a, b = 0, c = 0, d;
    if (!__get_cpuid(1, &a, &b, &c, &d))
        return SHA256_PLAIN;
    unsigned features = c, saved = saved_registers(features);
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return SHA256_PLAIN;
    if ((b & SHA) && (features & bit_SSE4_1) && extensions_work())
        return SHA256_EXTENSIONS;
    bool avx2 = (b & bit_AVX2) && (saved & AVX_STATE) == AVX_STATE;
    if (avx2 && (b & bit_AVX512F) && (b & bit_AVX512VL) && (saved & AVX512_STATE) == AVX512_STATE)
        return SHA256_LANES_AVX512;
    return avx2 ? SHA256_LANES_AVX2 : SHA256_PLAIN;
}

void sha256_blocks_lanes(enum sha256_kind kind, uint32_t *const states[], const unsigned char *const data[],
                         size_t count, size_t blocks)
{
    uint32_t columns[8][SHA256_LANES];
    const unsigned char *lanes[SHA256_LANES];
    for (size_t lane = 0; lane < SHA256_LANES; lane++) {
        size_t from = lane < count ? lane : 0; /* lanes that are not needed do something harmless */
        lanes[lane] = data[from];
        for (int i = 0; i < 8; i++)
            columns[i][lane] = states[from][i];
    }
    if (kind == SHA256_LANES_AVX512)
        lanes_avx512_run(columns, lanes, blocks);
    else
        lanes_avx2_run(columns, lanes, blocks);
    for (size_t lane = 0; lane < count; lane++)
        for (int i = 0; i < 8; i++)
            states[lane][i] = columns[i][lane];
}

#else

static void extensions_blocks(uint32_t state[8], const unsigned char *data, size_t blocks)
{
    for (; blocks > 0; blocks--, data += SHA256_BLOCK)
        plain_block(state, data);
}

enum sha256_kind sha256_best(void)
{
    return SHA256_PLAIN;
}

void sha256_blocks_lanes(enum sha256_kind kind, uint32_t *const states[], const unsigned char *const data[],
                         size_t count, size_t blocks)
{
    for (size_t i = 0; i < count; i++)
        sha256_blocks(kind, states[i], data[i], blocks);
}

#endif

void sha256_blocks(enum sha256_kind kind, uint32_t state[8], const unsigned char *data, size_t blocks)
{
    if (kind == SHA256_EXTENSIONS) {
        extensions_blocks(state, data, blocks);
        return;
    }
    for (; blocks > 0; blocks--, data += SHA256_BLOCK)
        plain_block(state, data);
}
