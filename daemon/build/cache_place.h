/*
 * Where a build cache is kept that is to serve on other machines: a repository of a registry (cache_registry.c), or a
 * directory of the client's (api/buildkit/session_content.c). Blobs go by their digest; one manifest says what there
 * is. The format is BuildKit's (github.com/moby/buildkit, cache/remotecache): see cache_config.h.
 */
#ifndef DORY_DAEMON_BUILD_CACHE_PLACE_H
#define DORY_DAEMON_BUILD_CACHE_PLACE_H

#include "image/registry.h"

struct cache_place;
typedef int (*cache_sink)(const void *data, size_t size, void *sink_data, struct error *err);

struct cache_place_ops {
    /* The manifest: ERROR_NOT_FOUND where there is none. */
    int (*get_manifest)(struct cache_place *place, struct registry_manifest *ret, struct error *err);
    /* Streams a blob into the sink, which verifies the digest. From any thread. */
    int (*read)(struct cache_place *place, const struct descriptor *blob, cache_sink sink, void *sink_data,
                struct error *err);
    /* 1: the blob is there, of *ret_size bytes; 0: it is not. */
    int (*has)(struct cache_place *place, const char *digest, int64_t *ret_size, struct error *err);
    int (*write)(struct cache_place *place, const struct registry_upload *upload, struct error *err);
    int (*put_manifest)(struct cache_place *place, const char *media_type, const char *text, size_t size,
                        struct error *err);
    void (*free)(struct cache_place *place);
};
/* Begins each implementation's own struct. */
struct cache_place {
    const struct cache_place_ops *ops;
};
static inline void cache_place_free(struct cache_place *place) /* NULL is fine */
{
    if (place)
        place->ops->free(place);
}

struct cache_registry_options {
    const char *ref;                  /* an image's name, with or without a tag */
    const struct registry_auth *auth; /* may be NULL */
    const struct registry_config *registries;
    bool push;                     /* it will be written to */
    bool (*cancelled)(void *data); /* may be NULL */
    void *data;
};
/* The first endpoint of the registry itself that answers; no mirror. auth and registries have to outlive it. */
int cache_registry_open(const struct cache_registry_options *options, struct cache_place **ret, struct error *err);

#endif
