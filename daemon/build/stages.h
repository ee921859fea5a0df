/*
 * The stages of a Dockerfile: what each is made from, what it takes from others, and which of them a target needs.
 * Pure.
 */
#ifndef DORY_DAEMON_BUILD_STAGES_H
#define DORY_DAEMON_BUILD_STAGES_H

#include "base/strmap.h"
#include "daemon/build/dockerfile.h"

struct stage {
    size_t index;   /* in the Dockerfile, from 0 */
    char *name;     /* lower case; NULL: it has only its number */
    char *base;     /* expanded: "scratch", an image's reference, the name of another stage or of a named context */
    int base_stage; /* index of the stage that it is made from, -1: none */
    bool scratch;   /* FROM scratch */
    char *platform; /* of --platform, expanded; NULL: the build's */
    const struct instruction *from;         /* inside the dockerfile */
    const struct instruction *instructions; /* those behind FROM */
    size_t instruction_count;
    size_t *
        needs; /* indices of the stages that it takes something from (FROM, COPY --from, RUN --mount=from), ascending */
    size_t needs_count;
    bool needed; /* by the target, or it is the target */
};

struct stages {
    struct stage *items;
    size_t count;
    size_t target;          /* index */
    struct strmap globals;  /* ARGs before the first FROM that have a value, build args and platform ARGs put in */
    struct strmap platform; /* TARGETPLATFORM, TARGETOS... BUILDPLATFORM...; TARGETSTAGE */
    struct strv contexts;   /* names of the named contexts */
};

struct stages_options {
    const struct strmap *build_args; /* may be NULL */
    const struct strv *contexts;     /* names of named contexts (--build-context): they win over stages and images */
    const char *target;              /* NULL or "": the last stage. A name (any case) or a number */
    const char *platform;            /* "linux/arm64"; NULL: this machine's */
};

/*
 * Errors (ERROR_INVALID, with file and line where there is one): an instruction before FROM, "base name (${x}) should
 * not be blank", "target stage \"x\" could not be found", a stage that takes from itself or from one behind it. A COPY
 * --from that names no stage is an image. `file` has to outlive the result.
 */
int stages_collect(const struct dockerfile *file, const struct stages_options *options, struct stages *ret,
                   struct error *err);
/* Only the variables in front of the first stage: globals and platform of *ret are set, everything else is empty. */
int stages_collect_globals(const struct dockerfile *file, const struct stages_options *options, struct stages *ret,
                           struct error *err);
void stages_release(struct stages *stages);
#define CLEANUP_STAGES CLEANUP(stages_release)

/*
 * What --from=NAME means in stage `at` (its own index): the index of an earlier stage by name or number, or -1: a named
 * context or an image. A number that is not an earlier stage: ERROR_INVALID "invalid from flag value 3: ...".
 */
int stages_find(const struct stages *stages, size_t at, const char *name, int *ret, struct error *err);

/* Names of build args that nothing in the needed stages or before them declares, sorted: docker's warning is
 * "[Warning] One or more build-args [a b] were not consumed". Predefined ones are never in it. */
void stages_unused_args(const struct stages *stages, const struct dockerfile *file, const struct strmap *build_args,
                        struct strv *ret);

#endif
