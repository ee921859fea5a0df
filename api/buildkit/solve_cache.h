/* Caches of builds that are kept elsewhere, as a request of BuildKit's clients names them (docs: moby/buildkit README,
 * "Export cache"). Private to api/buildkit/. */
#ifndef DORY_API_BUILDKIT_SOLVE_CACHE_H
#define DORY_API_BUILDKIT_SOLVE_CACHE_H

#include "api/buildkit/solve.h"

/* Where a request has its cache written to. */
struct solve_cache_target {
    enum { CACHE_INLINE, CACHE_REGISTRY, CACHE_LOCAL } kind;
    const char *where; /* a reference, or a directory of the client's */
    bool max, docker_types, image_manifest, ignore_error;
};
/* ERROR_NOT_IMPLEMENTED names the type or the attribute that is not done. Points into the entry. */
int solve_cache_target_read(const Bk__CacheEntry *entry, struct solve_cache_target *ret, struct error *err);

/* Before the build: all targets can be read. Makes solve->used where there is something to write. */
int solve_cache_prepare(struct solve *solve, struct error *err);
/* After the build: writes. */
int solve_cache_export(struct solve *solve, struct error *err);

#endif
