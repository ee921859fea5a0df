/* Where a build's cache is to be written besides this machine, as clients name it: a type and attributes (docs:
 * moby/buildkit README, "Export cache"). Pure. */
#ifndef DORY_DAEMON_BUILD_CACHE_TARGET_H
#define DORY_DAEMON_BUILD_CACHE_TARGET_H

#include "base/error.h"
#include "base/strmap.h"

struct cache_target {
    enum { CACHE_INLINE, CACHE_REGISTRY, CACHE_LOCAL } kind;
    char *where; /* a reference, or a directory of the client's; NULL: inline */
    bool max, docker_types, image_manifest, ignore_error;
};
void cache_target_release(struct cache_target *target);
#define CLEANUP_CACHE_TARGET CLEANUP(cache_target_release)

/* ERROR_NOT_IMPLEMENTED names the type or the attribute that is not done. cache_target_release() in every case. */
int cache_target_read(const char *type, const struct strmap *attributes, struct cache_target *ret, struct error *err);

#endif
