/* RUN --mount=type=...,key=value: docs.docker.com/reference/dockerfile, "RUN --mount". Pure. Private to daemon/build/.
 */
#ifndef DORY_DAEMON_BUILD_RUN_MOUNT_H
#define DORY_DAEMON_BUILD_RUN_MOUNT_H

#include "daemon/build/step.h"

/* The fields of one line of CSV (RFC 4180): quotes keep commas together. "failed to parse csv mounts". */
int run_mount_fields(const char *text, struct strv *ret, struct error *err);
/* What from= names, unexpanded (a variable there is refused); *ret stays NULL without one. */
int run_mount_from(const char *text, char **ret, struct error *err);
/* The whole mount. expand puts variables into one value; working_dir: what a relative target is relative to. */
typedef int (*run_mount_expand_fn)(const char *text, char **ret, void *data, struct error *err);
int run_mount_parse(const char *text, const char *working_dir, run_mount_expand_fn expand, void *data,
                    struct run_mount *ret, struct error *err);
void run_mount_release(struct run_mount *mount);

#endif
