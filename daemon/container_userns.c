/* Containers in user namespaces (userns-remap), and what they cannot have. */
#include <string.h>

#include "daemon/engine_internal.h"
#include "daemon/userns_remap.h"

static bool is(const char *mode, const char *value)
{
    return mode != NULL && strcmp(mode, value) == 0;
}

const struct userns_remap *container_remap(const struct engine *engine, const struct container *c)
{
    return is(c->host.userns_mode, "host") ? NULL : engine->options->remap;
}

/* What belongs to a namespace is its user namespace's: another one has no right to mount procfs or mqueue of it. */
static int check_shared(const char *mode, const char *what, struct error *err)
{
    if (mode == NULL || strncmp(mode, "container:", 10) != 0)
        return 0;
    return error_set(err, ERROR_NOT_IMPLEMENTED, 0,
                     "sharing the %s namespace of another container is not supported by dory yet when user namespaces "
                     "are enabled: use --userns=host for both",
                     what);
}

int container_userns_check(const struct engine *engine, const struct container *c, struct error *err)
{
    const struct host_config *h = &c->host;
    if (container_remap(engine, c) == NULL)
        return 0;
    if (h->privileged)
        return error_set(
            err, ERROR_INVALID, 0,
            "privileged mode is incompatible with user namespaces.  You must run the container in the host "
            "namespace when running privileged mode");
    if (is(h->network_mode, "host"))
        return error_set(err, ERROR_INVALID, 0,
                         "cannot share the host's network namespace when user namespaces are enabled");
    if (is(h->pid_mode, "host"))
        return error_set(err, ERROR_INVALID, 0, "cannot share the host PID namespace when user namespaces are enabled");
    int r = check_shared(h->ipc_mode, "IPC", err);
    return r < 0 ? r : check_shared(h->pid_mode, "PID", err);
}
