/*
 * A build cache for other machines (cache_place.h): the records that builds have used and made, with the layers that
 * they name. Several builds may add to one set; then it is written to as many places as wished.
 */
#ifndef DORY_DAEMON_BUILD_CACHE_EXPORT_H
#define DORY_DAEMON_BUILD_CACHE_EXPORT_H

#include "daemon/build/cache_place.h"

struct build;
struct engine;
struct cache_set;

struct cache_set *cache_set_new(struct engine *engine);
void cache_set_free(struct cache_set *set); /* NULL is fine */
/* The build has succeeded: adds what its stages have used and made, which stays in this machine's cache as long as the
 * set. Blocks until the layers have their digests. */
int cache_set_add(struct cache_set *set, struct build *build, struct error *err);

struct cache_export {
    struct cache_place *place;
    bool max;            /* the records of all stages; else of those that the result is made of */
    bool docker_types;   /* docker's media types; else OCI's */
    bool image_manifest; /* as an image's manifest; else as an index, which needs OCI's types */
    /* What is being done ("writing layer sha256:..."), and that it is done. May be NULL. */
    void (*progress)(const char *what, bool done, void *data);
    bool (*cancelled)(void *data); /* may be NULL */
    void *data;
};
/* ret_manifest: the descriptor of what was written, as JSON; nothing is added to it where there was nothing to write:
 * there is no layer. Layers that the place has are not sent. */
int cache_set_write(struct cache_set *set, const struct cache_export *how, struct strbuf *ret_manifest,
                    struct error *err);

#endif
