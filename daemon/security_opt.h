/* HostConfig.SecurityOpt, parsed. Pure. */
#ifndef DORY_DAEMON_SECURITY_OPT_H
#define DORY_DAEMON_SECURITY_OPT_H

#include <stdbool.h>

#include "base/error.h"
#include "base/strv.h"

struct security_options {
    bool no_new_privileges;
    bool seccomp_unconfined, seccomp_builtin;
    const char *seccomp_profile; /* JSON text of a profile, as the CLI sends it; points into the list */
    bool systempaths_unconfined;
    bool writable_cgroups_set, writable_cgroups; /* unset: as the container is privileged or not */
};

/* "seccomp=unconfined", "no-new-privileges[=true|false]", "apparmor=unconfined", "label=disable",
 * "systempaths=unconfined", "writable-cgroups[=true|false]"; with ':' for '=' too. Others: 'invalid --security-opt 2:
 * "x"' or 501 by name. */
int security_options_parse(const struct strv *list, struct security_options *ret, struct error *err);

#endif
