/* Where one container's output is logged: what its driver and options come to when it starts. */
#ifndef DORY_DAEMON_LOG_TARGET_H
#define DORY_DAEMON_LOG_TARGET_H

#include "base/strmap.h"
#include "daemon/log_options.h"

struct engine;
struct container;

struct log_target {
    struct log_settings settings;
    char *path; /* of a json-file, or NULL: none is written */
    struct strmap attributes;
    char *sink; /* configuration of daemon/shim_sink.h, or NULL */
};

/* Makes the directory of the file, and looks up the address of a server. On failure nothing is to be released.
 */
int log_target_make(struct engine *engine, const struct container *container, struct log_target *ret,
                    struct error *err);
void log_target_release(struct log_target *target);

#endif
