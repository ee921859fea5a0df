/* Caches of builds that are kept elsewhere, as a request of BuildKit's clients names them (docs: moby/buildkit README,
 * "Export cache"). Private to api/buildkit/. */
#ifndef DORY_API_BUILDKIT_SOLVE_CACHE_H
#define DORY_API_BUILDKIT_SOLVE_CACHE_H

#include "api/buildkit/solve.h"

/* Before the build: all targets can be read. Makes solve->used where there is something to write. */
int solve_cache_prepare(struct solve *solve, struct error *err);
/* After the build: writes. */
int solve_cache_export(struct solve *solve, struct error *err);

#endif
