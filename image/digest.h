/*
 * SHA-256 digests: streaming, and as text ("sha256:HEX"). Large streams that come in blocks go through a digest_pool,
 * which hashes the blocks of several streams at the same time where the processor is good at that.
 */
#ifndef DORY_IMAGE_DIGEST_H
#define DORY_IMAGE_DIGEST_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/digest.h"
#include "image/reference.h"

#define DIGEST_PREFIX "sha256:"

/* As digest_final, in text form. */
void digest_final_text(struct digest *digest, char ret[DIGEST_TEXT_MAX]);

/* "sha256:" + lower-case hex. */
void digest_to_text(const unsigned char raw[DIGEST_SIZE], char ret[DIGEST_TEXT_MAX]);
/* Of one buffer. */
void digest_of(const void *data, size_t size, char ret[DIGEST_TEXT_MAX]);
/* The 64 hex digits of a valid digest text: a pointer into it. */
const char *digest_hex(const char *text);

/* ---- Several streams at once (image/digest_pool.c) ---- */

#define DIGEST_PIECES 8

struct digest_stream;

/*
 * There is no thread in it: whoever waits for its own stream hashes what all the others have added by then, too. Each
 * stream is used by one adding and one waiting thread.
 */
struct digest_pool {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct digest_stream *streams; /* open ones */
    bool busy;                     /* somebody is hashing */
    enum sha256_kind kind;
};

struct digest_stream {
    struct digest_pool *pool; /* NULL: not open */
    struct digest_stream *next;
    struct digest digest;
    struct {
        const unsigned char *data;
        size_t size;
    } pieces[DIGEST_PIECES];
    size_t added, done; /* pieces so far */
    size_t offset;      /* into the piece that is next */
};

void digest_pool_init(struct digest_pool *pool);
void digest_pool_release(struct digest_pool *pool);

void digest_stream_open(struct digest_stream *stream, struct digest_pool *pool);
/* The next piece of the stream, borrowed until digest_stream_wait tells that it is hashed. Best in multiples of
 * SHA256_BLOCK. Waits only when DIGEST_PIECES are pending. */
void digest_stream_add(struct digest_stream *stream, const void *data, size_t size);
/* Returns when the first `count` pieces that were added are hashed. */
void digest_stream_wait(struct digest_stream *stream, size_t count);
/* Waits for everything, then hashes these bytes at once. */
void digest_stream_update(struct digest_stream *stream, const void *data, size_t size);
/* Waits for everything and gives the digest. Only waiting (which returns at once) and closing are allowed after it. */
void digest_stream_final_text(struct digest_stream *stream, char ret[DIGEST_TEXT_MAX]);
/* Forgets what is pending. Nothing that was added is looked at after that. A zeroed or closed one is fine. */
void digest_stream_close(struct digest_stream *stream);

#endif
