/*
 * The daemon's setting userns-remap: its containers are in user namespaces whose ids are subordinate ones of a user of
 * the host, by subuid(5) and subgid(5). Each container has a namespace of its own, and its network namespace belongs to
 * that: whoever has the one finds the other (ioctl NS_GET_USERNS).
 */
#ifndef DORY_DAEMON_USERNS_REMAP_H
#define DORY_DAEMON_USERNS_REMAP_H

#include "base/beneath.h"
#include "base/id_map.h"

#define USERNS_REMAP_DEFAULT "default"
#define USERNS_REMAP_USER "dockremap"

struct userns_remap {
    struct id_map uids, gids;
    struct beneath_owner root; /* what root of the containers is on the host */
};

/*
 * option: "default", "user", "user:group", "uid", "uid:gid"; the group is the user's name when it is not given. For
 * "default" the user and group dockremap and their ranges are made with useradd(8) and usermod(8) when they are not
 * there. *ret is the caller's to free(). ERROR_INVALID: no such user, group or range. Blocks.
 */
int userns_remap_open(const char *option, struct userns_remap **ret, struct error *err);

/* Where a daemon that remaps has its data: data_root/UID.GID, as dockerd. The caller frees. */
char *userns_remap_root(const struct userns_remap *remap, const char *data_root);

/* What uid and gid of a container are on the host; without remap (NULL) themselves. ERROR_INVALID: nothing. */
int userns_remap_outside(const struct userns_remap *remap, uint32_t uid, uint32_t gid, uint32_t *ret_uid,
                         uint32_t *ret_gid, struct error *err);

/* A user namespace with these ids (its descriptor, or -errno) and, unless ret_netns is NULL, a network namespace that
 * belongs to it. */
int userns_remap_make(const struct userns_remap *remap, int *ret_netns, struct error *err);
/* Shows a detached mount that nothing is attached to with the ids that the containers have on the host in the place of
 * those that they have inside. ERROR_NOT_IMPLEMENTED: not of this file system. */
int userns_remap_mount(const struct userns_remap *remap, int mount_fd, struct error *err);
/* The namespace of an id-mapped mount that shows what is stored with the containers' ids as theirs. Has an id for the
 * root of the host, so that it can write there. */
int userns_remap_make_disk(const struct userns_remap *remap, struct error *err);

#endif
