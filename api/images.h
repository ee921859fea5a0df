/* What the files about images share. Private to api/. */
#ifndef DORY_API_IMAGES_H
#define DORY_API_IMAGES_H

#include "api/server.h"
#include "base/json.h"
#include "image/image.h"

struct engine;

/* image_create.c */
int images_create(struct api_request *request, struct engine *engine, struct error *err);
int images_load(struct api_request *request, struct engine *engine, struct error *err);
/* A name with its tag (or digest) in a parameter of its own; "latest" when there is none. ret is released by the caller
 * in every case. */
int images_reference(const char *name, const char *tag, struct reference *ret, struct error *err);

/* image_list.c */
int images_list(struct api_request *request, struct engine *engine, struct error *err);
/* One entry of the list. containers and shared_size below 0: not counted. */
void images_write_summary(struct json_writer *w, const struct image *image, const struct strv *tags,
                          const struct strv *digests, int64_t containers, int64_t shared_size, int version);
/* Bytes of the image's layers that other images of the list have too. */
int64_t images_shared_size(const struct image *image, struct image *const *all, size_t count);
void images_free(struct image **images, size_t count);
/* images.c: bytes of all layers, each counted once. */
int64_t images_layers_size(struct image *const *images, size_t count);

/* image_inspect.c */
int images_inspect(struct api_request *request, struct engine *engine, struct error *err);
int images_history(struct api_request *request, struct engine *engine, struct error *err);

#endif
