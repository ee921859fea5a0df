/* Internal to runtime/: id-mapped mounts, see mount_setattr(2). */
#ifndef DORY_RUNTIME_IDMAP_H
#define DORY_RUNTIME_IDMAP_H

#include <stdbool.h>

#include "base/error.h"
#include "base/json_table.h"

/* A user namespace with these maps and nobody in it: a descriptor that the caller owns, or -errno. Needs the right to
 * write the maps. `where`: what in config.json has the mappings. */
int idmap_open_namespace(const char *where, const struct json_array *uids, const struct json_array *gids,
                         struct error *err);
/* Maps the detached mount at mount_fd, with those below it when `recursive`. 0 or -errno. */
int idmap_apply(int mount_fd, int user_fd, bool recursive);

#endif
