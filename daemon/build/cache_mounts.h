/* Cache mounts (RUN --mount=type=cache) as things that have names, sizes and an age. */
#ifndef DORY_DAEMON_BUILD_CACHE_MOUNTS_H
#define DORY_DAEMON_BUILD_CACHE_MOUNTS_H

#include <stdbool.h>

#include "base/error.h"

struct engine;
struct build_service;

/* Of its directory; number > 0: further ones of the same id (sharing=private). The caller frees. */
char *cache_mount_name(const char *id, unsigned number);
/* <data root>/build/mounts, made if missing: a descriptor, or -errno. */
int cache_mounts_directory(struct engine *engine, struct error *err);
/* Nobody else uses it until it is left. false: somebody does. */
bool cache_mount_enter(struct build_service *service, const char *name);
void cache_mount_leave(struct build_service *service, const char *name);
/* Rows: it was made; it was used now. */
int cache_mount_note(struct engine *engine, const char *name, const char *id, struct error *err);
int cache_mount_touch(struct engine *engine, const char *name, struct error *err);

#endif
