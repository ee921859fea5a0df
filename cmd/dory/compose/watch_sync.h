/* Files of this machine into the containers of a service, as `compose watch` copies what changed. */
#ifndef DORY_CMD_DORY_COMPOSE_WATCH_SYNC_H
#define DORY_CMD_DORY_COMPOSE_WATCH_SYNC_H

#include "cmd/dory/command.h"
#include "cmd/dory/compose/containers.h"

/* Host paths and where each is in the containers, pairs of the same index. */
struct watch_files {
    struct strv from, to;
};
void watch_files_release(struct watch_files *files);
#define CLEANUP_WATCH_FILES CLEANUP(watch_files_release)
/* A pair that is there already is not added again. */
void watch_files_add(struct watch_files *files, const char *from, const char *to);

/* What is here goes into every container, with the directories that it needs; what is not here is removed from those
 * that run. Directories are made, without what is in them. */
int watch_sync(struct cli *cli, const struct compose_containers *containers, const struct watch_files *files,
               struct error *err);

#endif
