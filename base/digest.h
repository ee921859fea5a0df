/* SHA-256 of a stream (FIPS 180-4). Its text forms and digests of several streams at once: image/digest.h. */
#ifndef DORY_BASE_DIGEST_H
#define DORY_BASE_DIGEST_H

#include "base/sha256.h"

#define DIGEST_SIZE 32
/* 64 lower-case hex digits and the end of the string. */
#define DIGEST_HEX_MAX (2 * DIGEST_SIZE + 1)

/* A running SHA-256, from digest_init to digest_final; plain storage. */
struct digest {
    uint32_t state[8];
    uint64_t size;
    enum sha256_kind kind;
    unsigned char tail[SHA256_BLOCK]; /* the last size % SHA256_BLOCK bytes */
};

void digest_init(struct digest *digest);
void digest_update(struct digest *digest, const void *data, size_t size);
void digest_final(struct digest *digest, unsigned char ret[DIGEST_SIZE]);
/* In lower-case hex. */
void digest_to_hex(const unsigned char raw[DIGEST_SIZE], char ret[DIGEST_HEX_MAX]);

#endif
