#include "daemon/build/context_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/ignore.h"
#include "base/beneath.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/id.h"
#include "daemon/build/unpack_apart.h"
#include "daemon/engine_internal.h"
#include "image/archive_stream.h"

#define CONTEXTS "build-contexts"
#define TAR_HEADER 512

/* ---- the directory ---- */

int build_contexts_open(struct engine *engine, struct error *err)
{
    CLEANUP_FREE char *path = xasprintf("%s/" CONTEXTS, engine->options->data_root);
    int r = file_mkdirs(path, 0700, err);
    if (r < 0)
        return r;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? error_errno(err, errno, "open %s", path) : fd;
}

int build_files_new(struct engine *engine, struct build_files *ret, struct error *err)
{
    char id[ID_SIZE + 1];
    CLEANUP_CLOSE int parent = build_contexts_open(engine, err);
    if (parent < 0)
        return parent;
    id_generate(id);
    id[ID_SHORT_SIZE] = '\0';
    *ret = (struct build_files){.engine = engine,
                                .name = xasprintf("tmp-%s", id),
                                .path = xasprintf("%s/" CONTEXTS "/tmp-%s", engine->options->data_root, id),
                                .fd = -1};
    if (mkdirat(parent, ret->name, 0700) == 0)
        ret->fd = openat(parent, ret->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (ret->fd >= 0)
        return 0;
    int r = error_errno(err, errno, "make a directory for the build context");
    build_files_release(ret);
    return r;
}

struct removal {
    struct engine *engine;
    char *name;
};

static void forget_removal(void *data)
{
    struct removal *removal = data;
    free(removal->name);
    free(removal);
}

static void remove_directory(void *data)
{
    struct removal *removal = data;
    CLEANUP_CLOSE int parent = build_contexts_open(removal->engine, NULL);
    if (parent >= 0)
        beneath_remove_tree(parent, removal->name);
    forget_removal(removal);
}

/* Takes the name over. */
static void remove_later(struct engine *engine, char *name)
{
    struct removal *removal = xcalloc(1, sizeof(*removal));
    *removal = (struct removal){.engine = engine, .name = name};
    worker_add(engine->cleaner, 0, remove_directory, forget_removal, removal);
}

int build_contexts_discard(struct engine *engine, int contexts_fd, const char *name)
{
    char id[ID_SIZE + 1];
    id_generate(id);
    CLEANUP_FREE char *gone = xasprintf("tmp-%.12s", id);
    if (renameat(contexts_fd, name, contexts_fd, gone) < 0)
        return -errno;
    remove_later(engine, TAKE_PTR(gone));
    return 0;
}

void build_files_release(struct build_files *files)
{
    fd_close(files->fd);
    if (files->name)
        remove_later(files->engine, files->name);
    free(files->path);
    *files = (struct build_files)BUILD_FILES_INIT;
}

void build_files_sweep(struct engine *engine)
{
    CLEANUP_FREE char *path = xasprintf("%s/" CONTEXTS, engine->options->data_root);
    DIR *dir = opendir(path);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir)) != NULL) {
        if (strncmp(entry->d_name, "tmp-", 4) == 0)
            remove_later(engine, xstrdup(entry->d_name));
    }
    if (dir)
        closedir(dir);
}

/* ---- what a client sends ---- */

/* A tar source that has looked at its first block. */
struct peek {
    struct archive_stream *stream;
    const void *first;
    ssize_t size; /* of it; 0 once it was given on */
};

static ssize_t peek_read(void *data, const void **ret_data, struct error *err)
{
    struct peek *peek = data;
    ssize_t n = peek->size;
    if (n == 0)
        return archive_stream_read(peek->stream, ret_data, err);
    *ret_data = peek->first;
    peek->size = 0;
    return n;
}

/* A header's checksum is right, or it is the zeros that end an archive (POSIX.1-1988). */
static bool is_tar(const unsigned char *block, ssize_t size)
{
    unsigned sum = 0, stored = 0, any = 0;
    if (size < TAR_HEADER)
        return false;
    for (size_t i = 0; i < TAR_HEADER; i++) {
        sum += i >= 148 && i < 156 ? ' ' : block[i];
        any |= block[i];
    }
    for (size_t i = 148; i < 156; i++) {
        if (block[i] >= '0' && block[i] <= '7')
            stored = stored * 8 + (block[i] - '0');
        else if (block[i] != ' ' && block[i] != '\0')
            return false;
    }
    return any == 0 || sum == stored;
}

