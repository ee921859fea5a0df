#include "image/unpack.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "base/memory.h"
#include "base/strbuf.h"

#define WHITEOUT ".wh."
#define WHITEOUT_META ".wh..wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"
#define OPAQUE_XATTR "trusted.overlay.opaque"
#define OVERLAY_XATTRS "trusted.overlay."

/* Directories that were opened last: entries of one directory mostly follow each other, with its subdirectories
 * between. */
#define PARENTS 8

struct parent {
    char *path;
    int fd;
    uint64_t used;
};

struct unpack {
    int root_fd;
    struct parent parents[PARENTS];
    uint64_t clock;
    struct strbuf directories; /* times to set once everything is inside: timespec, path, NUL, ... */
    bool plain_owner;          /* what we make belongs to 0:0 by itself */
    struct unpack_result result;
};

/* An entry's path, cleaned: "a/b/c"; the root is "". */
struct place {
    char path[PATH_MAX];
    const char *parent; /* "a/b" */
    char *name;         /* "c" */
    char storage[PATH_MAX];
};

static int unpack_errno(struct error *err, int errnum, const char *doing, const char *path)
{
    /* In the spelling of docker's errors: "write /etc/x: no space left on device". */
    char cause[128];
    snprintf(cause, sizeof(cause), "%s", strerror(errnum < 0 ? -errnum : errnum));
    if (isupper((unsigned char)cause[0]) && islower((unsigned char)cause[1])) {
        cause[0] = (char)tolower((unsigned char)cause[0]);
    }
    return error_set(err, ERROR_SYSTEM, errnum < 0 ? -errnum : errnum, "%s /%s: %s", doing, path, cause);
}

static int unpack_invalid(struct error *err, const char *path, const char *what)
{
    return error_set(err, ERROR_INVALID, EINVAL, "\"%s\" %s", path, what);
}

/* ---- Paths ---- */

/* Takes the dots out of a path; one that climbs above the root is refused. */
static int clean_path(const char *text, char path[PATH_MAX], struct error *err)
{
    size_t size = 0, depth = 0;
    for (const char *p = text; *p != 0;) {
        const char *end = strchrnul(p, '/');
        size_t n = (size_t)(end - p);
        if (n == 2 && p[0] == '.' && p[1] == '.') {
            if (size == 0) {
                return unpack_invalid(err, text, "is outside of the layer");
            }
            while (size > 0 && path[--size] != '/') {
            }
            depth--;
        } else if (n > 0 && !(n == 1 && p[0] == '.')) {
            if (n > NAME_MAX || size + n + 2 > PATH_MAX || ++depth > UNPACK_DEPTH_MAX) {
                return unpack_invalid(err, text, "has a name or path that is too long");
            }
            if (size > 0) {
                path[size++] = '/';
            }
            memcpy(path + size, p, n);
            size += n;
        }
        p = *end == '/' ? end + 1 : end;
    }
    path[size] = 0;
    return 0;
}

static void place_split(struct place *place)
{
    size_t size = strlen(place->path);
    memcpy(place->storage, place->path, size + 1);
    char *slash = strrchr(place->storage, '/');
    if (slash == NULL) {
        place->parent = "";
        place->name = place->storage;
    } else {
        *slash = 0;
        place->parent = place->storage;
        place->name = slash + 1;
    }
}

/* ---- Parent directories ---- */

static void parents_forget(struct unpack *unpack)
{
    for (size_t i = 0; i < PARENTS; i++) {
        free(TAKE_PTR(unpack->parents[i].path));
        fd_close(TAKE_FD(unpack->parents[i].fd));
    }
}

static int parent_open(struct unpack *unpack, const char *path, bool make, struct error *err)
{
    const char *name = path[0] != 0 ? path : ".";
    int fd = beneath_open(unpack->root_fd, name, O_RDONLY | O_DIRECTORY, 0);
    if (fd == -ENOENT && make) {
        int CLEANUP_CLOSE made = beneath_mkdirs(unpack->root_fd, name, 0755);
        fd = made < 0 ? made : beneath_open(unpack->root_fd, name, O_RDONLY | O_DIRECTORY, 0);
    }
    return fd < 0 ? unpack_errno(err, fd, "mkdir", path) : fd;
}

/* The directory's descriptor, which stays the cache's, or -errno. Symlinks on the way lead where they lead inside. */
static int parent_get(struct unpack *unpack, const char *path, bool make, struct error *err)
{
    struct parent *oldest = &unpack->parents[0];
    for (size_t i = 0; i < PARENTS; i++) {
        struct parent *parent = &unpack->parents[i];
        if (parent->path != NULL && strcmp(parent->path, path) == 0) {
            parent->used = ++unpack->clock;
            return parent->fd;
        }
        if (parent->used < oldest->used) {
            oldest = parent;
        }
    }
    int fd = parent_open(unpack, path, make, err);
    if (fd < 0) {
        return fd;
    }
    free(oldest->path);
    fd_close(oldest->fd);
    *oldest = (struct parent){.path = xstrdup(path), .fd = fd, .used = ++unpack->clock};
    return fd;
}

