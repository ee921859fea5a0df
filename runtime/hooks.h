/* The hooks of the spec: programs that are told the container's state on standard input. */
#ifndef DORY_RUNTIME_HOOKS_H
#define DORY_RUNTIME_HOOKS_H

#include <sys/types.h>

#include "base/error.h"
#include "runtime/container.h"
#include "runtime/spec.h"

struct runtime_hook_state {
    const char *version; /* ociVersion */
    const char *id;
    const char *status; /* creating created running stopped */
    pid_t pid;          /* 0 when stopped */
    const char *bundle;
    const struct strmap *annotations;
};

/* What config.json does not say of a hook; a zeroed one is the default. */
struct runtime_hook_place {
    const struct strv *env; /* of one that has none of its own; NULL: ours */
    const char *directory;  /* where it starts; NULL: where we are */
};

/*
 * Runs each in order and waits for it, at most for its timeout, at which it is killed with what it started; the first
 * failure ends the list. Blocks. A hook has its own environment, the state on standard input, and no other descriptors.
 * `kind` is its name in config.json ("prestart"), for errors. `place` NULL: the default.
 */
int runtime_hooks_run(const char *kind, const struct json_array *hooks, const struct runtime_hook_state *state,
                      const struct runtime_hook_place *place, struct error *err);
/* poststop: a failure is a warning, and the others run all the same. `warn` may be NULL. */
void runtime_hooks_run_poststop(const struct json_array *hooks, struct runtime_hook_state state, runtime_warn *warn,
                                void *warn_context);
/* The state as JSON, as hooks and the `state` command print it. Appends the members of an object that was begun. */
void runtime_hook_state_write(const struct runtime_hook_state *state, struct json_writer *w);

#endif
