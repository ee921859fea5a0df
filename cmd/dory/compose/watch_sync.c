#include "cmd/dory/compose/watch_sync.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/client.h"
#include "archive/pack.h"
#include "base/fd.h"
#include "cmd/dory/command_call.h"

void watch_files_release(struct watch_files *files)
{
    strv_release(&files->from);
    strv_release(&files->to);
}

void watch_files_add(struct watch_files *files, const char *from, const char *to)
{
    for (size_t i = 0; i < files->from.count; i++) {
        if (strcmp(files->from.items[i], from) == 0 && strcmp(files->to.items[i], to) == 0)
            return;
    }
    strv_add(&files->from, from);
    strv_add(&files->to, to);
}

static int write_bytes(void *data, const void *bytes, size_t size, struct error *err)
{
    int r = fd_write_all(*(const int *)data, bytes, size);
    return r < 0 ? error_errno(err, r, "write the archive") : 0;
}

static enum pack_verdict nothing_inside(const char *path, const struct stat *st, void *data)
{
    (void)path, (void)st, (void)data;
    return PACK_SKIP;
}

/* Packs what is here; what is not is added to `gone`. *ret_count: how many there were. */
static int pack(const struct watch_files *files, int archive, size_t *ret_count, struct strv *gone, struct error *err)
{
    CLEANUP_TAR_WRITER struct tar_writer *writer = tar_writer_new(write_bytes, &archive);
    *ret_count = 0;
    for (size_t i = 0; i < files->from.count; i++) {
        CLEANUP_CLOSE int fd = open(files->from.items[i], O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 && errno != ENOENT && errno != ENOTDIR)
            return error_errno(err, errno, "open %s", files->from.items[i]);
        if (fd < 0) {
            strv_add(gone, files->to.items[i]);
            continue;
        }
        struct pack_options options = {.name = files->to.items[i] + 1, .judge = nothing_inside};
        int r = pack_tree(writer, fd, &options, err);
        if (r < 0)
            return r;
        ++*ret_count;
    }
    return tar_writer_finish(writer, err);
}

static int put(struct cli *cli, const struct compose_container *container, int archive, struct error *err)
{
    CLEANUP_FREE char *path = xasprintf("/containers/%s/archive?path=%%2F&copyUIDGID=true", container->id);
    if (lseek(archive, 0, SEEK_SET) < 0)
        return error_errno(err, errno, "rewind the archive");
    struct client_request request = {.method = "PUT", .path = path, .stream_body = true, .body_fd = archive};
    int r = client_call(cli_client(cli), &request, NULL, NULL, NULL, err);
    return r < 0 ? error_context(err, "copy into %s", container->name) : 0;
}

static int remove_paths(struct cli *cli, const struct compose_container *container, const struct strv *paths,
                        struct error *err)
{
    CLEANUP_STRV struct strv words = STRV_INIT;
    strv_add(&words, container->id);
    strv_add(&words, "rm");
    strv_add(&words, "-rf");
    strv_add(&words, "--");
    strv_add_all(&words, paths);
    int r = command_call(cli, "exec", &words, err);
    if (r > 0)
        return error_set(err, ERROR_SYSTEM, EIO, "rm in %s ended with status %d", container->name, r);
    return r;
}

int watch_sync(struct cli *cli, const struct compose_containers *containers, const struct watch_files *files,
               struct error *err)
{
    CLEANUP_STRV struct strv gone = STRV_INIT;
    CLEANUP_CLOSE int archive = memfd_create("sync", MFD_CLOEXEC);
    size_t count = 0;
    if (archive < 0)
        return error_errno(err, errno, "memfd_create");
    int r = pack(files, archive, &count, &gone, err);
    for (size_t i = 0; i < containers->count && r == 0; i++) {
        const struct compose_container *container = &containers->items[i];
        if (count > 0)
            r = put(cli, container, archive, err);
        if (r == 0 && gone.count > 0 && strcmp(container->state, "running") == 0)
            r = remove_paths(cli, container, &gone, err);
    }
    return r;
}
