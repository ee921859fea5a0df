/* HostConfig.VolumesFrom: what other containers have mounted, mounted into this one at the same places. */
#ifndef DORY_DAEMON_VOLUMES_FROM_H
#define DORY_DAEMON_VOLUMES_FROM_H

#include "base/error.h"
#include "base/json_table.h"

struct engine;
struct container;

/* Copies of the mounts of every "NAME[:MODE]" (ro, rw, z, Z) are added to ret (of mount_point_table), the last one
 * winning where several use a place. Releases nothing on failure: the caller does. */
int volumes_from_collect(struct engine *engine, const struct container *c, struct json_array *ret, struct error *err);
void mount_points_release(struct json_array *mounts);

#endif
