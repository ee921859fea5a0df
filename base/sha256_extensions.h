/*
 * One stream with the SHA extensions of x86 (Intel's manual, volume 2: SHA256RNDS2, SHA256MSG1, SHA256MSG2). The
 * instructions want the state as ABEF and CDGH and do two rounds at a time, four words of the message being in one
 * register. Included by sha256.c and by its test, which defines SHA256_EMULATED to stand in for the three instructions.
 */
#ifndef DORY_BASE_SHA256_EXTENSIONS_H
#define DORY_BASE_SHA256_EXTENSIONS_H

#ifndef SHA256_EMULATED
#define SHA256_RNDS2 _mm_sha256rnds2_epu32
#define SHA256_MSG1 _mm_sha256msg1_epu32
#define SHA256_MSG2 _mm_sha256msg2_epu32
#define SHA256_TARGET "sha,sse4.1"
#else
#define SHA256_TARGET "sse4.1"
#endif

__attribute__((target(SHA256_TARGET))) static void sha256_extensions_run(uint32_t state[8], const unsigned char *data,
                                                                         size_t blocks)
{
    const __m128i swap = _mm_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
    __m128i abef = _mm_setr_epi32((int)state[5], (int)state[4], (int)state[1], (int)state[0]);
    __m128i cdgh = _mm_setr_epi32((int)state[7], (int)state[6], (int)state[3], (int)state[2]);
    for (; blocks > 0; blocks--, data += SHA256_BLOCK) {
        const __m128i abef_before = abef, cdgh_before = cdgh;
        __m128i w[4];
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) { /* four rounds each */
            __m128i *now = &w[i & 3];
            if (i < 4) {
                *now = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(data + 16 * i)), swap);
            } else {
                __m128i three = w[(i + 3) & 3], two = w[(i + 2) & 3];
                *now = SHA256_MSG1(*now, w[(i + 1) & 3]);
                *now = SHA256_MSG2(_mm_add_epi32(*now, _mm_alignr_epi8(three, two, 4)), three);
            }
            __m128i sum = _mm_add_epi32(*now, _mm_loadu_si128((const __m128i *)(sha256_constants + 4 * i)));
            cdgh = SHA256_RNDS2(cdgh, abef, sum);
            abef = SHA256_RNDS2(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    uint32_t x[4], y[4];
    _mm_storeu_si128((__m128i *)x, abef);
    _mm_storeu_si128((__m128i *)y, cdgh);
    state[0] = x[3], state[1] = x[2], state[4] = x[1], state[5] = x[0];
    state[2] = y[3], state[3] = y[2], state[6] = y[1], state[7] = y[0];
}

#endif
