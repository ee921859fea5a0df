/* Archives of a container's files: docker cp in both directions, and export. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "archive/pack.h"
#include "archive/unpack.h"
#include "base/beneath.h"
#include "base/fd.h"
#include "daemon/container_files.h"
#include "daemon/engine_internal.h"
#include "daemon/passwd.h"
#include "daemon/userns_remap.h"
#include "image/archive_stream.h"

/* Kinds of os.FileMode. */
#define GO_MODE_DIR (1U << 31)
#define GO_MODE_SYMLINK (1U << 27)
#define GO_MODE_DEVICE (1U << 26)
#define GO_MODE_NAMED_PIPE (1U << 25)
#define GO_MODE_SOCKET (1U << 24)
#define GO_MODE_SETUID (1U << 23)
#define GO_MODE_SETGID (1U << 22)
#define GO_MODE_CHAR_DEVICE (1U << 21)
#define GO_MODE_STICKY (1U << 20)

void container_path_stat_release(struct container_path_stat *stat)
{
    free(stat->name);
    free(stat->link_target);
    *stat = (struct container_path_stat){0};
}

/* ---- paths ---- */

static uint32_t go_mode(mode_t mode)
{
    static const struct {
        mode_t kind;
        uint32_t bits;
    } kinds[] = {
        {S_IFDIR, GO_MODE_DIR},        {S_IFLNK, GO_MODE_SYMLINK},
        {S_IFBLK, GO_MODE_DEVICE},     {S_IFCHR, GO_MODE_DEVICE | GO_MODE_CHAR_DEVICE},
        {S_IFIFO, GO_MODE_NAMED_PIPE}, {S_IFSOCK, GO_MODE_SOCKET},
    };
    uint32_t bits = mode & 0777;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        bits |= (mode & S_IFMT) == kinds[i].kind ? kinds[i].bits : 0;
    return bits | (mode & S_ISUID ? GO_MODE_SETUID : 0) | (mode & S_ISGID ? GO_MODE_SETGID : 0) |
           (mode & S_ISVTX ? GO_MODE_STICKY : 0);
}

/* Go's filepath.Base: what is behind the last slash that is not at the end; "/" for the root. */
static char *base_name(const char *path)
{
    size_t end = strlen(path);
    while (end > 0 && path[end - 1] == '/')
        end--;
    if (end == 0)
        return xstrdup("/");
    size_t start = end;
    while (start > 0 && path[start - 1] != '/')
        start--;
    return xstrndup(path + start, end - start);
}

static int path_error(int r, const char *path, const char *name, struct error *err)
{
    if (r == -ENOENT)
        return error_set(err, ERROR_NOT_FOUND, ENOENT, "Could not find the file %s in container %s", path, name);
    if (r == -ENOTDIR)
        return error_set(err, ERROR_INVALID, ENOTDIR, "lstat %s: not a directory", path);
    return error_errno(err, r, "lstat %s", path);
}

/* The thing itself, O_PATH. The kernel's own file systems have no files that could be copied. */
static int open_path(int root_fd, const char *path, const char *name, struct error *err)
{
    CLEANUP_FREE char *last = NULL;
    size_t size = strlen(path);
    bool as_directory = size == 0 || path[size - 1] == '/' || (path[size - 1] == '.' && size == 1) ||
                        (size >= 2 && strcmp(path + size - 2, "/.") == 0) ||
                        (size >= 2 && strcmp(path + size - 2, "..") == 0);
    int fd;
    if (as_directory) {
        fd = beneath_open(root_fd, size > 0 ? path : "/", O_PATH | O_DIRECTORY, 0);
    } else {
        CLEANUP_CLOSE int parent = beneath_open_parent(root_fd, path, false, &last);
        fd = parent < 0 ? parent : openat(parent, last, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (parent >= 0 && fd < 0)
            fd = -errno;
    }
    struct stat st;
    if (fd >= 0 && pack_is_kernel(fd) && fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode)) {
        fd_close(fd);
        fd = -ENOENT;
    }
    return fd < 0 ? path_error(fd, path, name, err) : fd;
}

static int fill_stat(int root_fd, int fd, const char *path, struct container_path_stat *ret, struct error *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return error_errno(err, errno, "lstat %s", path);
    char *target = NULL;
    if (S_ISLNK(st.st_mode)) {
        int r = beneath_resolve(root_fd, path, &target);
        if (r < 0)
            return error_errno(err, r, "readlink %s", path);
    }
    *ret = (struct container_path_stat){.name = base_name(path),
                                        .size = st.st_size,
                                        .mode = go_mode(st.st_mode),
                                        .mtime = st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec,
                                        .link_target = target != NULL ? target : xstrdup("")};
    return 0;
}

/* ---- stat ---- */

struct stat_job {
    const char *name, *path;
    struct container_path_stat *ret;
};

static int run_stat(int root_fd, void *data, struct error *err)
{
    struct stat_job *job = data;
    CLEANUP_CLOSE int fd = open_path(root_fd, job->path, job->name, err);
    return fd < 0 ? fd : fill_stat(root_fd, fd, job->path, job->ret, err);
}

int container_stat_path(struct engine *engine, struct container *c, const char *name, const char *path,
                        struct container_path_stat *ret, struct error *err)
{
    struct stat_job job = {.name = name, .path = path, .ret = ret};
    return container_files_run(engine, c, false, run_stat, &job, err);
}

/* ---- out ---- */

struct get_job {
    const struct userns_remap *remap;
    const char *name, *path;
    const struct container_archive_sink *sink;
};

static int write_archive(int fd, const struct pack_options *options, tar_sink_fn sink, void *data, struct error *err)
{
    CLEANUP_TAR_WRITER struct tar_writer *writer = tar_writer_new(sink, data);
    int r = pack_tree(writer, fd, options, err);
    return r < 0 ? r : tar_writer_finish(writer, err);
}

