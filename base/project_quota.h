/*
 * Project quotas: limits of the bytes below a directory, on file systems that count them (ext4 with `-O project,quota`
 * and prjquota, xfs with prjquota). See quotactl(2) and ioctl_xfs_fsgetxattr(2). Nothing here blocks but for the disk.
 */
#ifndef DORY_BASE_PROJECT_QUOTA_H
#define DORY_BASE_PROJECT_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

/* Are limits of projects enforced on the file system of this directory? Needs Linux 5.14. */
bool project_quota_enforced(int dir_fd);
/* The project of a directory; 0 is that of all which have none. `dir_fd` must not be O_PATH. 0 or -errno. */
int project_quota_get(int dir_fd, uint32_t *ret_project);
/* What is made below the directory from now on is of the project, too; with 0 it is not. 0 or -errno. */
int project_quota_set(int dir_fd, uint32_t project);
/* Nobody uses the number: nothing is counted under it, and it has no limit. 0 or -errno. */
int project_quota_is_free(int dir_fd, uint32_t project, bool *ret_free);
/* At most so many bytes, rounded up to whole blocks of 512; 0: no limit. 0 or -errno. */
int project_quota_limit(int dir_fd, uint32_t project, uint64_t bytes);

#endif
