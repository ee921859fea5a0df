/* The kernel's choice between quick moves of processes into cgroups and quick forks. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/strv.h"
#include "runtime/container.h"

#define CGROUP_MOUNT "/sys/fs/cgroup"
#define CGROUP2_MAGIC 0x63677270
#define MOUNTINFO_MAX ((size_t)16 * 1024 * 1024)

/* The options of the cgroup2 hierarchy as some mount of it shows them; none when it is mounted nowhere. */
static int hierarchy_options(struct strv *ret, struct error *err)
{
    CLEANUP_FREE char *text = NULL;
    CLEANUP_STRV struct strv lines = STRV_INIT;
    int r = file_read(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &text, NULL, err);

    if (r < 0)
        return r;
    strv_split(&lines, text, '\n');
    for (size_t i = 0; i < lines.count; i++) {
        /* " - type source options" */
        char *at = strstr(lines.items[i], " - cgroup2 ");

        at = at ? strrchr(at, ' ') : NULL;
        if (at) {
            strv_split(ret, at + 1, ',');
            return 0;
        }
    }
    return 0;
}

/* A mount, attached nowhere, gives the whole hierarchy its options: those that it has must be among them. */
static int set_options(const struct strv *options)
{
    CLEANUP_CLOSE int fs = fsopen("cgroup2", FSOPEN_CLOEXEC);
    CLEANUP_CLOSE int mount = -1;

    if (fs < 0)
        return -errno;
    for (size_t i = 0; i < options->count; i++) {
        const char *option = options->items[i];

        if (strcmp(option, "rw") != 0 && strcmp(option, "ro") != 0 &&
            fsconfig(fs, FSCONFIG_SET_FLAG, option, NULL, 0) < 0)
            return -errno;
    }
    if (fsconfig(fs, FSCONFIG_SET_FLAG, "favordynmods", NULL, 0) < 0 ||
        fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return -errno;
    mount = fsmount(fs, FSMOUNT_CLOEXEC, 0);
    return mount < 0 ? -errno : 0;
}

int runtime_cgroup_favordynmods(struct error *err)
{
    CLEANUP_STRV struct strv options = STRV_INIT;
    struct statfs fs;
    int r;

    if (statfs(CGROUP_MOUNT, &fs) == 0 && fs.f_type == CGROUP2_MAGIC)
        return 0;
    r = hierarchy_options(&options, err);
    if (r < 0 || strv_contains(&options, "favordynmods"))
        return r;
    r = set_options(&options);
    return r < 0 ? error_errno(err, r, "cannot set favordynmods on the cgroup2 hierarchy") : 0;
}
