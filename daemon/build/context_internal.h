/* What the files about contexts share: the directory build-contexts/ (context.c), kept contexts (context_keep.c). */
#ifndef DORY_DAEMON_BUILD_CONTEXT_INTERNAL_H
#define DORY_DAEMON_BUILD_CONTEXT_INTERNAL_H

#include "daemon/build/context.h"

/* Of build-contexts/, made when it is missing. Descriptor or -errno. */
int build_contexts_open(struct engine *engine, struct error *err);
/* Renames build-contexts/NAME away and has it deleted. 0 or -errno. */
int build_contexts_discard(struct engine *engine, int contexts_fd, const char *name);

/* keep-KEY, made when it is missing; when there are too many others, the longest unused go. Descriptor or -errno. */
int context_keep_open(struct engine *engine, const char *key, struct error *err);
/* Descriptor of its lock, or -errno; -EBUSY: others have it. */
int context_keep_lock(int keep_fd, bool exclusive);

#endif
