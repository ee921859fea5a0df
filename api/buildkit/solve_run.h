/* The frontend dockerfile.v0 at work: what solve_run.c and solve_directories.c share. Private to api/buildkit/. */
#ifndef DORY_API_BUILDKIT_SOLVE_RUN_H
#define DORY_API_BUILDKIT_SOLVE_RUN_H

#include "api/buildkit/solve_options.h"
#include "daemon/build/context.h"
#include "daemon/build/needs.h"
#include "image/image.h"

/* Numbers of the steps that are no instructions; STEP_NAMED and above are of named contexts, STEP_BASES and above of
 * base images, and all of them of a further platform from the next STEP_ROUND on. */
enum { STEP_DOCKERFILE, STEP_IGNORE, STEP_CONTEXT, STEP_NAMED, STEP_BASES = 1 << 20, STEP_ROUND = 1 << 22 };

/* One directory on the daemon's side. */
struct source {
    struct context_sync *sync;
    struct build_files files;
    int fd; /* -1: none */
};
#define SOURCE_INIT                                                                                                    \
    {                                                                                                                  \
        .files = BUILD_FILES_INIT, .fd = -1                                                                            \
    }
void source_release(struct source *source);

struct run {
    struct solve *solve;
    struct session *session;
    struct session_supply supply;
    struct solve_options options;
    struct registry_config registries;
    struct source dockerfile, context;
    struct source *named; /* as many as options.contexts */
    struct build_context *contexts;
    struct build_cache_place *cache_places; /* as many as options.directory_caches */
    char *text, *text_name;
    size_t text_size;
    unsigned round; /* number of the platform that is built */
};

/* ---- solve_directories.c: directories of the client ---- */

/* The Dockerfile with its ignore file: run->dockerfile and text. */
int run_take_dockerfile(struct run *run, struct error *err);
/* Those that the build needs something of, and of these only what it needs: run->context unless the context is a URL,
 * and run->named where the client has them. */
int run_take_directories(struct run *run, struct error *err);
/* Lets go of what was taken, for the next platform, which may need something else. */
void run_drop_directories(struct run *run);
/* Only the ignore file of the context, for questions about the Dockerfile. *ret_fd: the directory that has it; -1. */
int run_take_ignore_file(struct run *run, int *ret_fd, struct error *err);

#endif
