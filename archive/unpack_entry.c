/* The kinds of entries and what they carry. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "archive/unpack_internal.h"
#include "base/beneath.h"
#include "base/fd.h"
#include "base/memory.h"

#define OPAQUE_XATTR "trusted.overlay.opaque"
/* overlayfs's marks, and what dory has noted of a file's content: neither is for an archive to say. */
static const char *const own_xattrs[] = {"trusted.overlay.", "trusted.dory."};

/* ---- What was made ---- */

/*
 * What an entry has become, to be given its owner, mode, attributes and time. In a layer, which nobody else sees yet,
 * it is known by its name. In a tree that others use while it is unpacked into (a container's), where a name may stand
 * for something else by now, it is a descriptor (O_PATH does).
 */
struct made {
    int fd;
    const char *name; /* in the directory fd; "": fd itself */
};

static int made_flags(const struct made *made)
{
    return made->name[0] != 0 ? AT_SYMLINK_NOFOLLOW : AT_EMPTY_PATH;
}

/* For the calls that know paths only. One on a single name beneath a descriptor of ours follows nothing when it is told
 * not to; one on the descriptor's own link ends there, even at a symlink. */
static void made_path(const struct made *made, char path[64 + NAME_MAX])
{
    snprintf(path, 64 + NAME_MAX, "/proc/self/fd/%d%s%s", made->fd, made->name[0] != 0 ? "/" : "", made->name);
}

/* Is it what was just made, not something that was put in its place? Nobody else's has no permissions at all. */
static bool is_what_was_made(int fd, const struct tar_entry *entry, mode_t type, dev_t device)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || (st.st_mode & S_IFMT) != type) {
        return false;
    }
    if (type == S_IFLNK) {
        char target[PATH_MAX];
        ssize_t n = readlinkat(fd, "", target, sizeof(target));
        return st.st_nlink == 1 && n == (ssize_t)strlen(entry->link) && memcmp(target, entry->link, (size_t)n) == 0;
    }
    return (st.st_mode & 01777) == 0 && (type == S_IFDIR || (st.st_nlink == 1 && st.st_rdev == device));
}

/* Opens what has just been made where that has to be a descriptor; *fd is the caller's to close, -1 when a name does.
 */
static int find_made(const struct unpack *unpack, int parent_fd, const struct place *place,
                     const struct tar_entry *entry, mode_t type, dev_t device, int *fd, struct made *ret,
                     struct error *err)
{
    *fd = -1;
    *ret = (struct made){.fd = parent_fd, .name = place->name};
    if (!unpack->options->plain) {
        return 0;
    }
    *fd = openat(parent_fd, place->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (*fd < 0) {
        return unpack_errno(err, errno, "open", place->path);
    }
    if (!is_what_was_made(*fd, entry, type, device)) {
        return error_set(err, ERROR_CONFLICT, EBUSY, "\"/%s\" was replaced while it was being made", place->path);
    }
    *ret = (struct made){.fd = *fd, .name = ""};
    return 0;
}

/* The mode to make something with: none, where others could use it before it has its owner. */
static mode_t first_mode(const struct unpack *unpack, const struct tar_entry *entry)
{
    return unpack->options->plain ? 0 : entry->mode & 0777;
}

/* ---- What an entry carries besides its content ---- */

static int set_xattr(const struct unpack *unpack, const struct made *made, const char *path, const struct place *place,
                     const struct tar_xattr *x, struct error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(own_xattrs); i++) {
        if (strncmp(x->name, own_xattrs[i], strlen(own_xattrs[i])) == 0) {
            return 0;
        }
    }
    int (*set)(const char *, const char *, const void *, size_t, int) = made->name[0] != 0 ? lsetxattr : setxattr;
    if (set(path, x->name, x->value, x->size, 0) == 0) {
        return 0;
    }
    /* As docker: a file system or kernel without them is no reason to refuse the image. A file capability that cannot
     * be set would be missed, so only its absence from the file system counts as a reason. */
    bool capability = strcmp(x->name, "security.capability") == 0;
    if (errno == ENOTSUP || (errno == EPERM && (!capability || unpack->options->no_owner))) {
        return 0;
    }
    return unpack_errno(err, errno, "setxattr", place->path);
}

