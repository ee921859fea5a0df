/*
 * `build --check`: docker's build checks, docs.docker.com/reference/build-checks, each a rule with a name. Pure.
 */
#ifndef DORY_DAEMON_BUILD_CHECK_H
#define DORY_DAEMON_BUILD_CHECK_H

#include "daemon/build/stages.h"

struct check_finding {
    const char *rule;        /* "StageNameCasing" */
    const char *description; /* what the rule says; static */
    const char *url;         /* static */
    char *text;              /* about this line */
    int first_line, last_line;
};

struct check_options {
    const struct stages *stages;     /* of the same file */
    const struct strmap *build_args; /* may be NULL */
    /* Does the context's .dockerignore hide this path? NULL: not known, CopyIgnoredFile is not checked. */
    bool (*ignored)(const char *path, void *data);
    /* The Env of an image that a stage is made from; NULL (the result or the function): not known, UndefinedVar is not
     * checked in stages that are made from it. */
    const struct strv *(*base_env)(const char *image, void *data);
    void *data;
    const char *directive; /* BUILDKIT_DOCKERFILE_CHECK: wins over "# check=" of the file; NULL */
};

struct check_result {
    struct check_finding *items; /* in the order of lines */
    size_t count;
    bool error; /* "error=true": findings make a build fail */
};

/* A check directive that is not understood: ERROR_INVALID. */
int build_check(const struct dockerfile *file, const struct check_options *options, struct check_result *ret,
                struct error *err);
void check_result_release(struct check_result *result);
#define CLEANUP_CHECK_RESULT CLEANUP(check_result_release)

#endif
