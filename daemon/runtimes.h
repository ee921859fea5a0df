/*
 * Which OCI runtime runs a container: the built-in one ("dory", the library that is linked into dory-shim), or a
 * program that the setting `runtimes` names, as runc or crun. How such a program is driven is in
 * cmd/dory-shim/driver.h.
 */
#ifndef DORY_DAEMON_RUNTIMES_H
#define DORY_DAEMON_RUNTIMES_H

#include <stdbool.h>

#include "base/error.h"
#include "base/strv.h"
#include "daemon/options.h"

#define RUNTIME_BUILT_IN "dory"
/* Names by which scripts written for docker know its own runtime, and which are the built-in one here unless the
 * setting `runtimes` gives them to a program. NULL-terminated. */
extern const char *const runtimes_aliases[];

/* The settings `runtimes` and `default-runtime`: dockerd's words for what is wrong with them. */
int runtimes_check(const struct daemon_options *options, struct error *err);

/* Name of the runtime of containers that do not say; the caller frees. SIGHUP may change it. */
char *runtimes_default(const struct daemon_options *options);

/*
 * Program and arguments of runtime `name`, added to `ret`; nothing is added for the built-in one. ret may be NULL.
 * ERROR_INVALID, "unknown or invalid runtime name: NAME", when there is none of that name (any more).
 */
int runtimes_find(const struct daemon_options *options, const char *name, struct strv *ret, struct error *err);

/* A value of the setting's map: the program and its arguments as a JSON array. For cmd/doryd and GET /info. */
char *runtimes_encode(const char *path, const struct strv *arguments);
int runtimes_decode(const char *value, struct strv *ret);

#endif
