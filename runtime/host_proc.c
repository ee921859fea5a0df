/* What a root that was entered with chroot leaves behind of the host: its procfs and sysfs. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/strv.h"
#include "runtime/child.h"

#define MOUNTINFO_MAX ((size_t)16 * 1024 * 1024)

/* A line of /proc/PID/mountinfo (proc_pid_mountinfo(5)). */
struct host_mount {
    unsigned id, parent;
    char *point;  /* in the line */
    bool reveals; /* the whole of a procfs or sysfs */
    bool done;    /* the container's own, or taken off */
};

struct host_mounts {
    struct strv lines;
    struct host_mount *items;
    size_t count;
};

static void release_mounts(struct host_mounts *m)
{
    strv_release(&m->lines);
    free(m->items);
}

/* Blanks, tabs, newlines and backslashes are written as three octal digits. */
static void unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; to++) {
        unsigned octal;
        if (from[0] == '\\' && sscanf(from + 1, "%3o", &octal) == 1) {
            *to = (char)octal;
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
}

static bool parse_line(char *line, struct host_mount *ret)
{
    char *rest = strstr(line, " - ");
    char *words[5];
    size_t n = 0;
    if (rest == NULL)
        return false;
    *rest = '\0';
    char *save = NULL;
    for (char *word = strtok_r(line, " ", &save); word != NULL && n < 5; word = strtok_r(NULL, " ", &save))
        words[n++] = word;
    if (n < 5 || sscanf(words[0], "%u", &ret->id) != 1 || sscanf(words[1], "%u", &ret->parent) != 1)
        return false;
    ret->point = words[4];
    unescape(ret->point);
    rest += strlen(" - ");
    ret->reveals = strcmp(words[3], "/") == 0 && (strncmp(rest, "proc ", 5) == 0 || strncmp(rest, "sysfs ", 6) == 0);
    return true;
}

/* Marks the mount `id` and all below it as done with. Children may be listed before their parents. */
static void mark(struct host_mounts *m, unsigned id)
{
    bool more = true;
    for (size_t i = 0; i < m->count; i++)
        m->items[i].done |= m->items[i].id == id;
    while (more) {
        more = false;
        for (size_t i = 0; i < m->count; i++)
            for (size_t k = 0; k < m->count && !m->items[i].done; k++)
                if (m->items[k].done && m->items[k].id == m->items[i].parent)
                    more = m->items[i].done = true;
    }
}

static int read_mounts(int root_fd, struct host_mounts *ret, struct error *err)
{
    CLEANUP_FREE char *text = NULL;
    struct statx stx;
    /* Still the host's /proc: absolute paths start below the container's root, which lies on top of "/". */
    int r = file_read(AT_FDCWD, "/proc/thread-self/mountinfo", MOUNTINFO_MAX, &text, NULL, err);
    if (r < 0)
        return error_context(err, "--no-pivot");
    if (statx(root_fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) < 0 || !(stx.stx_mask & STATX_MNT_ID))
        return error_errno(err, errno, "--no-pivot: cannot tell the container's mounts from the host's");
    strv_split(&ret->lines, text, '\n');
    ret->items = xcalloc(ret->lines.count + 1, sizeof(*ret->items));
    for (size_t i = 0; i < ret->lines.count; i++)
        ret->count += parse_line(ret->lines.items[i], &ret->items[ret->count]);
    mark(ret, (unsigned)stx.stx_mnt_id);
    return 0;
}

/* What is taken off here must stay where it is on the host, also with a shared root. */
static int keep_from_host(const struct host_mounts *m, unsigned parent)
{
    struct mount_attr attr = {.propagation = MS_SLAVE};
    for (size_t i = 0; i < m->count; i++)
        if (m->items[i].id == parent && !m->items[i].done)
            return mount_setattr(AT_FDCWD, m->items[i].point, 0, &attr, sizeof(attr)) < 0 ? -errno : 0;
    return -ENOENT;
}

/* Mounts of a mount namespace whose user namespace is not that of the host are locked in place: something over the
 * whole of one is then as good. */
static bool is_covered(const struct host_mounts *m, const struct host_mount *mount)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->items[i].parent == mount->id && strcmp(m->items[i].point, mount->point) == 0)
            return true;
    return false;
}

static int take_off(const struct host_mounts *m, const struct host_mount *mount, int *tmpfs_fd)
{
    int r = keep_from_host(m, mount->parent);
    if (r < 0)
        return r;
    for (;;) { /* others may lie on top */
        struct statx stx;
        CLEANUP_CLOSE int fd = open(mount->point, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) < 0)
            return -errno;
        bool on_top = stx.stx_mnt_id == mount->id;
        if (umount2(mount->point, MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
            if (on_top)
                return 0;
        } else if (errno != EINVAL && errno != EPERM) {
            return -errno;
        } else if (on_top) {
            return child_mask_directory(fd, tmpfs_fd);
        } else {
            return is_covered(m, mount) ? 0 : -EBUSY;
        }
    }
}

int child_hide_host_proc(struct child *child, struct error *err)
{
    CLEANUP_CLOSE int tmpfs_fd = -1;
    CLEANUP(release_mounts) struct host_mounts m = {.lines = STRV_INIT};
    int r = read_mounts(child->root_fd, &m, err);
    /* From the last one on, which tends to be the deepest; what lies below another goes with that one. */
    for (size_t i = m.count; r == 0 && i-- > 0;) {
        const struct host_mount *mount = &m.items[i];
        if (!mount->reveals || mount->done)
            continue;
        r = take_off(&m, mount, &tmpfs_fd);
        if (r < 0)
            return error_errno(err, r, "--no-pivot: cannot hide the host's %s from the container", mount->point);
        mark(&m, mount->id);
    }
    return r;
}