static int set_xattrs(const struct unpack *unpack, const struct made *made, const struct place *place,
                      const struct tar_entry *entry, struct error *err)
{
    char path[64 + NAME_MAX];
    int r = 0;
    if (entry->xattr_count > 0) {
        made_path(made, path);
    }
    for (size_t i = 0; i < entry->xattr_count && r == 0; i++) {
        r = set_xattr(unpack, made, path, place, &entry->xattrs[i], err);
    }
    return r;
}

static struct timespec entry_time(const struct tar_entry *entry)
{
    return (struct timespec){.tv_sec = entry->mtime_seconds, .tv_nsec = entry->mtime_nanoseconds};
}

/* Whom the entry shall belong to. False: what is made has the right owner by itself. Ids that are nothing outside have
 * been refused (check_owner). */
static bool owner_of(const struct unpack *unpack, const struct tar_entry *entry, uid_t *ret_uid, gid_t *ret_gid)
{
    const struct unpack_options *options = unpack->options;
    *ret_uid = options->set_owner ? options->uid : entry->uid;
    *ret_gid = options->set_owner ? options->gid : entry->gid;
    if (options->uids != NULL)
        (void)id_map_outside(options->uids, *ret_uid, ret_uid);
    if (options->gids != NULL)
        (void)id_map_outside(options->gids, *ret_gid, ret_gid);
    return !options->no_owner && !(unpack->plain_owner && *ret_uid == 0 && *ret_gid == 0);
}

static int set_owner(const struct unpack *unpack, const struct made *made, const struct place *place,
                     const struct tar_entry *entry, struct error *err)
{
    uid_t uid;
    gid_t gid;
    if (owner_of(unpack, entry, &uid, &gid) && fchownat(made->fd, made->name, uid, gid, made_flags(made)) < 0) {
        return unpack_errno(err, errno, "lchown", place->path);
    }
    return 0;
}

static int set_mode(const struct made *made, const struct place *place, const struct tar_entry *entry,
                    struct error *err)
{
    char path[64 + NAME_MAX];
    int r;
    if (made->name[0] != 0) {
        r = fchmodat(made->fd, made->name, entry->mode, 0);
    } else {
        made_path(made, path);
        r = chmod(path, entry->mode);
    }
    return r < 0 ? unpack_errno(err, errno, "chmod", place->path) : 0;
}

/* Owner, mode and attributes, in the order in which one does not undo the other, of something that is no symlink. */
static int set_metadata(struct unpack *unpack, const struct made *made, const struct place *place,
                        const struct tar_entry *entry, bool mode_is_set, struct error *err)
{
    int r = set_owner(unpack, made, place, entry, err);
    bool special = (entry->mode & 07000) != 0;
    if (r == 0 && (special || !mode_is_set)) {
        r = set_mode(made, place, entry, err);
    }
    return r < 0 ? r : set_xattrs(unpack, made, place, entry, err);
}

static int set_time(const struct made *made, const struct place *place, const struct tar_entry *entry,
                    struct error *err)
{
    struct timespec times[2] = {entry_time(entry), entry_time(entry)};
    if (utimensat(made->fd, made->name, times, made_flags(made)) < 0) {
        return unpack_errno(err, errno, "chtimes", place->path);
    }
    return 0;
}

/* ---- The kinds of entries ---- */

static int write_contents(struct tar_reader *reader, int fd, const struct place *place, int64_t size, struct error *err)
{
    const void *data;
    size_t n;
    int64_t offset, end = 0;
    int r;
    while ((r = tar_reader_data(reader, &data, &n, &offset, err)) > 0) {
        for (size_t done = 0; done < n;) {
            ssize_t w = pwrite(fd, (const char *)data + done, n - done, offset + (int64_t)done);
            if (w < 0 && errno != EINTR) {
                return unpack_errno(err, errno, "write", place->path);
            }
            done += w > 0 ? (size_t)w : 0;
        }
        end = offset + (int64_t)n;
    }
    if (r == 0 && end < size && ftruncate(fd, size) < 0) {
        return unpack_errno(err, errno, "truncate", place->path);
    }
    return r;
}

