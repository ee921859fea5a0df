#include "archive/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/directory.h"
#include "base/fd.h"
#include "base/memory.h"
#include "base/strbuf.h"
#include "base/strmap.h"
#include "base/strv.h"

#define READ_SIZE (256 * 1024)
#define XATTR_NAMES_MAX 65536
#define OVERLAY_XATTRS "trusted.overlay."
#define DORY_XATTRS "trusted.dory."
#define OVERLAY_OPAQUE "trusted.overlay.opaque"
/* More holes than this are not worth a map. */
#define REGIONS_MAX 4096

struct pack {
    struct tar_writer *writer;
    const struct pack_options *options;
    struct map links; /* "device:inode" -> first name of a file that has several */
    struct strbuf path;
    char *buffer;
    struct tar_entry entry;
    struct strbuf xattr_names, xattr_values;
};

/* An open thing of the tree. */
struct node {
    int fd;
    struct stat st;
    char proc[40]; /* its path below /proc/self/fd, for calls that do not take O_PATH descriptors */
};

static int pack_errno(const struct pack *pack, int errnum, const char *doing, struct error *err)
{
    return error_errno(err, errnum, "%s /%s", doing, strbuf_str(&pack->path));
}

/* ---- Extended attributes ---- */

static bool is_wanted(const char *name)
{
    /* Labels of this host and notes of the builder mean nothing elsewhere. */
    return strncmp(name, OVERLAY_XATTRS, strlen(OVERLAY_XATTRS)) != 0 &&
           strncmp(name, DORY_XATTRS, strlen(DORY_XATTRS)) != 0 && strcmp(name, "security.selinux") != 0;
}

/* File systems without attributes have none; ones that may not be read are passed over. */
static void read_xattrs(struct pack *pack, const struct node *node)
{
    struct tar_entry *entry = &pack->entry;
    size_t offsets[TAR_XATTR_MAX];
    entry->xattr_count = 0;
    strbuf_clear(&pack->xattr_names);
    strbuf_clear(&pack->xattr_values);
    ssize_t size = listxattr(node->proc, NULL, 0);
    if (size <= 0 || size > XATTR_NAMES_MAX)
        return;
    char *names = strbuf_reserve(&pack->xattr_names, (size_t)size + 1);
    size = listxattr(node->proc, names, (size_t)size);
    for (const char *name = names; size > 0 && name < names + size; name += strlen(name) + 1) {
        ssize_t n = is_wanted(name) ? getxattr(node->proc, name, NULL, 0) : -1;
        if (n < 0 || entry->xattr_count == TAR_XATTR_MAX)
            continue;
        char *value = strbuf_reserve(&pack->xattr_values, (size_t)n + 1);
        n = getxattr(node->proc, name, value, (size_t)n);
        if (n < 0)
            continue;
        offsets[entry->xattr_count] = pack->xattr_values.size;
        entry->xattrs[entry->xattr_count++] = (struct tar_xattr){.name = name, .size = (size_t)n};
        pack->xattr_values.size += (size_t)n;
    }
    for (size_t i = 0; i < entry->xattr_count; i++)
        entry->xattrs[i].value = pack->xattr_values.data + offsets[i];
}

static bool is_opaque(const struct node *node)
{
    char value;
    return getxattr(node->proc, OVERLAY_OPAQUE, &value, 1) == 1 && value == 'y';
}

/* ---- Entries ---- */

static void fill_entry(struct pack *pack, const struct stat *st, enum tar_type type)
{
    struct tar_entry *entry = &pack->entry;
    size_t xattrs = entry->xattr_count;
    entry->type = type;
    entry->path = strbuf_str(&pack->path);
    entry->link = "";
    entry->mode = st->st_mode & 07777;
    const struct pack_options *options = pack->options;
    entry->uid = options->no_owner ? 0 : options->uids != NULL ? id_map_inside(options->uids, st->st_uid) : st->st_uid;
    entry->gid = options->no_owner ? 0 : options->gids != NULL ? id_map_inside(options->gids, st->st_gid) : st->st_gid;
    entry->mtime_seconds = st->st_mtim.tv_sec;
    entry->mtime_nanoseconds = st->st_mtim.tv_nsec;
    entry->size = type == TAR_FILE ? st->st_size : 0;
    entry->device_major = type == TAR_CHAR || type == TAR_BLOCK ? major(st->st_rdev) : 0;
    entry->device_minor = type == TAR_CHAR || type == TAR_BLOCK ? minor(st->st_rdev) : 0;
    entry->xattr_count = xattrs;
}

