/*
 * What variables mean at one point of a stage: docker's precedence is ENV, then a build arg, then ARG's default, then
 * the global ARG of that name. Predefined proxy ARGs need no declaration, and are neither in the history nor in cache
 * keys unless an ARG declares them.
 */
#ifndef DORY_DAEMON_BUILD_SCOPE_H
#define DORY_DAEMON_BUILD_SCOPE_H

#include "base/strmap.h"
#include "daemon/build/stages.h"
#include "image/container_config.h"

struct build_scope {
    const struct stages *stages;
    const struct strmap *build_args; /* may be NULL */
    struct strmap args;              /* declared in this stage and with a value, in the order of declaration */
    struct strv declared;            /* also those without a value */
    char escape;
};

/* The beginning of a stage that does not come from another stage. Both pointers have to outlive the scope. */
void build_scope_init(struct build_scope *scope, const struct stages *stages, const struct strmap *build_args,
                      char escape);
/* A stage that is made from another one has the ENV of its config, but not its ARGs: call build_scope_init. */
void build_scope_release(struct build_scope *scope);
#define CLEANUP_BUILD_SCOPE CLEANUP(build_scope_release)

/* NULL: not set. */
const char *build_scope_get(const struct build_scope *scope, const struct container_config *config, const char *name);

/* ARG NAME or NAME=VALUE (value: the default, expanded; may be NULL). */
void build_scope_declare(struct build_scope *scope, const char *name, const char *value);

/* What a RUN gets: the config's Env, and args that Env does not have, "NAME=value". Proxy args are last; *ret_hidden
 * (may be NULL) receives those entries that must not be in history and cache key. */
void build_scope_environment(const struct build_scope *scope, const struct container_config *config, struct strv *ret,
                             struct strv *ret_hidden);
/* The args alone that count for history and cache key, "NAME=value", sorted. */
void build_scope_key_args(const struct build_scope *scope, const struct container_config *config, struct strv *ret);
/* docker gives every image a PATH. */
void build_scope_default_path(struct container_config *config);
/* HTTP_PROXY http_proxy HTTPS_PROXY ... ALL_PROXY: need no ARG. */
bool build_arg_is_proxy(const char *name);

#endif
