/*
 * A cache mount's files as a tar, and back. Whoever sends or receives it may be slow: the mount is taken from the steps
 * only for as long as the disk needs.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/pack.h"
#include "base/beneath.h"
#include "base/fd.h"
#include "daemon/build/build.h"
#include "daemon/build/cache_mounts.h"
#include "daemon/build/context.h"
#include "daemon/build/service.h"
#include "daemon/build/unpack_apart.h"
#include "daemon/engine_internal.h"
#include "image/archive_stream.h"

#define PIECE ((size_t)256 * 1024)

static int enter(struct engine *engine, const char *id, char **ret_name, struct error *err)
{
    *ret_name = cache_mount_name(id, 0);
    return cache_mount_enter(engine->builds, *ret_name)
               ? 0
               : error_set(err, ERROR_CONFLICT, EBUSY, "the cache mount %s is in use", id);
}

/* ---- Out ---- */

static int spool_sink(void *data, const void *bytes, size_t size, struct error *err)
{
    int r = fd_write_all(*(const int *)data, bytes, size);
    return r < 0 ? error_errno(err, r, "write an archive of the cache mount") : 0;
}

static int pack(int mounts, const char *name, const char *id, int spool, struct error *err)
{
    const struct pack_options options = {.contents_only = true};
    CLEANUP_CLOSE int fd = openat(mounts, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, ERROR_NOT_FOUND, 0, "No such cache mount: %s", id);
    CLEANUP_TAR_WRITER struct tar_writer *writer = tar_writer_new(spool_sink, &spool);
    int r = pack_tree(writer, fd, &options, err);
    return r < 0 ? r : tar_writer_finish(writer, err);
}

static int send_spool(int spool, tar_sink_fn sink, void *data, struct error *err)
{
    CLEANUP_FREE char *piece = xmalloc(PIECE);
    ssize_t n = lseek(spool, 0, SEEK_SET) < 0 ? -errno : 1;
    int r = 0;
    while (r == 0 && n > 0) {
        n = fd_read_full(spool, piece, PIECE);
        if (n > 0)
            r = sink(data, piece, (size_t)n, err);
    }
    return n < 0 ? error_errno(err, (int)n, "read an archive of the cache mount") : r;
}

int build_cache_mount_export(struct engine *engine, const char *id, tar_sink_fn sink, void *data, struct error *err)
{
    CLEANUP_FREE char *name = NULL;
    CLEANUP_CLOSE int mounts = cache_mounts_directory(engine, err);
    if (mounts < 0)
        return mounts;
    CLEANUP_CLOSE int spool = openat(mounts, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (spool < 0)
        return error_errno(err, errno, "make a file in build/mounts");
    int r = enter(engine, id, &name, err);
    if (r < 0)
        return r;
    r = pack(mounts, name, id, spool, err);
    cache_mount_leave(engine->builds, name);
    return r < 0 ? r : send_spool(spool, sink, data, err);
}

/* ---- In ---- */

/* Into a directory that no step knows. */
static int receive(struct build_files *files, int tar_fd, struct error *err)
{
    CLEANUP_ARCHIVE_STREAM struct archive_stream *stream = NULL;
    int r = archive_stream_open(tar_fd, &stream, err);
    return r < 0 ? r : build_unpack_apart(archive_stream_read, stream, files->fd, err);
}

/* Owner and mode are those of the directory that goes; of a new one root's and 0755, as those of a step's own. */
static int take_attributes(int fd, int mounts, const char *name)
{
    struct stat st = {.st_mode = 0755};
    if (fstatat(mounts, name, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT)
        return -errno;
    return fchown(fd, st.st_uid, st.st_gid) < 0 || fchmod(fd, st.st_mode & 07777) < 0 ? -errno : 0;
}

/* The new directory takes the name; what was there goes with the other one. */
static int swap(struct build_files *files, int mounts, const char *name, struct error *err)
{
    int r = take_attributes(files->fd, mounts, name);
    if (r == 0 && renameat2(AT_FDCWD, files->path, mounts, name, RENAME_EXCHANGE) == 0)
        return 0;
    if (r == 0 && errno == ENOENT && renameat2(AT_FDCWD, files->path, mounts, name, RENAME_NOREPLACE) == 0)
        return 0;
    return error_errno(err, r < 0 ? r : errno, "replace build/mounts/%s", name);
}

int build_cache_mount_import(struct engine *engine, const char *id, int tar_fd, struct error *err)
{
    CLEANUP_BUILD_FILES struct build_files files = BUILD_FILES_INIT;
    CLEANUP_FREE char *name = NULL;
    CLEANUP_CLOSE int mounts = cache_mounts_directory(engine, err);
    if (mounts < 0)
        return mounts;
    int r = build_files_new(engine, &files, err);
    if (r == 0)
        r = receive(&files, tar_fd, err);
    if (r == 0)
        r = enter(engine, id, &name, err);
    if (r < 0)
        return r;
    r = swap(&files, mounts, name, err);
    if (r == 0)
        r = cache_mount_note(engine, name, id, err);
    cache_mount_leave(engine->builds, name);
    return r;
}