static int run_get(int root_fd, void *data, struct error *err)
{
    struct get_job *job = data;
    CLEANUP(container_path_stat_release) struct container_path_stat stat = {0};
    CLEANUP_CLOSE int fd = open_path(root_fd, job->path, job->name, err);
    int r = fd < 0 ? fd : fill_stat(root_fd, fd, job->path, &stat, err);
    if (r == 0)
        r = job->sink->begin(&stat, job->sink->data, err);
    if (r < 0)
        return r;
    const struct userns_remap *remap = job->remap;
    const struct pack_options options = {.name = stat.name,
                                         .sparse = true,
                                         .skip_kernel = true,
                                         .uids = remap != NULL ? &remap->uids : NULL,
                                         .gids = remap != NULL ? &remap->gids : NULL};
    return write_archive(fd, &options, job->sink->write, job->sink->data, err);
}

int container_archive_get(struct engine *engine, struct container *c, const char *name, const char *path,
                          const struct container_archive_sink *sink, struct error *err)
{
    struct get_job job = {.remap = container_remap(engine, c), .name = name, .path = path, .sink = sink};
    int r = container_files_run(engine, c, false, run_get, &job, err);
    if (r == 0)
        container_event(engine, c, "archive-path", NULL, NULL);
    return r;
}

struct export_job {
    tar_sink_fn sink;
    void *data;
};

static int run_export(int root_fd, void *data, struct error *err)
{
    struct export_job *job = data;
    const struct pack_options options = {.contents_only = true, .sparse = true};
    return write_archive(root_fd, &options, job->sink, job->data, err);
}

int container_export(struct engine *engine, struct container *c, tar_sink_fn sink, void *data, struct error *err)
{
    struct export_job job = {.sink = sink, .data = data};
    int r = container_files_run_alone(engine, c, ROOTFS_READ, run_export, &job, err);
    if (r == 0)
        container_event(engine, c, "export", NULL, NULL);
    return r;
}

/* ---- in ---- */

struct put_job {
    const struct userns_remap *remap;
    const struct container *c;
    const char *name;
    const struct container_archive_put *put;
};

static bool same_mount(int a, int b)
{
    struct statx sa, sb;
    return statx(a, "", AT_EMPTY_PATH, STATX_MNT_ID, &sa) == 0 && statx(b, "", AT_EMPTY_PATH, STATX_MNT_ID, &sb) == 0 &&
           sa.stx_mnt_id == sb.stx_mnt_id;
}

static int check_writable(const struct container *c, int root_fd, int fd, struct error *err)
{
    struct statvfs fs;
    bool in_root = same_mount(root_fd, fd);
    bool read_only = fstatvfs(fd, &fs) == 0 && (fs.f_flag & ST_RDONLY);
    if (in_root && (read_only || c->host.readonly_rootfs))
        return error_set(err, ERROR_FORBIDDEN, EROFS, "container rootfs is marked read-only");
    return read_only ? error_set(err, ERROR_FORBIDDEN, EROFS, "mounted volume is marked read-only") : 0;
}

/* The directory's path without symlinks, as unpack_options.prefix wants it. The caller frees. */
static int find_destination(const struct put_job *job, int root_fd, char **ret, struct error *err)
{
    const char *path = job->put->path;
    struct stat st;
    CLEANUP_CLOSE int fd = beneath_open(root_fd, *path ? path : "/", O_PATH, 0);
    if (fd < 0)
        return path_error(fd, path, job->name, err);
    if (fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode))
        return error_set(err, ERROR_INVALID, ENOTDIR, "extraction point is not a directory");
    int r = check_writable(job->c, root_fd, fd, err);
    CLEANUP_FREE char *resolved = NULL;
    if (r == 0 && (r = beneath_resolve(root_fd, path, &resolved)) < 0)
        r = path_error(r, path, job->name, err);
    if (r == 0)
        *ret = xstrdup(resolved + 1);
    return r;
}

static int run_put(int root_fd, void *data, struct error *err)
{
    const struct put_job *job = data;
    CLEANUP_FREE char *prefix = NULL;
    CLEANUP_ARCHIVE_STREAM struct archive_stream *stream = NULL;
    struct unpack_options options = {.plain = true,
                                     .keep_kinds = job->put->keep_kinds,
                                     .uids = job->remap != NULL ? &job->remap->uids : NULL,
                                     .gids = job->remap != NULL ? &job->remap->gids : NULL};
    struct unpack_result result;
    int r = find_destination(job, root_fd, &prefix, err);
    const char *user = job->c->config.user;
    if (r == 0 && job->put->copy_owner && user != NULL && *user != '\0') {
        CLEANUP(identity_release) struct identity identity = {0};
        r = identity_resolve_beneath(user, root_fd, NULL, &identity, err);
        options.set_owner = true;
        options.uid = identity.uid;
        options.gid = identity.gid;
    }
    if (r == 0)
        r = archive_stream_open(job->put->fd, &stream, err);
    if (r < 0)
        return r;
    options.prefix = prefix;
    CLEANUP_TAR_READER struct tar_reader *reader = tar_reader_new(archive_stream_read, stream);
    return unpack_tree(reader, root_fd, &options, &result, err);
}

int container_archive_put(struct engine *engine, struct container *c, const char *name,
                          const struct container_archive_put *put, struct error *err)
{
    struct put_job job = {.remap = container_remap(engine, c), .c = c, .name = name, .put = put};
    int r = container_files_run(engine, c, true, run_put, &job, err);
    if (r == 0)
        container_event(engine, c, "extract-to-dir", NULL, NULL);
    return r;
}
