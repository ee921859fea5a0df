#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
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

int sealed_exec(char **argv, struct error *err)
{
    CLEANUP_CLOSE int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (self < 0)
        return error_errno(err, errno, "cannot open /proc/self/exe");
    int seals = fcntl(self, F_GET_SEALS);
    if (seals >= 0 && (seals & SEALS) == SEALS)
        return 0;
    CLEANUP_CLOSE int copy = memfd_create("dory-runtime", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (copy < 0)
        return error_errno(err, errno, "cannot make a sealed copy of dory-runtime");
    int r = copy_program(self, copy);
    if (r < 0)
        return error_errno(err, r, "cannot make a sealed copy of dory-runtime");
    execveat(copy, "", argv, environ, AT_EMPTY_PATH);
    return error_errno(err, errno, "cannot run the sealed copy of dory-runtime");
}
