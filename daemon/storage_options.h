/* The daemon's storage options ("storage-opts" of daemon.json), as docker names them: overlay2.size alone. Pure. */
#ifndef DORY_DAEMON_STORAGE_OPTIONS_H
#define DORY_DAEMON_STORAGE_OPTIONS_H

#include <stdint.h>

#include "base/error.h"
#include "base/strv.h"

/* "overlay2.size=10G": the bytes that a container's own layer may have which does not say; 0: as many as it likes. Of
 * several the last counts. Others: ERROR_INVALID, in docker's words. */
int storage_options_size(const struct strv *options, uint64_t *ret_bytes, struct error *err);

#endif
