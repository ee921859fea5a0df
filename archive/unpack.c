#include "archive/unpack_internal.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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

int unpack_errno(struct error *err, int errnum, const char *doing, const char *path)
{
    /* In the spelling of docker's errors: "write /etc/x: no space left on device". */
    char cause[128];
    snprintf(cause, sizeof(cause), "%s", strerror(errnum < 0 ? -errnum : errnum));
    if (isupper((unsigned char)cause[0]) && islower((unsigned char)cause[1])) {
        cause[0] = (char)tolower((unsigned char)cause[0]);
    }
    return error_set(err, ERROR_SYSTEM, errnum < 0 ? -errnum : errnum, "%s /%s: %s", doing, path, cause);
}

int unpack_invalid(struct error *err, const char *path, const char *what)
{
    return error_set(err, ERROR_INVALID, EINVAL, "\"%s\" %s", path, what);
}

/* ---- Paths ---- */

int unpack_path(const struct unpack *unpack, const char *text, char path[PATH_MAX], struct error *err)
{
    const char *prefix = unpack->options->prefix != NULL ? unpack->options->prefix : "";
    size_t start = strlen(prefix), size = start, depth = 0;
    if (start + NAME_MAX >= PATH_MAX) {
        return unpack_invalid(err, prefix, "has a name or path that is too long");
    }
    memcpy(path, prefix, start);
    for (const char *p = text; *p != 0;) {
        const char *end = strchrnul(p, '/');
        size_t n = (size_t)(end - p);
        if (n == 2 && p[0] == '.' && p[1] == '.') {
            if (size == start) {
                return unpack_invalid(
                    err, text, unpack->options->plain ? "is outside of the destination" : "is outside of the layer");
            }
            while (size > start && path[--size] != '/') {
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

/* docker's RebaseArchiveEntries: the first component is another one. NULL: nothing to change. The caller frees. */
char *unpack_renamed(const struct unpack_options *options, const char *path)
{
    const char *from = options->rename_from;
    if (from == NULL) {
        return NULL;
    }
    size_t size = strlen(from);
    if (strcmp(from, "/") == 0 || size == 0) {
        return xasprintf("%s/%s", options->rename_to, path);
    }
    if (strncmp(path, from, size) != 0 || (path[size] != 0 && path[size] != '/')) {
        return NULL;
    }
    return xasprintf("%s%s", options->rename_to, path + size);
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
    for (size_t i = 0; i < UNPACK_PARENTS; i++) {
        free(TAKE_PTR(unpack->parents[i].path));
        fd_close(TAKE_FD(unpack->parents[i].fd));
    }
}

/* Directories that the archive does not have belong to root; of a user namespace, to its root. */
static int make_parents(struct unpack *unpack, const char *path)
{
    const struct unpack_options *options = unpack->options;
    uint32_t uid = 0, gid = 0;
    if (options->uids == NULL || options->gids == NULL) {
        return beneath_mkdirs(unpack->root_fd, path, 0755);
    }
    if (!id_map_outside(options->uids, 0, &uid) || !id_map_outside(options->gids, 0, &gid)) {
        return -EOVERFLOW;
    }
    int CLEANUP_CLOSE fd = -ENOENT;
    CLEANUP_FREE char *part = xstrdup(path);
    for (size_t end = strcspn(path, "/"); fd == -ENOENT || fd >= 0; end += strcspn(path + end, "/")) {
        fd_close(fd);
        part[end] = 0;
        fd = beneath_open(unpack->root_fd, part, O_PATH | O_DIRECTORY, 0);
        if (fd == -ENOENT) {
            fd = beneath_mkdirs(unpack->root_fd, part, 0755);
            if (fd >= 0 && fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0) {
                return -errno;
            }
        }
        if (path[end] == 0) {
            break;
        }
        part[end++] = '/';
    }
    return TAKE_FD(fd);
}

static int parent_open(struct unpack *unpack, const char *path, bool make, struct error *err)
{
    const char *name = path[0] != 0 ? path : ".";
    int (*open_beneath)(int, const char *, int, mode_t) =
        unpack->options->no_symlinks ? beneath_open_nofollow : beneath_open;
    int fd = open_beneath(unpack->root_fd, name, O_RDONLY | O_DIRECTORY, 0);
    if (fd == -ENOENT && make) {
        int CLEANUP_CLOSE made = make_parents(unpack, name);
        fd = made < 0 ? made : open_beneath(unpack->root_fd, name, O_RDONLY | O_DIRECTORY, 0);
    }
    return fd < 0 ? unpack_errno(err, fd, "mkdir", path) : fd;
}

/* The directory's descriptor, which stays the cache's, or -errno. Symlinks on the way lead where they lead inside. */
static int parent_get(struct unpack *unpack, const char *path, bool make, struct error *err)
{
    struct unpack_parent *oldest = &unpack->parents[0];
    for (size_t i = 0; i < UNPACK_PARENTS; i++) {
        struct unpack_parent *parent = &unpack->parents[i];
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
    *oldest = (struct unpack_parent){.path = xstrdup(path), .fd = fd, .used = ++unpack->clock};
    return fd;
}

/* docker cp's rule (NoOverwriteDirNonDir): a directory takes no file's place and the other way round. */
static int check_kinds(const struct unpack *unpack, int parent_fd, const struct place *place,
                       const struct tar_entry *entry, struct error *err)
{
    struct stat st;
    const char *prefix = unpack->options->prefix != NULL ? unpack->options->prefix : "";
    if (!unpack->options->keep_kinds || fstatat(parent_fd, place->name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        return 0;
    }
    if (S_ISDIR(st.st_mode) && entry->type != TAR_DIRECTORY) {
        return error_set(err, ERROR_INVALID, EINVAL, "cannot overwrite directory \"/%s\" with non-directory \"/%s\"",
                         place->path, prefix);
    }
    if (!S_ISDIR(st.st_mode) && entry->type == TAR_DIRECTORY) {
        return error_set(err, ERROR_INVALID, EINVAL, "cannot overwrite non-directory \"/%s\" with directory \"/%s\"",
                         place->path, prefix);
    }
    return 0;
}

/* Makes way for an entry of the same name. The directories opened before may not be what their paths mean any more. */
static int replace_existing(struct unpack *unpack, int parent_fd, const struct place *place, struct error *err)
{
    int CLEANUP_CLOSE parent = fd_dup(parent_fd);
    struct stat st;
    bool whiteout =
        fstatat(parent_fd, place->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == 0;
    unpack->result.replaced = unpack->result.replaced || !whiteout;
    parents_forget(unpack);
    int r = parent < 0 ? parent : beneath_remove_tree(parent, place->name);
    return r < 0 ? unpack_errno(err, r, "remove", place->path) : 0;
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
    return S_ISDIR(st.st_mode) ? unpack_set_opaque(parent_fd, name, place->path, err) : 0;
}

static bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* ---- The whole ---- */

/* The entry itself, in place of what has its name. */
static int make_entry(struct unpack *unpack, struct tar_reader *reader, int parent_fd, const struct place *place,
                      const struct tar_entry *entry, struct error *err)
{
    int r = check_kinds(unpack, parent_fd, place, entry, err);
    if (r < 0) {
        return r;
    }
    r = unpack_make(unpack, reader, parent_fd, place, entry, err);
    if (r == -EEXIST && err->kind == ERROR_NONE) {
        r = replace_existing(unpack, parent_fd, place, err);
        parent_fd = r < 0 ? r : parent_get(unpack, place->parent, true, err);
        r = parent_fd < 0 ? parent_fd : unpack_make(unpack, reader, parent_fd, place, entry, err);
        if (r == -EEXIST && err->kind == ERROR_NONE) {
            r = unpack_errno(err, EEXIST, "open", place->path);
        }
    }
    return r;
}

static int unpack_plain(struct unpack *unpack, struct tar_reader *reader, struct place *place,
                        const struct tar_entry *entry, struct error *err)
{
    const char *prefix = unpack->options->prefix != NULL ? unpack->options->prefix : "";
    if (strcmp(place->path, prefix) == 0) { /* the destination, which is there and stays as it is */
        return entry->type == TAR_DIRECTORY
                   ? 0
                   : unpack_invalid(err, entry->path, "is the destination and not a directory");
    }
    place_split(place);
    int parent_fd = parent_get(unpack, place->parent, true, err);
    return parent_fd < 0 ? parent_fd : make_entry(unpack, reader, parent_fd, place, entry, err);
}

static int unpack_entry(struct unpack *unpack, struct tar_reader *reader, const struct tar_entry *entry,
                        struct error *err)
{
    struct place place;
    CLEANUP_FREE char *renamed = unpack_renamed(unpack->options, entry->path);
    int r = unpack_path(unpack, renamed != NULL ? renamed : entry->path, place.path, err);
    if (r < 0) {
        return r;
    }
    if (unpack->options->plain) {
        return unpack_plain(unpack, reader, &place, entry, err);
    }
    if (place.path[0] == 0) {
        return unpack_set_root(unpack, &place, entry, err);
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
    return make_entry(unpack, reader, parent_fd, &place, entry, err);
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
        /* What is no directory any more was replaced, by a later entry or by somebody else. */
        int CLEANUP_CLOSE fd =
            parent_fd < 0 ? -1 : openat(parent_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0 && utimensat(fd, "", times, AT_EMPTY_PATH) < 0) {
            return unpack_errno(err, errno, "chtimes", place.path);
        }
    }
    return 0;
}

static int check_owner(const struct unpack *unpack, const struct tar_entry *entry, struct error *err)
{
    const struct unpack_options *options = unpack->options;
    uint32_t outside;
    uid_t uid = options->set_owner ? options->uid : entry->uid;
    gid_t gid = options->set_owner ? options->gid : entry->gid;
    if (options->uids != NULL && !id_map_outside(options->uids, uid, &outside)) {
        return error_set(err, ERROR_INVALID, EOVERFLOW, "%s: Container ID %u cannot be mapped to a host ID",
                         entry->path, uid);
    }
    if (options->gids != NULL && !id_map_outside(options->gids, gid, &outside)) {
        return error_set(err, ERROR_INVALID, EOVERFLOW, "%s: Container ID %u cannot be mapped to a host ID",
                         entry->path, gid);
    }
    return 0;
}

static int unpack_entries(struct unpack *unpack, struct tar_reader *reader, struct error *err)
{
    const struct tar_entry *entry;
    int64_t max = unpack->options->entries_max > 0 ? unpack->options->entries_max : UNPACK_ENTRIES_MAX;
    int r;
    while ((r = tar_reader_next(reader, &entry, err)) > 0) {
        if (++unpack->result.entries > max) {
            return error_set(err, ERROR_INVALID, E2BIG, "the archive has more than %" PRId64 " entries", max);
        }
        r = check_owner(unpack, entry, err);
        if (r == 0) {
            r = unpack_entry(unpack, reader, entry, err);
        }
        if (r < 0) {
            return r;
        }
    }
    return r < 0 ? r : set_directory_times(unpack, err);
}

int unpack_tree(struct tar_reader *reader, int root_fd, const struct unpack_options *options,
                struct unpack_result *result, struct error *err)
{
    struct unpack unpack = {.options = options, .root_fd = root_fd};
    struct error local = {0};
    /* Directories that are there already may hand their group on. */
    unpack.plain_owner = !options->plain && geteuid() == 0 && getegid() == 0;
    for (size_t i = 0; i < UNPACK_PARENTS; i++) {
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

int unpack_layer(struct tar_reader *reader, int root_fd, int64_t entries_max, struct unpack_result *result,
                 struct error *err)
{
    return unpack_tree(reader, root_fd, &(struct unpack_options){.entries_max = entries_max}, result, err);
}
