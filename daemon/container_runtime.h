/* What a start has to know when the container does not run on the built-in runtime, or not with the built-in init. */
#ifndef DORY_DAEMON_CONTAINER_RUNTIME_H
#define DORY_DAEMON_CONTAINER_RUNTIME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strv.h"
#include "runtime/spec.h"

struct container;
struct engine;

struct container_runtime {
    struct strv command;         /* empty: the built-in one */
    struct oci_seccomp *seccomp; /* for another runtime's spec; NULL: nothing is filtered, or the built-in filters */
    char *netns_path;            /* likewise, when there is a prepared namespace */
    char *userns_path;           /* likewise, when that belongs to a user namespace of its own */
    char *init_path;             /* the program of --init that the spec mounts; NULL: none, or the built-in one */
    bool built_in_init;
};

/*
 * By the container's HostConfig.Runtime and HostConfig.Init. ret is zeroed; released in every case. Another runtime
 * gets an init program by mount: the one of the setting init-path, or a copy of dory-shim below the data root, which
 * takes that part under the name docker-init.
 */
int container_runtime_choose(struct engine *engine, const struct container *c, uint64_t capabilities, bool has_netns,
                             struct container_runtime *ret, struct error *err);
void container_runtime_release(struct container_runtime *runtime);

#endif
