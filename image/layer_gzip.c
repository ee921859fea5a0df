#include "image/layer_gzip.h"

#include <errno.h>

#include "base/memory.h"
#include "image/block_pipe.h"
#include "image/deflate.h"
#include "image/store.h"

struct layer_gzip {
    struct image_store *store;
    char diff_id[DIGEST_TEXT_MAX];
    pthread_t thread;
    struct block_pipe pipe;
    char *block; /* being filled by the thread */
    size_t fill;
    struct digest digest; /* of the compressed bytes; the thread's until the pipe is closed */
    struct error error;   /* the thread's, before it cancels the pipe */
    _Atomic int64_t consumed;
    const char *lent; /* what is left of the block that the reader has */
    size_t lent_size;
};

/* ---- The thread ---- */

static int on_compressed(void *data, const void *bytes, size_t size, struct error *err)
{
    struct layer_gzip *gzip = data;
    const char *p = bytes;
    digest_update(&gzip->digest, bytes, size);
    while (size > 0) {
        if (gzip->block == NULL && block_pipe_reserve(&gzip->pipe, &gzip->block) < 0) {
            return error_set(err, ERROR_CANCELLED, ECANCELED, "cancelled");
        }
        size_t room = BLOCK_PIPE_SIZE - gzip->fill, n = size < room ? size : room;
        memcpy(gzip->block + gzip->fill, p, n);
        gzip->fill += n;
        p += n;
        size -= n;
        if (gzip->fill == BLOCK_PIPE_SIZE) {
            block_pipe_publish(&gzip->pipe, gzip->fill);
            gzip->block = NULL;
            gzip->fill = 0;
        }
    }
    return 0;
}

struct compress {
    struct layer_gzip *gzip;
    struct deflate *deflate;
};

static int on_tar(void *data, const void *bytes, size_t size, struct error *err)
{
    struct compress *compress = data;
    compress->gzip->consumed += (int64_t)size;
    return deflate_write(compress->deflate, bytes, size, err);
}

static void *run(void *data)
{
    struct layer_gzip *gzip = data;
    struct compress compress = {.gzip = gzip, .deflate = deflate_new(on_compressed, gzip)};
    int r = image_layer_tar_write(gzip->store, gzip->diff_id, on_tar, &compress, &gzip->error);
    if (r == 0) {
        r = deflate_finish(compress.deflate, &gzip->error);
    }
    if (r == 0) {
        if (gzip->fill > 0) {
            block_pipe_publish(&gzip->pipe, gzip->fill);
        }
        block_pipe_close(&gzip->pipe);
    } else {
        block_pipe_cancel(&gzip->pipe);
    }
    deflate_free(compress.deflate);
    return NULL;
}

/* ---- The reader ---- */

int layer_gzip_open(struct image_store *store, const char *diff_id, struct layer_gzip **ret, struct error *err)
{
    struct layer_gzip *gzip = xcalloc(1, sizeof(*gzip));
    pthread_attr_t attributes;
    gzip->store = store;
    snprintf(gzip->diff_id, sizeof(gzip->diff_id), "%s", diff_id);
    digest_init(&gzip->digest);
    int r = block_pipe_init(&gzip->pipe);
    if (r == 0) {
        pthread_attr_init(&attributes);
        pthread_attr_setstacksize(&attributes, STORE_STACK);
        r = -pthread_create(&gzip->thread, &attributes, run, gzip);
        pthread_attr_destroy(&attributes);
    }
    if (r < 0) {
        block_pipe_release(&gzip->pipe);
        free(gzip);
        return error_errno(err, r, "compress layer %s", diff_id);
    }
    *ret = gzip;
    return 0;
}

ssize_t layer_gzip_read(void *buffer, size_t size, void *data, struct error *err)
{
    struct layer_gzip *gzip = data;
    if (gzip->lent_size == 0) {
        const void *block;
        ssize_t n = block_pipe_take(&gzip->pipe, &block);
        if (n < 0) {
            return error_propagate(err, &gzip->error);
        }
        gzip->lent = block;
        gzip->lent_size = (size_t)n;
    }
    size_t n = size < gzip->lent_size ? size : gzip->lent_size;
    if (n > 0) {
        memcpy(buffer, gzip->lent, n);
    }
    gzip->lent += n;
    gzip->lent_size -= n;
    return (ssize_t)n;
}

int64_t layer_gzip_consumed(struct layer_gzip *gzip)
{
    return gzip->consumed;
}

void layer_gzip_result(const struct layer_gzip *gzip, char ret_digest[DIGEST_TEXT_MAX], int64_t *ret_size)
{
    struct digest copy = gzip->digest;
    *ret_size = (int64_t)copy.size;
    digest_final_text(&copy, ret_digest);
}

void layer_gzip_free(struct layer_gzip *gzip)
{
    if (gzip != NULL) {
        block_pipe_cancel(&gzip->pipe);
        pthread_join(gzip->thread, NULL);
        block_pipe_release(&gzip->pipe);
        free(gzip);
    }
}

void layer_gzip_free_ptr(struct layer_gzip **gzip)
{
    layer_gzip_free(*gzip);
    *gzip = NULL;
}
