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

/* ---- What an entry carries besides its content ---- */

static int set_xattr(const struct unpack *unpack, const char *proc_path, const struct place *place,
                     const struct tar_xattr *x, struct error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(own_xattrs); i++) {
        if (strncmp(x->name, own_xattrs[i], strlen(own_xattrs[i])) == 0) {
            return 0;
        }
    }
    if (lsetxattr(proc_path, x->name, x->value, x->size, 0) == 0) {
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

static int set_xattrs(const struct unpack *unpack, int parent_fd, const struct place *place,
                      const struct tar_entry *entry, struct error *err)
{
    char path[64 + NAME_MAX];
    int r = 0;
    if (entry->xattr_count > 0) {
        /* The l-call on a single name beneath a descriptor of ours follows nothing. */
        snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", parent_fd, place->name);
    }
    for (size_t i = 0; i < entry->xattr_count && r == 0; i++) {
        r = set_xattr(unpack, path, place, &entry->xattrs[i], err);
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

static int set_owner(const struct unpack *unpack, int parent_fd, const struct place *place,
                     const struct tar_entry *entry, struct error *err)
{
    uid_t uid;
    gid_t gid;
    if (owner_of(unpack, entry, &uid, &gid) && fchownat(parent_fd, place->name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0) {
        return unpack_errno(err, errno, "lchown", place->path);
    }
    return 0;
}

/* Owner, mode and attributes, in the order in which one does not undo the other, of something that is no symlink. */
static int set_metadata(struct unpack *unpack, int parent_fd, const struct place *place, const struct tar_entry *entry,
                        bool mode_is_set, struct error *err)
{
    int r = set_owner(unpack, parent_fd, place, entry, err);
    if (r < 0) {
        return r;
    }
    bool special = (entry->mode & 07000) != 0;
    /* In a directory that others may write to, a symlink may have taken the name's place by now. */
    int flags = unpack->options->plain ? AT_SYMLINK_NOFOLLOW : 0;
    if ((special || !mode_is_set) && fchmodat(parent_fd, place->name, entry->mode, flags) < 0) {
        return unpack_errno(err, errno, "chmod", place->path);
    }
    return set_xattrs(unpack, parent_fd, place, entry, err);
}

static int set_time(int parent_fd, const struct place *place, const struct tar_entry *entry, struct error *err)
{
    struct timespec times[2] = {entry_time(entry), entry_time(entry)};
    if (utimensat(parent_fd, place->name, times, AT_SYMLINK_NOFOLLOW) < 0) {
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
    r = set_xattrs(unpack, parent_fd, place, entry, err);
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
    int r = set_owner(unpack, parent_fd, place, entry, err);
    if (r == 0) {
        r = set_xattrs(unpack, parent_fd, place, entry, err);
    }
    return r < 0 ? r : set_time(parent_fd, place, entry, err);
}

static int make_node(struct unpack *unpack, int parent_fd, const struct place *place, const struct tar_entry *entry,
                     struct error *err)
{
    mode_t type = entry->type == TAR_CHAR ? S_IFCHR : entry->type == TAR_BLOCK ? S_IFBLK : S_IFIFO;
    dev_t device = entry->type == TAR_FIFO ? 0 : makedev(entry->device_major, entry->device_minor);
    if (mknodat(parent_fd, place->name, type | (entry->mode & 0777), device) < 0) {
        return errno == EEXIST ? -EEXIST : unpack_errno(err, errno, "mknod", place->path);
    }
    int r = set_metadata(unpack, parent_fd, place, entry, true, err);
    return r < 0 ? r : set_time(parent_fd, place, entry, err);
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

static int make_directory(struct unpack *unpack, int parent_fd, const struct place *place,
                          const struct tar_entry *entry, struct error *err)
{
    if (entry->mode & S_ISGID) {
        unpack->plain_owner = false; /* what is made in there inherits the group */
    }
    bool made = mkdirat(parent_fd, place->name, entry->mode & 0777) == 0;
    if (!made) {
        struct stat st;
        if (errno != EEXIST) {
            return unpack_errno(err, errno, "mkdir", place->path);
        }
        if (fstatat(parent_fd, place->name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
            return unpack_errno(err, errno, "lstat", place->path);
        }
        if (S_ISCHR(st.st_mode) && st.st_rdev == 0) {
            /* Whited out before, now a directory: what lies beneath stays hidden. */
            if (unlinkat(parent_fd, place->name, 0) < 0 || mkdirat(parent_fd, place->name, entry->mode & 0777) < 0) {
                return unpack_errno(err, errno, "mkdir", place->path);
            }
            int r = unpack_set_opaque(parent_fd, place->name, place->path, err);
            if (r < 0) {
                return r;
            }
        } else if (!S_ISDIR(st.st_mode)) {
            return -EEXIST;
        }
    }
    int r = set_metadata(unpack, parent_fd, place, entry, made, err);
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
    int r = set_metadata(unpack, unpack->root_fd, &root, entry, false, err);
    return r < 0 ? r : remember_time(unpack, place, entry, err);
}
