/* What a fresh set of namespaces needs: names, the loopback interface, kernel parameters. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "runtime/child.h"

int child_open_proc(struct child *child, struct error *err)
{
    if (child->proc_fd >= 0)
        return 0;
    CLEANUP_CLOSE int fs = fsopen("proc", FSOPEN_CLOEXEC);
    if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return error_errno(err, errno, "cannot mount a private procfs");
    child->proc_fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    if (child->proc_fd < 0)
        return error_errno(err, errno, "cannot mount a private procfs");
    return 0;
}

int child_open_in_proc(const struct child *child, const char *path, int flags)
{
    /* The container's own procfs may be this one, with volumes on parts of it: no mount is crossed, so what comes back
     * is a file of procfs. thread-self is the one symlink that is needed, and it stays within. */
    struct open_how how = {
        .flags = (uint64_t)(flags | O_CLOEXEC),
        .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH,
    };
    int fd = (int)syscall(SYS_openat2, child->proc_fd, path, &how, sizeof(how));
    return fd < 0 ? -errno : fd;
}

int child_network_up(struct child *child, struct error *err)
{
    if (!child->plan->new_network)
        return 0;
    CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
        return error_errno(err, errno, "cannot bring up the loopback interface");
    return 0;
}

int child_set_names(struct child *child, struct error *err)
{
    const char *host = child->spec->hostname, *domain = child->spec->domainname;
    if (host != NULL && host[0] != '\0' && sethostname(host, strlen(host)) < 0)
        return error_errno(err, errno, "sethostname");
    if (domain != NULL && domain[0] != '\0' && setdomainname(domain, strlen(domain)) < 0)
        return error_errno(err, errno, "setdomainname");
    return 0;
}

int child_set_sysctls(struct child *child, struct error *err)
{
    const struct strmap *sysctl = &child->spec->linux_.sysctl;
    if (sysctl->count == 0)
        return 0;
    int r = child_open_proc(child, err);
    for (size_t i = 0; r == 0 && i < sysctl->count; i++) {
        CLEANUP_FREE char *name = oci_sysctl_path(sysctl->items[i].key);
        CLEANUP_FREE char *path = xasprintf("sys/%s", name);
        const char *value = sysctl->items[i].value;
        CLEANUP_CLOSE int fd = child_open_in_proc(child, path, O_WRONLY);
        ssize_t n = fd < 0 ? -1 : write(fd, value, strlen(value));
        if (fd < 0 || n < 0)
            return error_errno(err, fd < 0 ? fd : errno, "write sysctl key %s", sysctl->items[i].key);
    }
    return r;
}
