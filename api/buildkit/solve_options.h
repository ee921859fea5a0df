/* Options of the Dockerfile frontend, as buildx and others send them: names and values (docs: moby/buildkit
 * frontend/dockerfile). Private to api/buildkit/. */
#ifndef DORY_API_BUILDKIT_SOLVE_OPTIONS_H
#define DORY_API_BUILDKIT_SOLVE_OPTIONS_H

#include "api/buildkit/solve.h"

struct run;
/* A cache in a directory of the client's. */
struct solve_directory_cache {
    const char *directory, *digest; /* of the manifest */
    struct run *run;                /* solve_run.c's */
};

struct solve_options {
    struct build_options build; /* but for files, names, events and suppliers */
    const char *context;        /* URL; NULL: the client's directory context_key */
    const char *context_key, *dockerfile_key;
    bool local_dockerfile; /* although the context is a URL */
    const char *filename;
    bool filename_given, keep_git_dir;
    struct strmap local_sessions; /* of directories that another session has: its id */
    struct strmap contexts;       /* named ones */
    struct solve_directory_cache *directory_caches;
    size_t directory_cache_count;
    struct json *cache_imports; /* what they point into */
    struct strv platforms;      /* NULL or one: build.platform is all */
    struct strmap provenance;   /* what is asked of it: "mode" ... */
    bool attested;              /* and that it is asked for */
    const char *subrequest;     /* "frontend.targets" ...; NULL: a build */
    int64_t source_date_epoch;
};

/* What is not understood is ERROR_NOT_IMPLEMENTED and names the option. Points into the entries and the request.
 * solve_options_release() in every case. */
int solve_options_read(Bk__Entry *const *entries, size_t count, const Bk__SolveRequest *request, struct engine *engine,
                       struct solve_options *ret, struct error *err);
void solve_options_release(struct solve_options *options);

/* solve_subrequest.c: fills solve->metadata with what is asked of a Dockerfile (that of the options) instead of its
 * image: "frontend.targets", "frontend.outline", "frontend.lint", "frontend.subrequests.describe". */
int solve_subrequest(struct solve *solve, const char *name, const struct build_options *options, struct error *err);

#endif
