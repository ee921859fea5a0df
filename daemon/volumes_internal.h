/* What the files of volumes share. Not for others. */
#ifndef DORY_DAEMON_VOLUMES_INTERNAL_H
#define DORY_DAEMON_VOLUMES_INTERNAL_H

#include <pthread.h>

#include "base/strmap.h"
#include "daemon/volumes.h"

struct volumes {
    char *root;
    int root_fd;
    struct db *db;
    uid_t uid; /* to whom new volumes belong */
    gid_t gid;
    /* Who is going to use what (volume_use.c); also held while a volume is made, removed or renamed. Taken before the
     * engine's index lock and the database's. */
    pthread_mutex_t lock;
    struct map uses; /* name: struct volume_use */
};

#define VOLUME_TRASH_MAX 32

/* *ret_found; then *ret is to be released. */
int volume_find(struct volumes *v, const char *name, bool *ret_found, struct volume *ret, struct error *err);
int volume_check_name(const char *name, struct error *err);
/* Renames its directory away, so that the name is free at once. 0 or -errno. */
int volume_trash(struct volumes *v, const char *name, char ret_trash[VOLUME_TRASH_MAX]);
void volume_uses_free(struct volumes *v);
/* At the daemon's start: what is mounted on its _data and used by nobody. */
void volume_unmount_unused(struct volumes *v, const char *name);
/* Renamings that a crash interrupted. */
int volume_renames_complete(struct volumes *v, struct error *err);

#endif