/* Makes way for an entry of the same name. The directories opened before may not be what their paths mean any more. */
static int replace_existing(struct unpack *unpack, int parent_fd, const struct place *place, struct error *err)
{
    int CLEANUP_CLOSE parent = fd_dup(parent_fd);
    parents_forget(unpack);
    int r = parent < 0 ? parent : beneath_remove_tree(parent, place->name);
    return r < 0 ? unpack_errno(err, r, "remove", place->path) : 0;
}

/* ---- What an entry carries besides its content ---- */

static int set_xattr(const char *proc_path, const struct place *place, const struct tar_xattr *x, struct error *err)
{
    if (strncmp(x->name, OVERLAY_XATTRS, strlen(OVERLAY_XATTRS)) == 0) {
        return 0;
    }
    if (lsetxattr(proc_path, x->name, x->value, x->size, 0) == 0) {
        return 0;
    }
    /* As docker: a file system or kernel without them is no reason to refuse the image. A file capability that cannot
     * be set would be missed, so only its absence from the file system counts as a reason. */
    bool capability = strcmp(x->name, "security.capability") == 0;
    if (errno == ENOTSUP || (errno == EPERM && !capability)) {
        return 0;
    }
    return unpack_errno(err, errno, "setxattr", place->path);
}

static int set_xattrs(int parent_fd, const struct place *place, const struct tar_entry *entry, struct error *err)
{
    char path[64 + NAME_MAX];
    int r = 0;
    if (entry->xattr_count > 0) {
        /* The l-call on a single name beneath a descriptor of ours follows nothing. */
        snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", parent_fd, place->name);
    }
    for (size_t i = 0; i < entry->xattr_count && r == 0; i++) {
        r = set_xattr(path, place, &entry->xattrs[i], err);
    }
    return r;
}

static struct timespec entry_time(const struct tar_entry *entry)
{
    return (struct timespec){.tv_sec = entry->mtime_seconds, .tv_nsec = entry->mtime_nanoseconds};
}

static bool owner_is_default(const struct unpack *unpack, const struct tar_entry *entry)
{
    return unpack->plain_owner && entry->uid == 0 && entry->gid == 0;
}

