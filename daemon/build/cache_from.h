/*
 * --cache-from: images that were built elsewhere, whose layers serve as results as long as their history says what the
 * steps of this build say, from the base on. Who names such an image trusts its history; what is taken from it counts
 * for this build alone: no record is written, and the layer's digest is part of the keys of what stands on it.
 */
#ifndef DORY_DAEMON_BUILD_CACHE_FROM_H
#define DORY_DAEMON_BUILD_CACHE_FROM_H

#include "daemon/build/execute.h"

struct cache_candidate {
    struct image *image; /* a reference */
    size_t line, layer;  /* what comes next in it */
};

/* The stage's base is known: looks the images up, and pulls those that are not here. One that cannot be had is a
 * warning. */
void cache_from_begin(struct stage_run *run);
/* Does one of them have the step with this line of the history? *ret_diff_id (its image's, for as long as the run) is
 * NULL when the step has no layer there. */
bool cache_from_find(const struct stage_run *run, const char *created_by, const char **ret_diff_id,
                     int64_t *ret_created);
/* Whether a result of this machine may serve for the step with this line: with cache_from_only, where one of them says
 * the same. */
bool cache_from_permits(const struct stage_run *run, const char *created_by);
/* A step with this line is done: those that go on otherwise are out. */
void cache_from_advance(struct stage_run *run, const char *created_by);
void cache_from_release(struct stage_run *run);

#endif
