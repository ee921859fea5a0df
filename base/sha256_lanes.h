/*
 * The body of the eight-lane kernels of sha256.c, included once per instruction set with LANES_NAME, LANES_TARGET, ROR,
 * CHOOSE, MAJORITY and XOR3 defined. Lane n of every register belongs to stream n.
 */

/* Eight words of each of eight streams, as big-endian numbers, turned so that w[i] has word i of every stream. */
__attribute__((target(LANES_TARGET))) static inline void LANES_NAME(_load)(const unsigned char *const data[8],
                                                                           size_t offset, __m256i w[8])
{
    const __m256i swap = _mm256_setr_epi8(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12, 3, 2, 1, 0, 7, 6, 5, 4,
                                          11, 10, 9, 8, 15, 14, 13, 12);
    __m256i r[8], t[8];
    for (int i = 0; i < 8; i++)
        r[i] = _mm256_shuffle_epi8(_mm256_loadu_si256((const __m256i *)(data[i] + offset)), swap);
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        r[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        w[i] = _mm256_permute2x128_si256(r[i], r[i + 4], 0x20);
        w[i + 4] = _mm256_permute2x128_si256(r[i], r[i + 4], 0x31);
    }
}

#define ADD(x, y) _mm256_add_epi32(x, y)
#define BIG0(x) XOR3(ROR(x, 2), ROR(x, 13), ROR(x, 22))
#define BIG1(x) XOR3(ROR(x, 6), ROR(x, 11), ROR(x, 25))
#define SMALL0(x) XOR3(ROR(x, 7), ROR(x, 18), _mm256_srli_epi32(x, 3))
#define SMALL1(x) XOR3(ROR(x, 17), ROR(x, 19), _mm256_srli_epi32(x, 10))
#define ROUND(a, b, c, d, e, f, g, h, i)                                                                               \
    (h = ADD(ADD(h, BIG1(e)), ADD(CHOOSE(e, f, g), ADD(w[i], _mm256_set1_epi32((int)k[i])))), d = ADD(d, h),           \
     h = ADD(h, ADD(BIG0(a), MAJORITY(a, b, c))))

/* The word that is used 16 rounds later takes the place of the one just used. */
#define NEXT(i) w[i] = ADD(ADD(w[i], SMALL0(w[((i) + 1) & 15])), ADD(w[((i) + 9) & 15], SMALL1(w[((i) + 14) & 15])))
#define LAST(i) (void)0
#define ROUNDS(then)                                                                                                   \
    do {                                                                                                               \
        ROUND(a, b, c, d, e, f, g, h, 0), then(0);                                                                     \
        ROUND(h, a, b, c, d, e, f, g, 1), then(1);                                                                     \
        ROUND(g, h, a, b, c, d, e, f, 2), then(2);                                                                     \
        ROUND(f, g, h, a, b, c, d, e, 3), then(3);                                                                     \
        ROUND(e, f, g, h, a, b, c, d, 4), then(4);                                                                     \
        ROUND(d, e, f, g, h, a, b, c, 5), then(5);                                                                     \
        ROUND(c, d, e, f, g, h, a, b, 6), then(6);                                                                     \
        ROUND(b, c, d, e, f, g, h, a, 7), then(7);                                                                     \
        ROUND(a, b, c, d, e, f, g, h, 8), then(8);                                                                     \
        ROUND(h, a, b, c, d, e, f, g, 9), then(9);                                                                     \
        ROUND(g, h, a, b, c, d, e, f, 10), then(10);                                                                   \
        ROUND(f, g, h, a, b, c, d, e, 11), then(11);                                                                   \
        ROUND(e, f, g, h, a, b, c, d, 12), then(12);                                                                   \
        ROUND(d, e, f, g, h, a, b, c, 13), then(13);                                                                   \
        ROUND(c, d, e, f, g, h, a, b, 14), then(14);                                                                   \
        ROUND(b, c, d, e, f, g, h, a, 15), then(15);                                                                   \
    } while (0)

__attribute__((target(LANES_TARGET))) static inline void LANES_NAME(_block)(__m256i s[8], __m256i w[16])
{
    __m256i a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7];
    const uint32_t *k = sha256_constants;
    for (; k < sha256_constants + 48; k += 16)
        ROUNDS(NEXT);
    ROUNDS(LAST);
    s[0] = ADD(s[0], a), s[1] = ADD(s[1], b), s[2] = ADD(s[2], c), s[3] = ADD(s[3], d);
    s[4] = ADD(s[4], e), s[5] = ADD(s[5], f), s[6] = ADD(s[6], g), s[7] = ADD(s[7], h);
}

__attribute__((target(LANES_TARGET))) static void LANES_NAME(_run)(uint32_t columns[8][SHA256_LANES],
                                                                   const unsigned char *const data[8], size_t blocks)
{
    __m256i s[8], w[16];
    for (int i = 0; i < 8; i++)
        s[i] = _mm256_loadu_si256((const __m256i *)columns[i]);
    for (size_t n = 0; n < blocks; n++) {
        LANES_NAME(_load)(data, n * SHA256_BLOCK, w);
        LANES_NAME(_load)(data, n * SHA256_BLOCK + 32, w + 8);
        LANES_NAME(_block)(s, w);
    }
    for (int i = 0; i < 8; i++)
        _mm256_storeu_si256((__m256i *)columns[i], s[i]);
}

#undef ADD
#undef BIG0
#undef BIG1
#undef SMALL0
#undef SMALL1
#undef ROUND
#undef ROUNDS
#undef NEXT
#undef LAST
#undef LANES_NAME
#undef LANES_TARGET
#undef ROR
#undef CHOOSE
#undef MAJORITY
#undef XOR3
