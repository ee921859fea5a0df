/*
 * Internal to runtime/: the options of a mount of the spec, sorted out (config.md, "Linux mount options"). Pure.
 * Options that nobody knows are for the file system.
 */
#ifndef DORY_RUNTIME_MOUNT_OPTIONS_H
#define DORY_RUNTIME_MOUNT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strv.h"
#include "runtime/spec.h"

/* The kernel takes a page of options. */
#define MOUNT_OPTIONS_MAX 4096 /* bytes together */
#define MOUNT_PROPAGATIONS_MAX 8

struct mount_propagation {
    uint64_t kind; /* MS_PRIVATE ... */
    bool recursive;
};

struct mount_options {
    bool bind, recursive_bind, remount;
    uint64_t set, clear;                                           /* MOUNT_ATTR_* */
    uint64_t recursive_set, recursive_clear;                       /* the same for the whole tree ("rro") */
    struct mount_propagation propagations[MOUNT_PROPAGATIONS_MAX]; /* in this order */
    size_t propagation_count;
    bool copy_up; /* tmpcopyup: the tmpfs starts with what was in the directory */
    bool synchronous, dirsync, lazytime, iversion;
    bool idmap, recursive_idmap; /* idmap or mappings alone; ridmap */
    struct strv data;            /* for the file system */
};

/* Also checks what the options demand of the mount's other members. Errors say options[i]. */
int mount_options_parse(const struct oci_mount *mount, struct mount_options *ret, struct error *err);
void mount_options_release(struct mount_options *options);
/* Whether ids are mapped, without parsing. */
bool mount_is_idmapped(const struct oci_mount *mount);
/* "rslave" -> MS_SLAVE with *ret_recursive; 0 when it is not a propagation. */
uint64_t mount_propagation_parse(const char *name, bool *ret_recursive);

/* Every option that is not the file system's, sorted: for `features`. */
void mount_options_names(struct strv *ret);

#endif