static int put_entry(struct pack *pack, struct error *err)
{
    return tar_writer_entry(pack->writer, &pack->entry, NULL, 0, err);
}

/* ".wh.NAME" in place of NAME: what the layers beneath have under that name is gone. */
static int put_whiteout(struct pack *pack, const struct stat *st, const char *name, struct error *err)
{
    const char *path = strbuf_str(&pack->path), *slash = strrchr(path, '/');
    CLEANUP_FREE char *whiteout = xasprintf("%.*s.wh.%s", slash ? (int)(slash - path + 1) : 0, path, name);
    struct stat plain = {.st_mode = S_IFREG | 0644, .st_mtim = st->st_mtim};
    pack->entry.xattr_count = 0;
    fill_entry(pack, &plain, TAR_FILE);
    pack->entry.path = whiteout;
    return put_entry(pack, err);
}

static int put_opaque(struct pack *pack, struct error *err)
{
    size_t size = pack->path.size;
    struct stat plain = {.st_mode = S_IFREG | 0644};
    strbuf_adds(&pack->path, ".wh..wh..opq"); /* the directory's path ends with a slash */
    pack->entry.xattr_count = 0;
    fill_entry(pack, &plain, TAR_FILE);
    int r = put_entry(pack, err);
    pack->path.size = size;
    strbuf_terminate(&pack->path);
    return r;
}

/* Regions with data; false: the file has no holes that are worth it. */
static bool find_regions(int fd, int64_t size, struct tar_region **ret, size_t *ret_count)
{
    CLEANUP_FREE struct tar_region *regions = NULL;
    size_t count = 0, capacity = 0;
    int64_t at = 0;
    while (at < size && count < REGIONS_MAX) {
        int64_t begin = lseek(fd, at, SEEK_DATA);
        if (begin < 0 && errno != ENXIO)
            return false;
        if (begin < 0 || begin >= size)
            break;
        int64_t end = lseek(fd, begin, SEEK_HOLE);
        if (end < 0)
            return false;
        at = end < size ? end : size;
        xgrow((void **)&regions, count, &capacity, sizeof(*regions));
        regions[count++] = (struct tar_region){.offset = begin, .size = at - begin};
    }
    if (count == REGIONS_MAX || (count == 1 && regions[0].size == size))
        return false;
    xgrow((void **)&regions, count, &capacity, sizeof(*regions));
    regions[count++] = (struct tar_region){.offset = size}; /* as GNU tar ends its maps */
    *ret = TAKE_PTR(regions);
    *ret_count = count;
    return true;
}