/* Owner, mode and attributes, in the order in which one does not undo the other, of something that is no symlink. */
static int set_metadata(struct unpack *unpack, int parent_fd, const struct place *place, const struct tar_entry *entry,
                        bool mode_is_set, struct error *err)
{
    bool owner = owner_is_default(unpack, entry);
    if (!owner && fchownat(parent_fd, place->name, entry->uid, entry->gid, AT_SYMLINK_NOFOLLOW) < 0) {
        return unpack_errno(err, errno, "lchown", place->path);
    }
    bool special = (entry->mode & 07000) != 0;
    if ((special || !mode_is_set) && fchmodat(parent_fd, place->name, entry->mode, 0) < 0) {
        return unpack_errno(err, errno, "chmod", place->path);
    }
    return set_xattrs(parent_fd, place, entry, err);
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
    int r = write_contents(reader, fd, place, entry->size, err);
    if (r < 0) {
        return r;
    }
    unpack->result.size += entry->size;
    if (!owner_is_default(unpack, entry) && fchown(fd, entry->uid, entry->gid) < 0) {
        return unpack_errno(err, errno, "lchown", place->path);
    }
    if ((entry->mode & 07000) != 0 && fchmod(fd, entry->mode) < 0) {
        return unpack_errno(err, errno, "chmod", place->path);
    }
    r = set_xattrs(parent_fd, place, entry, err);
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
    if (!owner_is_default(unpack, entry) &&
        fchownat(parent_fd, place->name, entry->uid, entry->gid, AT_SYMLINK_NOFOLLOW) < 0) {
        return unpack_errno(err, errno, "lchown", place->path);
    }
    int r = set_xattrs(parent_fd, place, entry, err);
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
    int r = clean_path(entry->link, target, err);
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

static int set_opaque(int parent_fd, const char *name, const char *path, struct error *err)
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
            int r = set_opaque(parent_fd, place->name, place->path, err);
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

static int make_entry(struct unpack *unpack, struct tar_reader *reader, int parent_fd, const struct place *place,
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

/* ---- Whiteouts ---- */

static int make_opaque(struct unpack *unpack, int parent_fd, const struct place *place, struct error *err)
{
    if (place->parent[0] == 0) {
        unpack->result.opaque_root = true;
        return 0;
    }
    if (fsetxattr(parent_fd, OPAQUE_XATTR, "y", 1, 0) < 0) {
        return unpack_errno(err, errno, "setxattr", place->parent);
    }
    return 0;
}

/* A whiteout speaks of the layers beneath only: what this layer itself has under that name stays. */
static int make_whiteout(int parent_fd, const struct place *place, struct error *err)
{
    const char *name = place->name + strlen(WHITEOUT);
    struct stat st;
    if (name[0] == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        return unpack_invalid(err, place->path, "is not a whiteout of anything");
    }
    if (mknodat(parent_fd, name, S_IFCHR, makedev(0, 0)) == 0) {
        return 0;
    }
    if (errno != EEXIST) {
        return unpack_errno(err, errno, "mknod", place->path);
    }
    if (fstatat(parent_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        return unpack_errno(err, errno, "lstat", place->path);
    }
    return S_ISDIR(st.st_mode) ? set_opaque(parent_fd, name, place->path, err) : 0;
}

static bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* ---- The whole ---- */

/* "./": the layer's root directory itself. */
static int set_root(struct unpack *unpack, const struct place *place, const struct tar_entry *entry, struct error *err)
{
    struct place root = {.parent = "", .name = root.storage, .storage = "."};
    if (entry->type != TAR_DIRECTORY) {
        return unpack_invalid(err, entry->path, "is the layer's root and not a directory");
    }
    int r = set_metadata(unpack, unpack->root_fd, &root, entry, false, err);
    return r < 0 ? r : remember_time(unpack, place, entry, err);
}

static int unpack_entry(struct unpack *unpack, struct tar_reader *reader, const struct tar_entry *entry,
                        struct error *err)
{
    struct place place;
    int r = clean_path(entry->path, place.path, err);
    if (r < 0) {
        return r;
    }
    if (place.path[0] == 0) {
        return set_root(unpack, &place, entry, err);
    }
    place_split(&place);
    bool opaque = strcmp(place.name, WHITEOUT_OPAQUE) == 0;
    if (!opaque && (has_prefix(place.path, WHITEOUT_META) || has_prefix(place.name, WHITEOUT_META))) {
        return 0; /* aufs' own bookkeeping */
    }
    int parent_fd = parent_get(unpack, place.parent, true, err);
    if (parent_fd < 0) {
        return parent_fd;
    }
    if (opaque) {
        return make_opaque(unpack, parent_fd, &place, err);
    }
    if (has_prefix(place.name, WHITEOUT)) {
        return make_whiteout(parent_fd, &place, err);
    }
    r = make_entry(unpack, reader, parent_fd, &place, entry, err);
    if (r == -EEXIST && err->kind == ERROR_NONE) {
        r = replace_existing(unpack, parent_fd, &place, err);
        parent_fd = r < 0 ? r : parent_get(unpack, place.parent, true, err);
        r = parent_fd < 0 ? parent_fd : make_entry(unpack, reader, parent_fd, &place, entry, err);
        if (r == -EEXIST && err->kind == ERROR_NONE) {
            r = unpack_errno(err, EEXIST, "open", place.path);
        }
    }
    return r;
}

static int set_directory_times(struct unpack *unpack, struct error *err)
{
    const char *p = strbuf_str(&unpack->directories);
    const char *end = p + unpack->directories.size;
    while (p < end) {
        struct place place;
        struct timespec time;
        memcpy(&time, p, sizeof(time));
        p += sizeof(time);
        size_t size = strlen(p) + 1;
        memcpy(place.path, p, size);
        p += size;
        place_split(&place);
        struct error ignored = {0};
        int parent_fd = place.path[0] == 0 ? unpack->root_fd : parent_get(unpack, place.parent, false, &ignored);
        const char *name = place.path[0] == 0 ? "." : place.name;
        struct timespec times[2] = {time, time};
        if (parent_fd < 0) {
            continue; /* replaced by a later entry */
        }
        if (utimensat(parent_fd, name, times, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT) {
            return unpack_errno(err, errno, "chtimes", place.path);
        }
    }
    return 0;
}

static int unpack_entries(struct unpack *unpack, struct tar_reader *reader, struct error *err)
{
    const struct tar_entry *entry;
    int r;
    while ((r = tar_reader_next(reader, &entry, err)) > 0) {
        if (++unpack->result.entries > UNPACK_ENTRIES_MAX) {
            return error_set(err, ERROR_INVALID, EINVAL, "the layer has too many entries");
        }
        r = unpack_entry(unpack, reader, entry, err);
        if (r < 0) {
            return r;
        }
    }
    return r < 0 ? r : set_directory_times(unpack, err);
}

int unpack_layer(struct tar_reader *reader, int root_fd, struct unpack_result *result, struct error *err)
{
    struct unpack unpack = {.root_fd = root_fd, .plain_owner = geteuid() == 0 && getegid() == 0};
    struct error local = {0};
    for (size_t i = 0; i < PARENTS; i++) {
        unpack.parents[i].fd = -1;
    }
    int r = unpack_entries(&unpack, reader, &local);
    parents_forget(&unpack);
    strbuf_release(&unpack.directories);
    if (r < 0) {
        return error_propagate(err, &local);
    }
    *result = unpack.result;
    return 0;
}