static int receive_text(struct peek *peek, struct build_files *files, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    const void *data;
    ssize_t n;
    while ((n = peek_read(peek, &data, err)) > 0) {
        if (memchr(data, '\0', (size_t)n))
            return error_set(
                err, ERROR_INVALID, 0,
                "the build context is neither a tar archive (plain, gzip, bzip2, xz, zstd) nor a Dockerfile");
        strbuf_add(&text, data, (size_t)n);
        if (text.size > BUILD_DOCKERFILE_MAX)
            return error_set(err, ERROR_INVALID, EFBIG, "the Dockerfile is larger than %zu bytes",
                             BUILD_DOCKERFILE_MAX);
    }
    if (n < 0 || text.size == 0)
        return (int)n;
    CLEANUP_CLOSE int fd = openat(files->fd, "Dockerfile", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int r = fd < 0 ? -errno : fd_write_all(fd, text.data, text.size);
    if (r < 0)
        return error_errno(err, r, "write the Dockerfile");
    files->alone = true;
    return 0;
}

int build_files_receive(struct build_files *files, int fd, struct error *err)
{
    CLEANUP_ARCHIVE_STREAM struct archive_stream *stream = NULL;
    struct peek peek = {0};
    int r = archive_stream_open(fd, &stream, err);
    if (r < 0)
        return r;
    peek.stream = stream;
    peek.size = archive_stream_read(stream, &peek.first, err);
    if (peek.size == 0)
        return 0;
    if (peek.size > 0)
        r = is_tar(peek.first, peek.size) ? build_unpack_apart(peek_read, &peek, files->fd, err)
                                          : receive_text(&peek, files, err);
    else
        r = (int)peek.size;
    /* What was sent is to blame, unless the disk or the client is. */
    if (r < 0 && err && err->kind == ERROR_SYSTEM && err->errnum != ENOSPC && err->errnum != EDQUOT &&
        err->errnum != EROFS && err->errnum != ENOMEM && err->errnum != EIO)
        err->kind = ERROR_INVALID;
    return r < 0 ? error_context(err, "build context") : 0;
}

/* ---- the Dockerfile ---- */

/* Cleans "./a//b/../c" to "a/c". NULL: it climbs out. The caller frees. */
static char *clean_path(const char *path)
{
    CLEANUP_STRV struct strv in = STRV_INIT, out = STRV_INIT;
    strv_split(&in, path, '/');
    for (size_t i = 0; i < in.count; i++) {
        const char *word = in.items[i];
        if (*word == '\0' || strcmp(word, ".") == 0)
            continue;
        if (strcmp(word, "..") != 0)
            strv_add(&out, word);
        else if (out.count == 0)
            return NULL;
        else
            strv_remove(&out, out.count - 1);
    }
    return strv_join(&out, "/");
}

static int read_file(int dir_fd, const char *name, struct strbuf *ret)
{
    char *data;
    size_t size;
    int r = beneath_read_file(dir_fd, name, BUILD_DOCKERFILE_MAX, &data, &size);
    if (r == 0) {
        strbuf_add(ret, data, size);
        free(data);
    }
    return r;
}

/* As docker: the client sends both because the daemon needs them, hidden or not. */
static int remove_hidden(int dir_fd, const char *dockerfile, struct error *err)
{
    CLEANUP_IGNORE struct ignore ignore = {0};
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    const char *const names[] = {dockerfile, ".dockerignore"};
    int r = read_file(dir_fd, ".dockerignore", &text);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return error_errno(err, r, "read .dockerignore");
    r = ignore_parse(text.data, text.size, &ignore, err);
    for (size_t i = 0; i < ARRAY_SIZE(names) && r == 0; i++) {
        CLEANUP_FREE char *name = NULL;
        CLEANUP_CLOSE int parent =
            ignore_match(&ignore, names[i]) ? beneath_open_parent(dir_fd, names[i], false, &name) : -1;
        if (parent >= 0 && unlinkat(parent, name, 0) < 0 && errno != ENOENT)
            r = error_errno(err, errno, "remove %s from the context", names[i]);
    }
    return r;
}

int build_files_dockerfile(const struct build_files *files, const char *name, struct strbuf *ret_text, char **ret_name,
                           struct error *err)
{
    bool given = name && *name;
    CLEANUP_FREE char *path = clean_path(given ? name : "Dockerfile");
    if (!path)
        return error_set(err, ERROR_INVALID, 0, "forbidden path outside the build context: %s ()", name);
    int r = read_file(files->fd, path, ret_text);
    if (r == -ENOENT && (!given || strcmp(path, "Dockerfile") == 0)) {
        r = read_file(files->fd, "dockerfile", ret_text);
        if (r == 0)
            xstrset(&path, "dockerfile");
    }
    if (r == -ENOENT || r == -ENOTDIR)
        return error_set(err, ERROR_INVALID, ENOENT, "Cannot locate specified Dockerfile: %s", path);
    if (r == -EFBIG)
        return error_set(err, ERROR_INVALID, EFBIG, "the Dockerfile is larger than %zu bytes", BUILD_DOCKERFILE_MAX);
    if (r < 0)
        return error_set(err, ERROR_INVALID, -r, "failed to read dockerfile %s: %s", path, strerror(-r));
    r = remove_hidden(files->fd, path, err);
    if (r == 0)
        *ret_name = TAKE_PTR(path);
    return r;
}
