#include "cmd/dory/build_source.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/error_words.h"
#include "base/fd.h"
#include "base/file.h"

/* A tar header is so long; what is shorter is none. */
#define TAR_HEADER 512

void build_source_release(struct build_source *source)
{
    free(source->path);
    fd_close(source->fd);
    strbuf_release(&source->head);
    free(source->remote);
    free(source->dockerfile_name);
    strbuf_release(&source->dockerfile);
    ignore_release(&source->ignore);
    *source = (struct build_source){.fd = -1};
}

/* ---- what was given ---- */

static bool has_prefix(const char *text, const char *prefix)
{
    return strncasecmp(text, prefix, strlen(prefix)) == 0;
}

bool build_source_is_remote(const char *context)
{
    static const char *const prefixes[] = {"http://", "https://", "git://", "git@", "ssh://", "github.com/"};
    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
        if (has_prefix(context, prefixes[i]))
            return true;
    }
    return false;
}

/* Archives begin with one of these, or have ustar's magic in their first
 * header. */
static bool is_archive(const struct strbuf *head)
{
    static const struct {
        const char *bytes;
        size_t size;
    } magics[] = {{"\x1f\x8b\x08", 3}, {"BZh", 3}, {"\xfd\x37zXZ\0", 6}, {"\x28\xb5\x2f\xfd", 4}};
    for (size_t i = 0; i < ARRAY_SIZE(magics); i++) {
        if (head->size >= magics[i].size && memcmp(head->data, magics[i].bytes, magics[i].size) == 0)
            return true;
    }
    return head->size >= TAR_HEADER && memcmp(head->data + 257, "ustar", 5) == 0;
}

