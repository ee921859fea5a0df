#include "base/digest.h"

#include <string.h>

void digest_init(struct digest *digest)
{
    digest->size = 0;
    digest->kind = sha256_best();
    memcpy(digest->state, sha256_initial, sizeof digest->state);
}

void digest_update(struct digest *digest, const void *data, size_t size)
{
    const unsigned char *p = data;
    size_t fill = digest->size % SHA256_BLOCK;
    digest->size += size;
    if (fill > 0) {
        size_t n = size < SHA256_BLOCK - fill ? size : SHA256_BLOCK - fill;
        memcpy(digest->tail + fill, p, n);
        p += n;
        size -= n;
        if (fill + n < SHA256_BLOCK)
            return;
        sha256_blocks(digest->kind, digest->state, digest->tail, 1);
    }
    sha256_blocks(digest->kind, digest->state, p, size / SHA256_BLOCK);
    if (size % SHA256_BLOCK > 0)
        memcpy(digest->tail, p + size / SHA256_BLOCK * SHA256_BLOCK, size % SHA256_BLOCK);
}

/* FIPS 180-4, section 5.1.1: a one bit, zeros, the length in bits. */
void digest_final(struct digest *digest, unsigned char ret[DIGEST_SIZE])
{
    uint64_t bits = digest->size * 8;
    size_t fill = digest->size % SHA256_BLOCK;
    unsigned char padding[2 * SHA256_BLOCK] = {0x80};
    size_t size = (fill < SHA256_BLOCK - 8 ? SHA256_BLOCK : 2 * SHA256_BLOCK) - fill;
    for (size_t i = 0; i < 8; i++)
        padding[size - 1 - i] = (unsigned char)(bits >> (8 * i));
    digest_update(digest, padding, size);
    for (size_t i = 0; i < DIGEST_SIZE; i++)
        ret[i] = (unsigned char)(digest->state[i / 4] >> (24 - 8 * (i % 4)));
}

void digest_to_hex(const unsigned char raw[DIGEST_SIZE], char ret[DIGEST_HEX_MAX])
{
    static const char digits[] = "0123456789abcdef";
    char *p = ret;
    for (size_t i = 0; i < DIGEST_SIZE; i++) {
        *p++ = digits[raw[i] >> 4];
        *p++ = digits[raw[i] & 15];
    }
    *p = '\0';
}