static int make_file(struct unpack *unpack, struct tar_reader *reader, int parent_fd, const struct place *place,
                     const struct tar_entry *entry, struct error *err)
{
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    /* Set-id bits come last, so that nothing can be written into a file that has them. */
    int CLEANUP_CLOSE fd = openat(parent_fd, place->name, flags, entry->mode & 0777);
    if (fd < 0) {
        return errno == EEXIST ? -EEXIST : unpack_errno(err, errno, "open", place->path);
    }
    tar_reader_content_path(reader, place->path);
    int r = write_contents(reader, fd, place, entry->size, err);
    if (r < 0) {
        return r;
    }
    unpack->result.size += entry->size;
    uid_t uid;
    gid_t gid;
    if (owner_of(unpack, entry, &uid, &gid) && fchown(fd, uid, gid) < 0) {
        return unpack_errno(err, errno, "lchown", place->path);
    }
    if ((entry->mode & 07000) != 0 && fchmod(fd, entry->mode) < 0) {
        return unpack_errno(err, errno, "chmod", place->path);
    }
    const struct made made = {.fd = fd, .name = ""};
    r = set_xattrs(unpack, &made, place, entry, err);
    struct timespec times[2] = {entry_time(entry), entry_time(entry)};
    if (r == 0 && futimens(fd, times) < 0) {
        return unpack_errno(err, errno, "chtimes", place->path);
    }
    return r;
}

static int make_symlink(struct unpack *unpack, int parent_fd, const struct place *place, const struct tar_entry *entry,
                        struct error *err)
{
    if (symlinkat(entry->link, parent_fd, place->name) < 0) {
        return errno == EEXIST ? -EEXIST : unpack_errno(err, errno, "symlink", place->path);
    }
    int CLEANUP_CLOSE fd = -1;
    struct made made;
    int r = find_made(unpack, parent_fd, place, entry, S_IFLNK, 0, &fd, &made, err);
    if (r == 0) {
        r = set_owner(unpack, &made, place, entry, err);
    }
    if (r == 0) {
        r = set_xattrs(unpack, &made, place, entry, err);
    }
    return r < 0 ? r : set_time(&made, place, entry, err);
}

static int make_node(struct unpack *unpack, int parent_fd, const struct place *place, const struct tar_entry *entry,
                     struct error *err)
{
    mode_t type = entry->type == TAR_CHAR ? S_IFCHR : entry->type == TAR_BLOCK ? S_IFBLK : S_IFIFO;
    dev_t device = entry->type == TAR_FIFO ? 0 : makedev(entry->device_major, entry->device_minor);
    if (mknodat(parent_fd, place->name, type | first_mode(unpack, entry), device) < 0) {
        return errno == EEXIST ? -EEXIST : unpack_errno(err, errno, "mknod", place->path);
    }
    int CLEANUP_CLOSE fd = -1;
    struct made made;
    int r = find_made(unpack, parent_fd, place, entry, type, device, &fd, &made, err);
    if (r == 0) {
        r = set_metadata(unpack, &made, place, entry, !unpack->options->plain, err);
    }
    return r < 0 ? r : set_time(&made, place, entry, err);
}

static int make_hardlink(struct unpack *unpack, int parent_fd, const struct place *place, const struct tar_entry *entry,
                         struct error *err)
{
    char target[PATH_MAX];
    CLEANUP_FREE char *name = NULL;
    CLEANUP_FREE char *renamed = unpack_renamed(unpack->options, entry->link);
    int r = unpack_path(unpack, renamed != NULL ? renamed : entry->link, target, err);
    if (r < 0) {
        return r;
    }
    int CLEANUP_CLOSE target_fd = beneath_open_parent(unpack->root_fd, target, false, &name);
    if (target_fd < 0) {
        return unpack_errno(err, target_fd, "link", target);
    }
    if (linkat(target_fd, name, parent_fd, place->name, 0) < 0) {
        return errno == EEXIST ? -EEXIST : unpack_errno(err, errno, "link", place->path);
    }
    return 0;
}

int unpack_set_opaque(int parent_fd, const char *name, const char *path, struct error *err)
{
    int CLEANUP_CLOSE fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return unpack_errno(err, errno, "open", path);
    }
    return fsetxattr(fd, OPAQUE_XATTR, "y", 1, 0) < 0 ? unpack_errno(err, errno, "setxattr", path) : 0;
}

