/* The nodes of /dev, made by us and verified where something was there already. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <termios.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "base/memory.h"
#include "runtime/child.h"
#include "runtime/mount_calls.h"
#include "runtime/sync.h"

struct node {
    const char *path;
    mode_t mode; /* with S_IFCHR ... */
    dev_t number;
    uid_t uid;
    gid_t gid;
};

/* Where device nodes cannot be made (user namespaces), the host's is bound. */
static int bind_node(int parent_fd, const char *name, const struct node *node)
{
    fd_close(openat(parent_fd, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600)); /* the mount point */
    CLEANUP_CLOSE int target = openat(parent_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    CLEANUP_CLOSE int source = open_tree(AT_FDCWD, node->path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    struct stat st;
    if (target < 0 || source < 0 || fstat(source, &st) < 0)
        return -errno;
    if ((st.st_mode & S_IFMT) != (node->mode & S_IFMT) || st.st_rdev != node->number)
        return -ENODEV;
    return mount_attach(source, target);
}

static bool is_same_node(int parent_fd, const char *name, const struct node *node)
{
    struct stat st;
    return fstatat(parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && (st.st_mode & S_IFMT) == (node->mode & S_IFMT) &&
           (S_ISFIFO(node->mode) || st.st_rdev == node->number);
}

static int make_node(struct child *child, const struct node *node, struct error *err)
{
    CLEANUP_FREE char *name = NULL;
    CLEANUP_CLOSE int parent = beneath_open_parent(child->root_fd, node->path, true, &name);
    if (parent < 0)
        return error_errno(err, parent, "error creating device node \"%s\"", node->path);
    int r = mknodat(parent, name, node->mode, node->number) < 0 ? -errno : 0;
    if (r == -EEXIST) {
        if (!is_same_node(parent, name, node))
            return error_set(err, ERROR_FORBIDDEN, EEXIST, "error creating device node \"%s\": something else is there",
                             node->path);
        r = 0;
    } else if (r == -EPERM) {
        r = bind_node(parent, name, node);
    } else if (r == 0 && (node->uid != 0 || node->gid != 0)) {
        r = fchownat(parent, name, node->uid, node->gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
    }
    return r < 0 ? error_errno(err, r, "error creating device node \"%s\"", node->path) : 0;
}

static int make_default_nodes(struct child *child, struct error *err)
{
    static const struct {
        const char *path;
        unsigned major, minor;
    } nodes[] = {
        {"/dev/null", 1, 3},   {"/dev/zero", 1, 5},    {"/dev/full", 1, 7},
        {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
        struct node node = {
            .path = nodes[i].path, .mode = S_IFCHR | 0666, .number = makedev(nodes[i].major, nodes[i].minor)};
        int r = make_node(child, &node, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int make_spec_nodes(struct child *child, struct error *err)
{
    const struct oci_device *items = child->spec->linux_.devices.items;
    for (size_t i = 0; i < child->spec->linux_.devices.count; i++) {
        char type = items[i].type[0] != '\0' && items[i].type[1] == '\0' ? items[i].type[0] : '\0';
        mode_t format = type == 'c' || type == 'u' ? S_IFCHR : type == 'b' ? S_IFBLK : type == 'p' ? S_IFIFO : 0;
        if (format == 0 || items[i].path[0] != '/')
            return error_set(err, ERROR_INVALID, 0, "invalid device \"%s\" of type \"%s\"", items[i].path,
                             items[i].type);
        mode_t mode = items[i].file_mode != NULL ? (mode_t)*items[i].file_mode & 07777 : 0666;
        struct node node = {.path = items[i].path, .mode = format | mode, .uid = items[i].uid, .gid = items[i].gid};
        node.number = format == S_IFIFO ? 0 : makedev((unsigned)items[i].major, (unsigned)items[i].minor);
        int r = make_node(child, &node, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static bool is_link_to(int dir_fd, const char *name, const char *to)
{
    char target[64];
    ssize_t n = readlinkat(dir_fd, name, target, sizeof(target));
    return n == (ssize_t)strlen(to) && memcmp(target, to, (size_t)n) == 0;
}

static int make_links(int dev_fd, struct error *err)
{
    static const char *const links[][2] = {
        {"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
        {"stderr", "/proc/self/fd/2"}, {"ptmx", "pts/ptmx"},         {"core", "/proc/kcore"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
        const char *to = links[i][1], *name = links[i][0];
        int r = symlinkat(to, dev_fd, name) < 0 ? -errno : 0;
        if (r == -EEXIST && strcmp(name, "ptmx") != 0)
            continue; /* a root file system with a /dev of its own */
        if (r == -EEXIST && is_link_to(dev_fd, name, to))
            continue;
        if (r == -EEXIST) /* it has to be the one of this container's devpts */
            r = unlinkat(dev_fd, name, 0) < 0 || symlinkat(to, dev_fd, name) < 0 ? -errno : 0;
        if (r < 0)
            return error_errno(err, r, "cannot create /dev/%s", name);
    }
    return 0;
}

/* The null device that masks files later: never one that an image put there. */
int child_find_null(struct child *child, struct error *err)
{
    CLEANUP_CLOSE int fd = beneath_open(child->root_fd, "/dev/null", O_PATH, 0);
    if (fd == -ENOENT)
        return 0;
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_errno(err, fd < 0 ? fd : errno, "cannot open the container's /dev/null");
    if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
        return error_set(err, ERROR_FORBIDDEN, 0, "the container's /dev/null is not the null device");
    child->null_fd = TAKE_FD(fd);
    return 0;
}

int child_make_devices(struct child *child, struct error *err)
{
    int r = 0;
    if (child->own_dev) {
        CLEANUP_CLOSE int dev = beneath_mkdirs(child->root_fd, "/dev", 0755);
        if (dev < 0)
            return error_errno(err, dev, "cannot open the container's /dev");
        r = make_default_nodes(child, err);
        r = r < 0 ? r : make_spec_nodes(child, err);
        r = r < 0 ? r : make_links(dev, err);
    }
    return r < 0 ? r : child_find_null(child, err);
}

/* ---- terminal ---- */

static int open_pty(struct child *child, int *ret_master, struct error *err)
{
    CLEANUP_CLOSE int master = beneath_open_nofollow(child->root_fd, "/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC, 0);
    struct statfs fs;
    if (master < 0 || fstatfs(master, &fs) < 0)
        return error_errno(err, master < 0 ? master : errno, "cannot open the container's /dev/pts/ptmx");
    if (fs.f_type != DEVPTS_SUPER_MAGIC)
        return error_set(err, ERROR_FORBIDDEN, 0, "the container's /dev/pts is not a devpts file system");
    int unlock = 0;
    if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
        return error_errno(err, errno, "cannot unlock the container's terminal");
    child->pts_fd = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (child->pts_fd < 0)
        return error_errno(err, errno, "cannot open the container's terminal");
    *ret_master = TAKE_FD(master);
    return 0;
}

/* The clone of the slave's mount covers /dev/console, reached without following anything in /dev. */
static int bind_console(struct child *child, struct error *err)
{
    CLEANUP_CLOSE int dev = beneath_open(child->root_fd, "/dev", O_PATH | O_DIRECTORY, 0);
    if (dev < 0)
        return error_errno(err, dev, "cannot open the container's /dev");
    fd_close(openat(dev, "console", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC,
                    0600)); /* the mount point; fails when something is there */
    CLEANUP_CLOSE int target = openat(dev, "console", O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (target < 0 || fstat(target, &st) < 0)
        return error_errno(err, errno, "cannot create /dev/console");
    if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode))
        return error_set(err, ERROR_FORBIDDEN, 0, "the container's /dev/console is not an ordinary file");
    int r = mount_clone_onto(child->pts_fd, false, 0, target);
    return r < 0 ? error_errno(err, r, "cannot mount the terminal onto /dev/console") : 0;
}

static int set_plain_lines(int master)
{
    struct termios settings;
    if (tcgetattr(master, &settings) < 0)
        return -1;
    settings.c_oflag &= ~(tcflag_t)ONLCR;
    return tcsetattr(master, TCSANOW, &settings);
}

/* Its size, its place as the controlling terminal, and its master to the parent. */
static int take_terminal(struct child *child, int master, struct error *err)
{
    const struct oci_console_size *size = &child->spec->process.console_size;
    struct winsize window = {.ws_row = (unsigned short)size->height, .ws_col = (unsigned short)size->width};
    if ((size->height != 0 || size->width != 0) && ioctl(master, TIOCSWINSZ, &window) < 0)
        return error_errno(err, errno, "cannot set the size of the terminal");
    if (child->options->plain_lines && set_plain_lines(master) < 0)
        return error_errno(err, errno, "cannot set how lines of the terminal end");
    if (ioctl(child->pts_fd, TIOCSCTTY, 0) < 0)
        return error_errno(err, errno, "cannot take the terminal as the controlling one");
    int r = sync_send(child->sync_fd, SYNC_CONSOLE, master);
    return r < 0 ? error_errno(err, r, "cannot hand the terminal to the runtime") : 0;
}

int child_make_console(struct child *child, struct error *err)
{
    if (!child->spec->process.terminal)
        return 0;
    CLEANUP_CLOSE int master = -1;
    int r = open_pty(child, &master, err);
    r = r < 0 ? r : bind_console(child, err);
    return r < 0 ? r : take_terminal(child, master, err);
}

int child_open_terminal(struct child *child, struct error *err)
{
    if (!child->spec->process.terminal)
        return 0;
    CLEANUP_CLOSE int master = -1;
    int r = open_pty(child, &master, err);
    return r < 0 ? r : take_terminal(child, master, err);
}
