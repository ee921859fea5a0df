/* Internal to runtime/: the options of a mount of the spec, sorted out. Pure. */
#ifndef DORY_RUNTIME_MOUNT_OPTIONS_H
#define DORY_RUNTIME_MOUNT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strv.h"
#include "runtime/spec.h"

struct mount_options {
    bool bind, recursive_bind;
    uint64_t set, clear;                     /* MOUNT_ATTR_* */
    uint64_t recursive_set, recursive_clear; /* the same for the whole tree ("rro") */
    uint64_t propagation;                    /* MS_PRIVATE ... or 0 */
    bool recursive_propagation;
    bool copy_up; /* tmpcopyup: the tmpfs starts with what was in the directory */
    bool synchronous, dirsync, lazytime;
    struct strv data; /* for the file system */
};

int mount_options_parse(const struct oci_mount *mount, struct mount_options *ret, struct error *err);
void mount_options_release(struct mount_options *options);
/* "rslave" -> MS_SLAVE with *ret_recursive; 0 when it is not a propagation. */
uint64_t mount_propagation_parse(const char *name, bool *ret_recursive);

#endif
