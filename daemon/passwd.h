/*
 * Who a container's process is: `user[:group]` resolved against the texts of the image's /etc/passwd and /etc/group.
 * Pure and bounded; the caller reads the files beneath the root.
 */
#ifndef DORY_DAEMON_PASSWD_H
#define DORY_DAEMON_PASSWD_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strv.h"

/* Larger files are refused. */
#define PASSWD_SIZE_MAX (1 << 20)
#define PASSWD_GROUPS_MAX 1024

struct identity {
    uint32_t uid, gid;
    uint32_t *groups; /* supplementary, the primary one first, as docker passes them */
    size_t group_count;
    char *home; /* never NULL */
};
void identity_release(struct identity *identity);

/*
 * spec: "", "name", "uid", "name:group", "uid:gid"... passwd and group may be NULL (no such file). Texts are docker's:
 * "unable to find user X: no matching entries in passwd file", "uids and gids must be in range 0-2147483647",
 * "Unable to find group X". Numbers are decimal and nothing else.
 */
int identity_resolve(const char *spec, const char *passwd, const char *group, const struct strv *group_add,
                     struct identity *ret, struct error *err);

/* Reads both files beneath root_fd (regular files only, capped) and resolves. */
int identity_resolve_beneath(const char *spec, int root_fd, const struct strv *group_add, struct identity *ret,
                             struct error *err);

#endif
