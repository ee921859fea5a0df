#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "cmd/dory-runtime/runtime.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static int copy_program(int from, int to)
{
    struct stat st;
    if (fstat(from, &st) < 0)
        return -errno;
    for (off_t left = st.st_size; left > 0;) {
        ssize_t n = sendfile(to, from, NULL, (size_t)left);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n == 0)
            return -EIO;
        left -= n > 0 ? n : 0;
    }
    return fcntl(to, F_ADD_SEALS, SEALS) < 0 ? -errno : 0;
}

/* A program in a memfd that nobody can write to any more. -errno on failure. */
static int make_copy(int self)
{
    CLEANUP_CLOSE int copy = memfd_create("dory-runtime", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int r = copy < 0 ? -errno : copy_program(self, copy);
    return r < 0 ? r : TAKE_FD(copy);
}

/*
 * The program through a read-only mount of its own. It is nowhere attached and is taken apart when its descriptor is
 * closed, that is, at exec, while the file stays executable: from then on it belongs to no mount namespace, so that not
 * even a container with CAP_SYS_ADMIN can clone it or make it writable again.
 */
static int make_readonly_mount(void)
{
    CLEANUP_CLOSE int fd = open_tree(AT_FDCWD, "/proc/self/exe", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
        return -errno;
    return TAKE_FD(fd);
}

static bool is_safe(int self)
{
    struct statfs fs;
    if (fstatfs(self, &fs) == 0 && (fs.f_flags & ST_RDONLY))
        return true;
    int seals = fcntl(self, F_GET_SEALS);
    return seals >= 0 && (seals & SEALS) == SEALS;
}

int sealed_exec(char **argv, struct error *err)
{
    CLEANUP_CLOSE int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (self < 0)
        return error_errno(err, errno, "cannot open /proc/self/exe");
    if (is_safe(self))
        return 0;
    CLEANUP_CLOSE int safe = make_readonly_mount();
    if (safe < 0) /* no right to mount, or a kernel before 5.12: a copy takes a millisecond more */
        safe = make_copy(self);
    if (safe < 0)
        return error_errno(err, safe, "cannot make a sealed copy of dory-runtime");
    execveat(safe, "", argv, environ, AT_EMPTY_PATH);
    return error_errno(err, errno, "cannot run the sealed copy of dory-runtime");
}
