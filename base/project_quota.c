#include "base/project_quota.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/quota.h>
#include <sys/random.h>
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
/* Administrators number their projects from 1; these are out of their way. */
#define FIRST_PROJECT 0x40000000u
#define PROJECTS 0x40000000u
/* So many taken numbers in a row are no chance. */
#define ATTEMPTS 64

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

static int get_project(int dir_fd, uint32_t *ret_project)
{
    struct fsxattr attributes;
    if (ioctl(dir_fd, FS_IOC_FSGETXATTR, &attributes) < 0)
        return -errno;
    *ret_project = attributes.fsx_projid;
    return 0;
}

static int set_project(int dir_fd, uint32_t project)
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

static int is_free(int dir_fd, uint32_t project, bool *ret_free)
{
    struct fs_disk_quota quota = {0};
    int r = quota_control(dir_fd, Q_XGETQUOTA, project, &quota);
    if (r < 0 && r != -ENOENT && r != -ESRCH) /* xfs has no record of a project that was never used */
        return r;
    *ret_free = r < 0 || (quota.d_bcount == 0 && quota.d_icount == 0 && quota.d_blk_hardlimit == 0);
    return 0;
}

static int set_blocks(int dir_fd, uint32_t project, uint64_t soft, uint64_t hard)
{
    struct fs_disk_quota quota = {.d_version = FS_DQUOT_VERSION,
                                  .d_id = project,
                                  .d_flags = FS_PROJ_QUOTA,
                                  .d_fieldmask = FS_DQ_BHARD | FS_DQ_BSOFT,
                                  .d_blk_hardlimit = hard,
                                  .d_blk_softlimit = soft};
    return quota_control(dir_fd, Q_XSETQLIM, project, &quota);
}

static int set_limit(int dir_fd, uint32_t project, uint64_t bytes)
{
    uint64_t blocks = bytes / BASIC_BLOCK + (bytes % BASIC_BLOCK != 0);
    return set_blocks(dir_fd, project, blocks, blocks);
}

static int find_project(int dir_fd, uint32_t *ret)
{
    for (int i = 0; i < ATTEMPTS; i++) {
        uint32_t number;
        bool unused = false;
        if (getrandom(&number, sizeof(number), 0) != sizeof(number))
            return -errno;
        *ret = FIRST_PROJECT + number % PROJECTS;
        int r = is_free(dir_fd, *ret, &unused);
        if (r < 0 || unused)
            return r;
    }
    return -EUSERS;
}

int project_quota_begin(int dir_fd, uint64_t bytes)
{
    uint32_t project = 0;
    int r = find_project(dir_fd, &project);
    if (r < 0)
        return r;
    r = set_limit(dir_fd, project, bytes);
    if (r == 0)
        r = set_project(dir_fd, project);
    if (r < 0)
        (void)set_limit(dir_fd, project, 0); /* the failure is told already */
    return r;
}

/* *ret_own: 0 when it is the parent's. */
static int own_project(int dir_fd, int parent_fd, uint32_t *ret_own, uint32_t *ret_outer)
{
    int r = get_project(dir_fd, ret_own);
    if (r == 0)
        r = get_project(parent_fd, ret_outer);
    if (r == 0 && *ret_own == *ret_outer)
        *ret_own = 0;
    return r;
}

bool project_quota_is_set(int dir_fd, int parent_fd)
{
    uint32_t own = 0, outer = 0;
    return own_project(dir_fd, parent_fd, &own, &outer) == 0 && own != 0;
}

int project_quota_end(int dir_fd, int parent_fd)
{
    uint32_t own = 0, outer = 0;
    int r = own_project(dir_fd, parent_fd, &own, &outer);
    if (r < 0 || own == 0)
        return r;
    r = set_limit(dir_fd, own, 0);
    /* A directory cannot be moved into one whose project is inherited unless that is its own. */
    return r < 0 ? r : set_project(dir_fd, outer);
}

int project_quota_ease(int dir_fd, uint64_t bytes)
{
    struct fs_disk_quota quota = {0};
    uint32_t project = 0;
    int r = get_project(dir_fd, &project);
    if (r == 0)
        r = quota_control(dir_fd, Q_XGETQUOTA, project, &quota);
    if (r < 0 || quota.d_blk_softlimit == 0)
        return r;
    return set_blocks(dir_fd, project, quota.d_blk_softlimit, quota.d_blk_softlimit + bytes / BASIC_BLOCK);
}

int project_quota_tighten(int dir_fd)
{
    return project_quota_ease(dir_fd, 0);
}
