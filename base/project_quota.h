/*
 * Project quotas: limits of the bytes below a directory, on file systems that count them (ext4 with `-O project,quota`
 * and prjquota, xfs with prjquota). See quotactl(2) and ioctl_xfs_fsgetxattr(2). Nothing here blocks but for the disk.
 * No descriptor may be O_PATH.
 */
#ifndef DORY_BASE_PROJECT_QUOTA_H
#define DORY_BASE_PROJECT_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

/* Are limits of projects enforced on the file system of this directory? Needs Linux 5.14. */
bool project_quota_enforced(int dir_fd);
/*
 * Gives an empty directory a project of its own and the project a limit of so many bytes, rounded up to whole blocks of
 * 512. The number is one that nothing uses, taken at random: several programs may do so on one file system. 0 or
 * -errno; EUSERS: no number was found. Then nothing is changed.
 */
int project_quota_begin(int dir_fd, uint64_t bytes);
/* Has the directory a project that is not its parent's? Nobody needs to remember the number. False when unsure. */
bool project_quota_is_set(int dir_fd, int parent_fd);
/*
 * So many bytes more for the directory's project, until _tighten: for what its owner has to make there when it is full.
 * The soft limit remembers what was wanted: easing again, after a crash, adds nothing to it. 0 or -errno.
 */
int project_quota_ease(int dir_fd, uint64_t bytes);
int project_quota_tighten(int dir_fd);
/* Gives up the limit of a directory that has one, and lets it be of its parent's project. 0 or -errno. */
int project_quota_end(int dir_fd, int parent_fd);

#endif
