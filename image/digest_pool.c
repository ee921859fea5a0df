#include "image/digest.h"

/* So many blocks at once: newcomers do not wait long for a lane. */
#define BATCH_BLOCKS 2048

void digest_pool_init(struct digest_pool *pool)
{
    *pool = (struct digest_pool){.kind = sha256_best()};
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->changed, NULL);
}

void digest_pool_release(struct digest_pool *pool)
{
    pthread_cond_destroy(&pool->changed);
    pthread_mutex_destroy(&pool->mutex);
}

/* Where one stream alone is hashed as fast as several are, there is nothing to gather. */
static bool has_lanes(const struct digest_pool *pool)
{
    return pool->kind == SHA256_LANES_AVX2 || pool->kind == SHA256_LANES_AVX512;
}

void digest_stream_open(struct digest_stream *stream, struct digest_pool *pool)
{
    *stream = (struct digest_stream){.pool = pool};
    digest_init(&stream->digest);
    pthread_mutex_lock(&pool->mutex);
    stream->next = pool->streams;
    pool->streams = stream;
    pthread_mutex_unlock(&pool->mutex);
}

/* ---- hashing; with the mutex held, which is let go meanwhile ---- */

struct batch {
    struct digest_stream *streams[SHA256_LANES];
    uint32_t *states[SHA256_LANES];
    const unsigned char *data[SHA256_LANES];
    size_t count, blocks;
};

/* Whole blocks of the stream's next piece. A piece that does not begin or end at a block is finished on the spot. */
static size_t pending_blocks(struct digest_stream *s)
{
    while (s->done < s->added) {
        const unsigned char *data = s->pieces[s->done % DIGEST_PIECES].data + s->offset;
        size_t left = s->pieces[s->done % DIGEST_PIECES].size - s->offset;
        if (left >= SHA256_BLOCK && s->digest.size % SHA256_BLOCK == 0)
            return left / SHA256_BLOCK;
        digest_update(&s->digest, data, left);
        s->offset = 0;
        s->done++;
    }
    return 0;
}

static void batch_add(struct batch *batch, struct digest_stream *s)
{
    size_t blocks = pending_blocks(s);
    if (blocks == 0 || batch->count == SHA256_LANES)
        return;
    batch->streams[batch->count] = s;
    batch->states[batch->count] = s->digest.state;
    batch->data[batch->count] = s->pieces[s->done % DIGEST_PIECES].data + s->offset;
    batch->count++;
    if (blocks < batch->blocks)
        batch->blocks = blocks;
}

static void batch_run(const struct digest_pool *pool, const struct batch *batch)
{
    /* A single lane of AVX2 is slower than no lanes. */
    if (batch->count == 1 && pool->kind == SHA256_LANES_AVX2)
        sha256_blocks(SHA256_PLAIN, batch->states[0], batch->data[0], batch->blocks);
    else
        sha256_blocks_lanes(pool->kind, batch->states, batch->data, batch->count, batch->blocks);
}

/* Hashes some of what `first` and the others have pending. */
static void work(struct digest_pool *pool, struct digest_stream *first)
{
    struct batch batch = {.blocks = BATCH_BLOCKS};
    batch_add(&batch, first);
    for (struct digest_stream *s = pool->streams; s; s = s->next)
        if (s != first)
            batch_add(&batch, s);
    if (batch.count == 0)
        return;
    pool->busy = true;
    pthread_mutex_unlock(&pool->mutex);
    batch_run(pool, &batch);
    pthread_mutex_lock(&pool->mutex);
    for (size_t i = 0; i < batch.count; i++) {
        struct digest_stream *s = batch.streams[i];
        s->digest.size += batch.blocks * SHA256_BLOCK;
        s->offset += batch.blocks * SHA256_BLOCK;
        if (s->offset == s->pieces[s->done % DIGEST_PIECES].size) {
            s->offset = 0;
            s->done++;
        }
    }
    pool->busy = false;
    pthread_cond_broadcast(&pool->changed);
}

static void wait_locked(struct digest_stream *stream, size_t count)
{
    struct digest_pool *pool = stream->pool;
    while (stream->done < count) {
        if (pool->busy)
            pthread_cond_wait(&pool->changed, &pool->mutex);
        else
            work(pool, stream);
    }
}

/* ---- streams ---- */

void digest_stream_add(struct digest_stream *stream, const void *data, size_t size)
{
    struct digest_pool *pool = stream->pool;
    if (!has_lanes(pool)) {
        digest_update(&stream->digest, data, size);
        stream->added++;
        return;
    }
    pthread_mutex_lock(&pool->mutex);
    if (stream->added - stream->done == DIGEST_PIECES)
        wait_locked(stream, stream->done + 1);
    stream->pieces[stream->added % DIGEST_PIECES].data = data;
    stream->pieces[stream->added % DIGEST_PIECES].size = size;
    stream->added++;
    pthread_mutex_unlock(&pool->mutex);
}

void digest_stream_wait(struct digest_stream *stream, size_t count)
{
    if (!has_lanes(stream->pool))
        return;
    pthread_mutex_lock(&stream->pool->mutex);
    wait_locked(stream, count);
    pthread_mutex_unlock(&stream->pool->mutex);
}

void digest_stream_update(struct digest_stream *stream, const void *data, size_t size)
{
    digest_stream_wait(stream, stream->added);
    digest_update(&stream->digest, data, size);
}

void digest_stream_final_text(struct digest_stream *stream, char ret[DIGEST_TEXT_MAX])
{
    digest_stream_wait(stream, stream->added);
    digest_final_text(&stream->digest, ret);
}

void digest_stream_close(struct digest_stream *stream)
{
    struct digest_pool *pool = stream->pool;
    if (!pool)
        return;
    pthread_mutex_lock(&pool->mutex);
    /* Whoever is hashing may be reading our pieces. */
    while (pool->busy)
        pthread_cond_wait(&pool->changed, &pool->mutex);
    struct digest_stream **link = &pool->streams;
    while (*link != stream)
        link = &(*link)->next;
    *link = stream->next;
    stream->pool = NULL;
    pthread_mutex_unlock(&pool->mutex);
}
