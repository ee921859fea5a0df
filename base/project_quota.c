#include "base/project_quota.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/quota.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443
#endif
#ifndef PRJQUOTA
#define PRJQUOTA 2
#endif
/* Quotas count in these. */
#define BASIC_BLOCK 512

/* The requests of xfs, which the kernel translates for the other file systems. */
static int quota_control(int fd, int command, uint32_t project, void *data)
{
    return syscall(SYS_quotactl_fd, fd, QCMD(command, PRJQUOTA), project, data) < 0 ? -errno : 0;
}

bool project_quota_enforced(int dir_fd)
{
    struct fs_quota_statv state = {.qs_version = FS_QSTATV_VERSION1};
    int CLEANUP_CLOSE fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && quota_control(fd, Q_XGETQSTATV, 0, &state) == 0 && (state.qs_flags & FS_QUOTA_PDQ_ENFD) != 0;
}

int project_quota_get(int dir_fd, uint32_t *ret_project)
{
    struct fsxattr attributes;
    if (ioctl(dir_fd, FS_IOC_FSGETXATTR, &attributes) < 0)
        return -errno;
    *ret_project = attributes.fsx_projid;
    return 0;
}

int project_quota_set(int dir_fd, uint32_t project)
{
    struct fsxattr attributes;
    if (ioctl(dir_fd, FS_IOC_FSGETXATTR, &attributes) < 0)
        return -errno;
    attributes.fsx_projid = project;
    attributes.fsx_xflags &= ~(uint32_t)FS_XFLAG_PROJINHERIT;
    if (project != 0)
        attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
    return ioctl(dir_fd, FS_IOC_FSSETXATTR, &attributes) < 0 ? -errno : 0;
}

int project_quota_is_free(int dir_fd, uint32_t project, bool *ret_free)
{
    struct fs_disk_quota quota = {0};
    int r = quota_control(dir_fd, Q_XGETQUOTA, project, &quota);
    if (r < 0 && r != -ENOENT && r != -ESRCH) /* xfs has no record of a project that was never used */
        return r;
    *ret_free = r < 0 || (quota.d_bcount == 0 && quota.d_icount == 0 && quota.d_blk_hardlimit == 0);
    return 0;
}

int project_quota_limit(int dir_fd, uint32_t project, uint64_t bytes)
{
    uint64_t blocks = bytes / BASIC_BLOCK + (bytes % BASIC_BLOCK != 0);
    struct fs_disk_quota quota = {.d_version = FS_DQUOT_VERSION,
                                  .d_id = project,
                                  .d_flags = FS_PROJ_QUOTA,
                                  .d_fieldmask = FS_DQ_BHARD | FS_DQ_BSOFT,
                                  .d_blk_hardlimit = blocks,
                                  .d_blk_softlimit = blocks};
    return quota_control(dir_fd, Q_XSETQLIM, project, &quota);
}
