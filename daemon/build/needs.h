/*
 * What a build takes from its directories, so that nothing else of them has to be brought: the sources of COPY and ADD
 * and those of RUN --mount in the stages that the target needs, and in the triggers (ONBUILD) of their bases.
 */
#ifndef DORY_DAEMON_BUILD_NEEDS_H
#define DORY_DAEMON_BUILD_NEEDS_H

#include "daemon/build/build.h"
#include "daemon/build/stages.h"

/* A directory of which more paths than these are named is needed as a whole. */
#define BUILD_NEED_PATHS_MAX 1000

/* Of one directory. */
struct build_need {
    char *name;        /* of a named context; NULL: the build context */
    bool all;          /* all of it: paths do not matter */
    struct strv paths; /* relative, cleaned; patterns of path_match.h that patterns of archive/ignore.h read alike;
                          what symlinks on the way lead to is needed, too */
};
struct build_needs {
    struct build_need *items; /* directories that are not among them are not needed */
    size_t count;
};
/* NULL: nothing of it. name NULL: the build context. */
const struct build_need *build_needs_get(const struct build_needs *needs, const char *name);
void build_needs_release(struct build_needs *needs);
#define CLEANUP_BUILD_NEEDS CLEANUP(build_needs_release)

/* The config of the image that a stage is made from, into *ret, which is empty before. */
typedef int (*build_base_config_fn)(const struct stage *stage, struct container_config *ret, void *data,
                                    struct error *err);
/*
 * The stages are those of the file. Fails only where `base` does: what the build itself will find to be wrong ends the
 * search with all of the build context. Pure but for `base`.
 */
int build_needs_collect(const struct dockerfile *file, const struct stages *stages, const struct strmap *build_args,
                        build_base_config_fn base, void *data, struct build_needs *ret, struct error *err);

/* Of a registry that is asked for the config of a base image which is not here. */
struct build_needs_events {
    void (*asking)(const char *image, void *data);
    void (*asked)(const struct error *error, void *data); /* NULL: it has answered */
    void *data;
};
/* The same for a build of these options; of contexts[] only names and images matter. Blocks; a Dockerfile that cannot
 * be read is the error that build_run() would give. */
int build_needs_find(struct engine *engine, const struct build_options *options,
                     const struct build_needs_events *events, struct build_needs *ret, struct error *err);

#endif
