/* A layer of the store as a gzip stream, for a push or a build cache: made by a thread of its own, read as it
 * comes. */
#ifndef DORY_IMAGE_LAYER_GZIP_H
#define DORY_IMAGE_LAYER_GZIP_H

#include "image/layer.h"

struct layer_gzip;

/* The caller keeps the layer from being removed. */
int layer_gzip_open(struct image_store *store, const char *diff_id, struct layer_gzip **ret, struct error *err);
/* The next bytes, 0 at the end, or -errno: the signature of http_request.source. */
ssize_t layer_gzip_read(void *buffer, size_t size, void *gzip, struct error *err);
/* Bytes of the tar that were compressed so far. Any thread. */
int64_t layer_gzip_consumed(struct layer_gzip *gzip);
/* After the end: digest and size of the compressed bytes. */
void layer_gzip_result(const struct layer_gzip *gzip, char ret_digest[DIGEST_TEXT_MAX], int64_t *ret_size);
void layer_gzip_free(struct layer_gzip *gzip); /* NULL is fine */
void layer_gzip_free_ptr(struct layer_gzip **gzip);

#endif