/* Times of directories change with what is put into them, so they are set at the very end. */
static int remember_time(struct unpack *unpack, const struct place *place, const struct tar_entry *entry,
                         struct error *err)
{
    struct timespec time = entry_time(entry);
    if (unpack->directories.size > UNPACK_DIRECTORY_NAMES_MAX) {
        return unpack_invalid(err, place->path, "is one directory too many");
    }
    strbuf_add(&unpack->directories, &time, sizeof(time));
    strbuf_add(&unpack->directories, place->path, strlen(place->path) + 1);
    return 0;
}

/* Something has the directory's name already: a directory may stay. */
static int use_existing(const struct unpack *unpack, int parent_fd, const struct place *place,
                        const struct tar_entry *entry, struct error *err)
{
    struct stat st;
    if (fstatat(parent_fd, place->name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        return unpack_errno(err, errno, "lstat", place->path);
    }
    if (S_ISDIR(st.st_mode)) {
        return 0;
    }
    if (unpack->options->plain || !S_ISCHR(st.st_mode) || st.st_rdev != 0) {
        return -EEXIST;
    }
    /* Whited out before, now a directory: what lies beneath stays hidden. */
    if (unlinkat(parent_fd, place->name, 0) < 0 || mkdirat(parent_fd, place->name, entry->mode & 0777) < 0) {
        return unpack_errno(err, errno, "mkdir", place->path);
    }
    return unpack_set_opaque(parent_fd, place->name, place->path, err);
}

static int make_directory(struct unpack *unpack, int parent_fd, const struct place *place,
                          const struct tar_entry *entry, struct error *err)
{
    if (entry->mode & S_ISGID) {
        unpack->plain_owner = false; /* what is made in there inherits the group */
    }
    bool fresh = mkdirat(parent_fd, place->name, first_mode(unpack, entry)) == 0;
    if (!fresh) {
        int r = errno == EEXIST ? use_existing(unpack, parent_fd, place, entry, err)
                                : unpack_errno(err, errno, "mkdir", place->path);
        if (r < 0) {
            return r;
        }
    }
    int CLEANUP_CLOSE fd = -1;
    struct made made = {.fd = parent_fd, .name = place->name};
    int r = 0;
    if (fresh) {
        r = find_made(unpack, parent_fd, place, entry, S_IFDIR, 0, &fd, &made, err);
    } else if (unpack->options->plain) {
        fd = openat(parent_fd, place->name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        made = (struct made){.fd = fd, .name = ""};
        r = fd < 0 ? unpack_errno(err, errno, "open", place->path) : 0;
    }
    if (r == 0) {
        r = set_metadata(unpack, &made, place, entry, fresh && !unpack->options->plain, err);
    }
    return r < 0 ? r : remember_time(unpack, place, entry, err);
}

int unpack_make(struct unpack *unpack, struct tar_reader *reader, int parent_fd, const struct place *place,
                const struct tar_entry *entry, struct error *err)
{
    switch (entry->type) {
    case TAR_FILE:
        return make_file(unpack, reader, parent_fd, place, entry, err);
    case TAR_HARDLINK:
        return make_hardlink(unpack, parent_fd, place, entry, err);
    case TAR_SYMLINK:
        return make_symlink(unpack, parent_fd, place, entry, err);
    case TAR_DIRECTORY:
        return make_directory(unpack, parent_fd, place, entry, err);
    case TAR_CHAR:
    case TAR_BLOCK:
    case TAR_FIFO:
        break;
    }
    return make_node(unpack, parent_fd, place, entry, err);
}

/* "./": the layer's root directory itself. */
int unpack_set_root(struct unpack *unpack, const struct place *place, const struct tar_entry *entry, struct error *err)
{
    struct place root = {.parent = "", .name = root.storage, .storage = "."};
    if (entry->type != TAR_DIRECTORY) {
        return unpack_invalid(err, entry->path, "is the layer's root and not a directory");
    }
    const struct made made = {.fd = unpack->root_fd, .name = "."};
    int r = set_metadata(unpack, &made, &root, entry, false, err);
    return r < 0 ? r : remember_time(unpack, place, entry, err);
}