/* Exactly `size` bytes from `offset` on, zeros where the file has become shorter. */
static int put_bytes(struct pack *pack, int fd, int64_t offset, int64_t size, struct error *err)
{
    while (size > 0) {
        size_t want = size < READ_SIZE ? (size_t)size : READ_SIZE;
        ssize_t n = pread(fd, pack->buffer, want, offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return pack_errno(pack, errno, "read", err);
        if (n == 0) {
            memset(pack->buffer, 0, want);
            n = (ssize_t)want;
        }
        int r = tar_writer_data(pack->writer, pack->buffer, (size_t)n, err);
        if (r < 0)
            return r;
        offset += n;
        size -= n;
    }
    return 0;
}

static int put_contents(struct pack *pack, int fd, struct error *err)
{
    CLEANUP_FREE struct tar_region *regions = NULL;
    size_t count = 0;
    int64_t size = pack->entry.size;
    struct stat st;
    bool holes = pack->options->sparse && fstat(fd, &st) == 0 && st.st_blocks * 512 < size &&
                 find_regions(fd, size, &regions, &count);
    int r = tar_writer_entry(pack->writer, &pack->entry, regions, count, err);
    if (!holes)
        return r < 0 ? r : put_bytes(pack, fd, 0, size, err);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = put_bytes(pack, fd, regions[i].offset, regions[i].size, err);
    return r;
}

/* The first name of a file that has several; NULL when this is it. */
static const char *first_link(struct pack *pack, const struct stat *st)
{
    char key[64];
    if (st->st_nlink < 2)
        return NULL;
    snprintf(key, sizeof(key), "%llx:%llx", (unsigned long long)st->st_dev, (unsigned long long)st->st_ino);
    const char *first = map_get(&pack->links, key);
    if (first == NULL)
        map_set(&pack->links, key, xstrdup(strbuf_str(&pack->path)));
    return first;
}

static int put_file(struct pack *pack, struct node *node, struct error *err)
{
    const char *first = first_link(pack, &node->st);
    if (first != NULL) {
        pack->entry.xattr_count = 0;
        fill_entry(pack, &node->st, TAR_HARDLINK);
        pack->entry.link = first;
        return put_entry(pack, err);
    }
    /* Opened for reading only now that it is known to be a file. */
    CLEANUP_CLOSE int fd = open(node->proc, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return pack_errno(pack, errno, "open", err);
    read_xattrs(pack, node);
    fill_entry(pack, &node->st, TAR_FILE);
    return put_contents(pack, fd, err);
}

static int put_symlink(struct pack *pack, const struct node *node, struct error *err)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(node->fd, "", target, sizeof(target) - 1);
    if (n < 0)
        return pack_errno(pack, errno, "readlink", err);
    target[n] = 0;
    read_xattrs(pack, node);
    fill_entry(pack, &node->st, TAR_SYMLINK);
    pack->entry.link = target;
    return put_entry(pack, err);
}

/* ---- The walk ---- */

static int put_node(struct pack *pack, struct node *node, const char *name, int depth, struct error *err);
static int put_children(struct pack *pack, int dir_fd, int depth, struct error *err);

static int open_node(int dir_fd, const char *name, struct node *ret)
{
    ret->fd = openat(dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (ret->fd < 0)
        return -errno;
    snprintf(ret->proc, sizeof(ret->proc), "/proc/self/fd/%d", ret->fd);
    if (fstat(ret->fd, &ret->st) == 0)
        return 0;
    int r = -errno;
    ret->fd = fd_close(ret->fd);
    return r;
}

/* One name of a directory; pack->path is it already. */
static int put_child(struct pack *pack, struct node *node, const char *name, int depth, struct error *err)
{
    const struct pack_options *options = pack->options;
    enum pack_verdict verdict =
        options->judge ? options->judge(strbuf_str(&pack->path), &node->st, options->judge_data) : PACK_TAKE;
    if (verdict == PACK_TAKE)
        return put_node(pack, node, name, depth, err);
    if (verdict == PACK_SKIP || !S_ISDIR(node->st.st_mode))
        return 0;
    strbuf_addc(&pack->path, '/');
    return put_children(pack, node->fd, depth, err);
}

static int put_children(struct pack *pack, int dir_fd, int depth, struct error *err)
{
    CLEANUP_STRV struct strv names = STRV_INIT;
    size_t size = pack->path.size;
    if (depth >= PACK_DEPTH_MAX)
        return pack_errno(pack, ELOOP, "archive", err);
    int r = directory_list(dir_fd, ".", &names);
    if (r < 0)
        return pack_errno(pack, r, "open", err);
    for (size_t i = 0; r == 0 && i < names.count; i++) {
        struct node node;
        r = open_node(dir_fd, names.items[i], &node);
        strbuf_adds(&pack->path, names.items[i]);
        if (r == 0) {
            r = put_child(pack, &node, names.items[i], depth + 1, err);
            fd_close(node.fd);
        } else {
            r = r == -ENOENT ? 0 : pack_errno(pack, r, "open", err);
        }
        pack->path.size = size;
        strbuf_terminate(&pack->path);
    }
    return r;
}

static int put_directory(struct pack *pack, struct node *node, int depth, struct error *err)
{
    bool opaque = pack->options->overlay && is_opaque(node);
    if (pack->path.size == 0 || pack->path.data[pack->path.size - 1] != '/')
        strbuf_addc(&pack->path, '/');
    read_xattrs(pack, node);
    fill_entry(pack, &node->st, TAR_DIRECTORY);
    int r = put_entry(pack, err);
    if (r == 0 && opaque)
        r = put_opaque(pack, err);
    if (r < 0 || (pack->options->skip_kernel && pack_is_kernel(node->fd)))
        return r;
    return put_children(pack, node->fd, depth, err);
}

static int put_node(struct pack *pack, struct node *node, const char *name, int depth, struct error *err)
{
    switch (node->st.st_mode & S_IFMT) {
    case S_IFREG:
        return put_file(pack, node, err);
    case S_IFDIR:
        return put_directory(pack, node, depth, err);
    case S_IFLNK:
        return put_symlink(pack, node, err);
    case S_IFCHR:
        if (pack->options->overlay && node->st.st_rdev == 0)
            return put_whiteout(pack, &node->st, name, err);
        break;
    case S_IFSOCK:
        return 0;
    default:
        break;
    }
    read_xattrs(pack, node);
    fill_entry(pack, &node->st,
               S_ISCHR(node->st.st_mode)   ? TAR_CHAR
               : S_ISBLK(node->st.st_mode) ? TAR_BLOCK
                                           : TAR_FIFO);
    return put_entry(pack, err);
}

static void release(struct pack *pack)
{
    size_t i = 0;
    const char *key;
    void *path;
    while (map_next(&pack->links, &i, &key, &path))
        free(path);
    map_release(&pack->links);
    strbuf_release(&pack->path);
    strbuf_release(&pack->xattr_names);
    strbuf_release(&pack->xattr_values);
    free(pack->buffer);
    free(pack);
}

int pack_tree(struct tar_writer *writer, int fd, const struct pack_options *options, struct error *err)
{
    struct pack *pack = xcalloc(1, sizeof(*pack));
    struct node node = {.fd = fd};
    int r = 0;
    pack->writer = writer;
    pack->options = options;
    pack->buffer = xmalloc(READ_SIZE);
    strbuf_adds(&pack->path, options->name != NULL ? options->name : "");
    snprintf(node.proc, sizeof(node.proc), "/proc/self/fd/%d", fd);
    if (options->contents_only) {
        if (pack->path.size > 0)
            strbuf_addc(&pack->path, '/');
        r = put_children(pack, fd, 0, err);
    } else {
        const char *slash = strrchr(strbuf_str(&pack->path), '/');
        CLEANUP_FREE char *name = xstrdup(slash != NULL ? slash + 1 : strbuf_str(&pack->path));
        r = fstat(fd, &node.st) < 0 ? pack_errno(pack, errno, "stat", err) : put_node(pack, &node, name, 0, err);
    }
    release(pack);
    return r;
}

bool pack_is_kernel(int fd)
{
    static const long magics[] = {PROC_SUPER_MAGIC,   SYSFS_MAGIC,    CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC,
                                  DEVPTS_SUPER_MAGIC, DEBUGFS_MAGIC,  TRACEFS_MAGIC,      SECURITYFS_MAGIC,
                                  BPF_FS_MAGIC,       PSTOREFS_MAGIC, EFIVARFS_MAGIC,     NSFS_MAGIC,
                                  BINFMTFS_MAGIC,     SELINUX_MAGIC,  0x19800202 /* mqueue */};
    struct statfs fs;
    for (size_t i = 0; fstatfs(fd, &fs) == 0 && i < ARRAY_SIZE(magics); i++)
        if ((unsigned long)fs.f_type == (unsigned long)magics[i])
            return true;
    return false;
}
