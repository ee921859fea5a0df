/* The records of the cache and of cache mounts as one list, for du and prune. */
#ifndef DORY_DAEMON_BUILD_CACHE_LIST_H
#define DORY_DAEMON_BUILD_CACHE_LIST_H

#include "daemon/build/build.h"

/* A cache mount's records have its directory's name as id. */
bool cache_record_is_mount(const struct build_cache_record *record);
/* The cache mount's directory and row; somebody who uses it keeps it: *ret_removed. */
int cache_mount_remove(struct engine *engine, const char *name, bool *ret_removed, struct error *err);

#endif
