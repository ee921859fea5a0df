/*
 * Internal to runtime/: settings of a process that the spec writes as words, as what the kernel's calls take. Pure,
 * used to check a spec before anything is made and to carry it out. Every error names the member of config.json.
 */
#ifndef DORY_RUNTIME_SETTINGS_H
#define DORY_RUNTIME_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "runtime/spec.h"

struct sched_attr; /* <linux/sched/types.h>, which does not go together with <sched.h> */

/* CPUs and memory nodes: more than any kernel has (CONFIG_NR_CPUS is at most 8192, MAX_NUMNODES 1024). */
#define SETTINGS_BITS 8192
struct settings_mask {
    unsigned long words[SETTINGS_BITS / (8 * sizeof(unsigned long))];
    size_t count; /* of bits set */
};

struct settings_memory_policy {
    int mode; /* with its flags */
    struct settings_mask nodes;
};

/* "0-3,7", as cpuset files have it. `field` is the name for the error. An empty text is an empty mask. */
int settings_list(const char *field, const char *text, struct settings_mask *ret, struct error *err);
/* For sched_setattr(2). */
int settings_scheduler(const struct oci_scheduler *scheduler, struct sched_attr *ret, struct error *err);
/* For ioprio_set(2). */
int settings_io_priority(const struct oci_io_priority *priority, int *ret, struct error *err);
/* For personality(2). */
int settings_personality(const struct oci_personality *personality, unsigned long *ret, struct error *err);
/* For set_mempolicy(2). */
int settings_memory_policy(const struct oci_memory_policy *policy, struct settings_memory_policy *ret,
                           struct error *err);

#endif
