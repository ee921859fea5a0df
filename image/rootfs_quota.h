/*
 * A limit of the bytes that a container's own layer may have (--storage-opt size=): a project quota on overlay/ID. A
 * directory there whose project is not that of overlay/ is one with a limit; nothing about it is in the database.
 */
#ifndef DORY_IMAGE_ROOTFS_QUOTA_H
#define DORY_IMAGE_ROOTFS_QUOTA_H

#include "image/store.h"

/* Gives the new, empty overlay/ID a limit. ERROR_INVALID, in docker's words, where the file system cannot. */
int rootfs_quota_begin(struct image_store *store, const char *id, uint64_t bytes, struct error *err);
bool rootfs_quota_is_set(struct image_store *store, const char *id);
/* Gives up the limit, if there is one, before overlay/ID is thrown away. */
void rootfs_quota_end(struct image_store *store, const char *id);

/*
 * Between these two a root with a limit can be mounted. overlayfs writes with the rights of the thread that mounted it,
 * and ext4 lets those with CAP_SYS_RESOURCE exceed a quota: the calling thread is without it. And it makes a directory,
 * and mounts the root read-only when it cannot, which is so when the limit is reached: there is a bit more room.
 */
struct rootfs_quota_mounting {
    uint32_t effective[2]; /* capabilities to have again */
    int dir_fd;
};
/* 0 or -errno: then there is nothing to end. */
int rootfs_quota_mount_begin(struct image_store *store, const char *id, struct rootfs_quota_mounting *ret);
void rootfs_quota_mount_end(struct rootfs_quota_mounting *mounting);

#endif
