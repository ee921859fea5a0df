/* SHA-256 digests: streaming, and as text ("sha256:HEX"). */
#ifndef DORY_IMAGE_DIGEST_H
#define DORY_IMAGE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

#include "image/reference.h"

#define DIGEST_SIZE 32
#define DIGEST_PREFIX "sha256:"

/* A running SHA-256. digest_init .. digest_final or digest_release; both may be followed by digest_init. */
struct digest {
    void *context; /* EVP_MD_CTX */
};

#define CLEANUP_DIGEST CLEANUP(digest_release)

/* Aborts when the library cannot do SHA-256 at all. */
void digest_init(struct digest *digest);
void digest_update(struct digest *digest, const void *data, size_t size);
/* Ends it and releases the storage. */
void digest_final(struct digest *digest, unsigned char ret[DIGEST_SIZE]);
/* As digest_final, in text form. */
void digest_final_text(struct digest *digest, char ret[DIGEST_TEXT_MAX]);
/* Zeroed and released ones are fine. */
void digest_release(struct digest *digest);

/* "sha256:" + lower-case hex. */
void digest_to_text(const unsigned char raw[DIGEST_SIZE], char ret[DIGEST_TEXT_MAX]);
/* Of one buffer. */
void digest_of(const void *data, size_t size, char ret[DIGEST_TEXT_MAX]);
/* The 64 hex digits of a valid digest text: a pointer into it. */
const char *digest_hex(const char *text);

#endif
