/*
 * Results from caches that are kept elsewhere (cache_place.h). What a key stands for is looked up here first, then
 * there: a result that is found there is fetched, and is a record of this machine's from then on, as any other. What
 * another builder has written has no results for our keys.
 */
#ifndef DORY_DAEMON_BUILD_CACHE_IMPORT_H
#define DORY_DAEMON_BUILD_CACHE_IMPORT_H

#include "daemon/build/cache_config.h"
#include "daemon/build/cache_place.h"
#include "daemon/build/execute.h"

struct cache_import;

/* Reads what the place has. The place is taken over in every case. *ret NULL: there is an image. ERROR_NOT_FOUND: there
 * is nothing. */
int cache_import_open(const char *name, struct cache_place *place, struct cache_import **ret, struct error *err);
void cache_import_free(struct cache_import *import); /* NULL is fine */

/* Those that the build's options name, before its first step: build->imports, and the rest, which are images, in
 * build->images. One that cannot be had does not make the build fail, but is told. */
void cache_imports_open(struct build *build);
void cache_imports_close(struct build *build);

/* cache_find(), and then in the build's imports. */
int cache_import_find(struct build *build, const char *key, struct cache_row **ret, struct error *err);

#endif
