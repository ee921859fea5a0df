/*
 * The compression function of SHA-256 (FIPS 180-4, section 6.2) in the forms that processors are fast at: one stream
 * with the SHA extensions, eight streams at once in the lanes of AVX registers, and plain C. Blocks of 64 bytes;
 * padding is the caller's (image/digest.c).
 */
#ifndef DORY_BASE_SHA256_H
#define DORY_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_BLOCK 64
#define SHA256_LANES 8

enum sha256_kind {
    SHA256_PLAIN,
    SHA256_EXTENSIONS,   /* SHA-NI */
    SHA256_LANES_AVX2,   /* eight streams in the time that PLAIN needs for one or two */
    SHA256_LANES_AVX512, /* the same with rotate and ternary instructions */
};

/* What this processor is best at. Asks it every time (a microsecond in a virtual machine): keep the answer. */
enum sha256_kind sha256_best(void);

extern const uint32_t sha256_initial[8];
extern const uint32_t sha256_constants[64];

/* One stream. */
void sha256_blocks(enum sha256_kind kind, uint32_t state[8], const unsigned char *data, size_t blocks);
/* `count` (1 to 8) streams of `blocks` blocks each. kind must be one of the two with lanes. */
void sha256_blocks_lanes(enum sha256_kind kind, uint32_t *const states[], const unsigned char *const data[],
                         size_t count, size_t blocks);

#endif