static int read_text(int fd, const char *what, struct strbuf *out, struct error *err)
{
    char *room;
    ssize_t n;
    do {
        room = strbuf_reserve(out, 65536);
        n = read(fd, room, 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(err, errno, "read %s", what);
        out->size += (size_t)n;
        strbuf_terminate(out);
        if (out->size > DOCKERFILE_SIZE_MAX)
            return error_set(err, ERROR_INVALID, EFBIG, "%s is larger than %d bytes", what, DOCKERFILE_SIZE_MAX);
    } while (n != 0);
    return 0;
}

static int open_stdin(struct build_source *source, struct error *err)
{
    char *room = strbuf_reserve(&source->head, TAR_HEADER);
    ssize_t n = fd_read_full(STDIN_FILENO, room, TAR_HEADER);
    if (n < 0)
        return error_errno(err, (int)n, "failed to peek context header from STDIN");
    source->head.size = (size_t)n;
    strbuf_terminate(&source->head);
    if (is_archive(&source->head)) {
        source->kind = BUILD_ARCHIVE;
        source->fd = fd_dup(STDIN_FILENO);
        return source->fd < 0 ? error_errno(err, source->fd, "dup") : 0;
    }
    source->kind = BUILD_EMPTY;
    source->dockerfile_read = source->dockerfile_outside = true;
    strbuf_add(&source->dockerfile, source->head.data, source->head.size);
    return read_text(STDIN_FILENO, "the Dockerfile on standard input", &source->dockerfile, err);
}

static int open_directory(struct build_source *source, const char *context, struct error *err)
{
    source->kind = BUILD_DIRECTORY;
    source->path = realpath(context, NULL);
    if (!source->path)
        return error_set(err, ERROR_NOT_FOUND, errno, "unable to prepare context: path \"%s\" not found", context);
    source->fd = open(source->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (source->fd < 0 && errno == ENOTDIR)
        return error_set(err, ERROR_INVALID, ENOTDIR, "unable to prepare context: context must be a directory: %s",
                         source->path);
    return source->fd < 0 ? error_errno(err, errno, "unable to prepare context: open %s", source->path) : 0;
}

/* ---- the Dockerfile of a directory ---- */

/* Where the file is: --file from here, or Dockerfile (dockerfile) in the
 * directory. The caller frees. */
static char *dockerfile_path(const struct build_source *source, const char *file)
{
    if (file)
        return xstrdup(file);
    if (faccessat(source->fd, "Dockerfile", F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
        faccessat(source->fd, "dockerfile", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return xasprintf("%s/dockerfile", source->path);
    return xasprintf("%s/Dockerfile", strcmp(source->path, "/") == 0 ? "" : source->path);
}

/* Name of the file within the directory, or NULL when it is not in it. */
static const char *name_within(const char *directory, const char *path)
{
    size_t size = strlen(directory);
    if (strcmp(directory, "/") == 0)
        return path + 1;
    return strncmp(path, directory, size) == 0 && path[size] == '/' ? path + size + 1 : NULL;
}

static int open_dockerfile(struct build_source *source, const char *file, char **ret_path, struct error *err)
{
    if (file && strcmp(file, "-") == 0) {
        source->dockerfile_read = source->dockerfile_outside = true;
        return read_text(STDIN_FILENO, "the Dockerfile on standard input", &source->dockerfile, err);
    }
    CLEANUP_FREE char *given = dockerfile_path(source, file);
    CLEANUP_FREE char *path = realpath(given, NULL);
    CLEANUP_CLOSE int fd = path ? open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
    struct stat st;
    if (!path)
        return error_set(err, ERROR_NOT_FOUND, errno,
                         "unable to prepare context: unable to evaluate symlinks in Dockerfile "
                         "path: lstat %s: %s",
                         given, error_words(errno));
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_errno(err, errno, "unable to prepare context: open %s", path);
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERROR_INVALID, 0, "unable to prepare context: the Dockerfile %s is no regular file",
                         path);
    const char *name = name_within(source->path, path);
    source->dockerfile_read = true;
    source->dockerfile_outside = name == NULL;
    source->dockerfile_name = xstrdup(name);
    *ret_path = TAKE_PTR(path);
    return read_text(fd, *ret_path, &source->dockerfile, err);
}

/* ---- what is ignored ---- */

static int read_ignore(struct build_source *source, int dir_fd, const char *name, struct error *err)
{
    CLEANUP_FREE char *text = NULL;
    size_t size;
    CLEANUP_CLOSE int fd = openat(dir_fd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return error_errno(err, errno, "error reading .dockerignore: open %s", name);
    int r = fd_read_all(fd, IGNORE_SIZE_MAX, &text, &size);
    if (r < 0)
        return error_errno(err, r, "error reading .dockerignore: read %s", name);
    r = ignore_parse(text, size, &source->ignore, err);
    return r < 0 ? r : 1;
}

static int find_ignore(struct build_source *source, const char *dockerfile, struct error *err)
{
    CLEANUP_STRV struct strv names = STRV_INIT;
    int r = 0;
    if (dockerfile && source->dockerfile_outside) {
        CLEANUP_FREE char *beside = xasprintf("%s.dockerignore", dockerfile);
        r = read_ignore(source, AT_FDCWD, beside, err);
    }
    ignore_file_names(source->dockerfile_name ? source->dockerfile_name : "Dockerfile", &names);
    for (size_t i = 0; i < names.count && r == 0; i++)
        r = read_ignore(source, source->fd, names.items[i], err);
    return r < 0 ? r : 0;
}

/* Does the text speak of .git, as COPY .git or a mount's source=.git/refs does?
 */
static bool mentions_git(const struct strbuf *dockerfile)
{
    const char *text = strbuf_str(dockerfile);
    for (const char *p = text; (p = strstr(p, ".git")) != NULL; p += 4) {
        bool begins = p == text || isspace((unsigned char)p[-1]) || strchr("/\"'=[,", p[-1]);
        if (begins && (p[4] == '\0' || isspace((unsigned char)p[4]) || strchr("/\"',]\\", p[4])))
            return true;
    }
    return false;
}

int build_source_open(const char *context, const char *file, bool keep_git, struct build_source *ret, struct error *err)
{
    *ret = (struct build_source){.fd = -1};
    bool remote_file = file && (has_prefix(file, "http://") || has_prefix(file, "https://"));
    if (strcmp(context, "-") == 0) {
        if (file && strcmp(file, "-") == 0)
            return error_set(err, ERROR_INVALID, 0,
                             "invalid argument: can't use stdin for both build "
                             "context and dockerfile");
        int r = open_stdin(ret, err);
        if (r == 0 && ret->kind == BUILD_ARCHIVE)
            ret->dockerfile_name = xstrdup(file);
        return r;
    }
    if (build_source_is_remote(context)) {
        ret->kind = BUILD_REMOTE;
        ret->remote = xstrdup(context);
        if (file && strcmp(file, "-") == 0)
            return open_dockerfile(ret, file, NULL, err);
        ret->dockerfile_name = xstrdup(file);
        return 0;
    }
    CLEANUP_FREE char *path = NULL;
    int r = open_directory(ret, context, err);
    if (r == 0 && !remote_file)
        r = open_dockerfile(ret, file, &path, err);
    if (r == 0 && remote_file)
        ret->dockerfile_name = xstrdup(file);
    if (r == 0)
        r = find_ignore(ret, path, err);
    ret->keep_git = keep_git || mentions_git(&ret->dockerfile);
    return r;
}

int build_source_open_named(const char *path, bool keep_git, struct build_source *ret, struct error *err)
{
    *ret = (struct build_source){.fd = -1, .keep_git = keep_git};
    int r = open_directory(ret, path, err);
    if (r == 0)
        r = read_ignore(ret, ret->fd, ".dockerignore", err);
    return r < 0 ? r : 0;
}

/* ---- what travels ---- */

/* Files that the daemon reads itself, ignored or not. */
static bool is_forced(const struct build_source *source, const char *path)
{
    if (!source->for_classic)
        return false;
    return strcmp(path, ".dockerignore") == 0 ||
           (source->dockerfile_name && strcmp(path, source->dockerfile_name) == 0);
}

static bool leads_to_forced(const struct build_source *source, const char *path)
{
    return source->for_classic && source->dockerfile_name && name_within(path, source->dockerfile_name) != NULL;
}

enum pack_verdict build_source_judge(const char *path, const struct stat *st, void *data)
{
    const struct build_source *source = data;
    if (strcmp(path, ".git") == 0 && !source->keep_git)
        return PACK_SKIP;
    if (is_forced(source, path) || !ignore_match(&source->ignore, path))
        return PACK_TAKE;
    if (!S_ISDIR(st->st_mode))
        return PACK_SKIP;
    return ignore_prunes(&source->ignore, path) && !leads_to_forced(source, path) ? PACK_SKIP : PACK_ENTER;
}

/* ---- the whole as a tar ---- */

static int send_archive(const struct build_source *source, client_sink sink, void *sink_data, struct error *err)
{
    CLEANUP_FREE char *buffer = xmalloc(65536);
    int r = sink(sink_data, source->head.data, source->head.size, err);
    while (r == 0) {
        ssize_t n = read(source->fd, buffer, 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(err, errno, "read the context on standard input");
        if (n == 0)
            break;
        r = sink(sink_data, buffer, (size_t)n, err);
    }
    return r;
}

static int put_text(struct tar_writer *writer, const char *name, const struct strbuf *text, struct error *err)
{
    struct tar_entry entry = {.type = TAR_FILE, .path = name, .link = "", .mode = 0600, .size = (int64_t)text->size};
    int r = tar_writer_entry(writer, &entry, NULL, 0, err);
    return r < 0 ? r : tar_writer_data(writer, text->data, text->size, err);
}

int build_source_send(client_sink sink, void *sink_data, void *data, struct error *err)
{
    const struct build_upload *upload = data;
    const struct build_source *source = upload->source;
    if (source->kind == BUILD_ARCHIVE)
        return send_archive(source, sink, sink_data, err);
    CLEANUP_TAR_WRITER struct tar_writer *writer = tar_writer_new(sink, sink_data);
    struct pack_options options = {.contents_only = true,
                                   .sparse = true,
                                   .no_owner = true,
                                   .judge = build_source_judge,
                                   .judge_data = (void *)source};
    int r = source->kind == BUILD_DIRECTORY ? pack_tree(writer, source->fd, &options, err) : 0;
    if (r == 0 && source->dockerfile_outside)
        r = put_text(writer, upload->dockerfile_name, &source->dockerfile, err);
    return r < 0 ? r : tar_writer_finish(writer, err);
}
