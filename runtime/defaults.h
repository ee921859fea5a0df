/* What docker gives a container unless told otherwise, as data, and the names of capabilities, rlimits and signals of
 * the spec. */
#ifndef DORY_RUNTIME_DEFAULTS_H
#define DORY_RUNTIME_DEFAULTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/json_table.h"
#include "base/strv.h"

/* NULL-terminated lists. */
extern const char *const runtime_default_capabilities[]; /* "CAP_CHOWN" ... */
extern const char *const runtime_default_masked_paths[];
extern const char *const runtime_default_readonly_paths[];

/* Appends struct oci_device_rule rows: everything refused, then the harmless devices of every container. The runtime
 * itself allows the nodes it makes (null, zero, full, random, urandom, tty, pts, ptmx) and mknod. */
void runtime_default_device_rules(struct json_array *rules);

/* "CAP_NET_ADMIN" (any case) -> 12; -1 when unknown. */
int runtime_capability_number(const char *name);
/* 12 -> "CAP_NET_ADMIN"; NULL beyond the table. */
const char *runtime_capability_name(int number);
/* The highest capability of this kernel, asked of it with prctl(2). */
int runtime_capability_last(void);
/* Names to a bit set. Unknown names are skipped, as docker and runc do on older kernels; *ret_unknown (may be NULL) is
 * the first of them, inside `names`. */
uint64_t runtime_capability_set(const struct strv *names, const char **ret_unknown);

/* "RLIMIT_NOFILE" -> its number; -1 when unknown. */
int runtime_rlimit_number(const char *name);

#endif
