/* cp: files between a container and here. The archive is made and unpacked here, by what archive/ has for that. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/client.h"
#include "archive/pack.h"
#include "archive/unpack.h"
#include "base/base64.h"
#include "base/fd.h"
#include "base/units.h"
#include "cmd/dory/command.h"
#include "cmd/dory/cp_plan.h"
#include "cmd/dory/output_file.h"
#include "cmd/dory/paths.h"

#define BLOCK_SIZE (256 * 1024)
#define GO_MODE_DIR (INT64_C(1) << 31)
#define GO_MODE_SYMLINK (INT64_C(1) << 27)
#define GO_MODE_DEVICE (INT64_C(1) << 26)

struct cp_flags {
    bool archive, follow, quiet, quiet_given;
};

#define AT(member) offsetof(struct cp_flags, member)
static const struct option cp_options[] = {
    {"archive", 'a', OPTION_BOOL, AT(archive), NULL, "Archive mode (copy all uid/gid information)", 0, 0, NULL},
    {"follow-link", 'L', OPTION_BOOL, AT(follow), NULL, "Always follow symbol link in SRC_PATH", 0, 0, NULL},
    {"quiet", 'q', OPTION_BOOL, AT(quiet), NULL,
     "Suppress progress output during copy. Progress output is automatically suppressed if no terminal is attached", 0,
     AT(quiet_given), NULL},
    {0},
};

static void report(const struct cp_flags *flags, int64_t bytes, const char *container, const char *path)
{
    char size[32];
    if (flags->quiet || (!flags->quiet_given && !isatty(STDOUT_FILENO)))
        return;
    units_size_precision(size, sizeof(size), (double)bytes, 3);
    fprintf(stderr, "Successfully copied %s to %s%s%s\n", size, container != NULL ? container : "",
            container != NULL ? ":" : "", path);
}

/* ---- the container's side ---- */

static void archive_path(struct strbuf *out, const char *container, const char *path)
{
    strbuf_adds(out, "/containers/");
    client_path_escape(out, container);
    strbuf_adds(out, "/archive");
    client_query_add(out, "path", path);
}

struct remote {
    int64_t mode; /* of Go's os.FileMode */
    char *link_target;
};

static int read_stat(const struct client_response *response, struct remote *ret, struct error *err)
{
    const char *header = client_header(response, "X-Docker-Container-Path-Stat");
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    CLEANUP_JSON struct json *tree = NULL;
    if (header == NULL || base64_decode(header, &text) < 0 || json_parse(strbuf_str(&text), text.size, &tree, err) < 0)
        return error_set(err, ERROR_SYSTEM, EPROTO, "unable to decode container path stat header");
    *ret = (struct remote){.mode = json_get_int(tree, "mode", 0),
                           .link_target = xstrdup(json_get_string(tree, "linkTarget"))};
    return 0;
}

/* False: nothing is there, or nothing can be said of it; the copy itself will tell. */
static bool stat_remote(struct cli *cli, const char *container, const char *path, struct remote *ret)
{
    CLEANUP_STRBUF struct strbuf target = STRBUF_INIT;
    CLEANUP_CLIENT_RESPONSE struct client_response *response = NULL;
    archive_path(&target, container, path);
    struct client_request request = {.method = "HEAD", .path = strbuf_str(&target)};
    return client_send(cli_client(cli), &request, &response, NULL) == 0 && read_stat(response, ret, NULL) == 0;
}

static char *absolute_target(const char *path, const char *target)
{
    if (target[0] == '/')
        return xstrdup(target);
    char *directory, *base;
    path_split(path, &directory, &base);
    char *joined = path_join(directory, target);
    free(directory);
    free(base);
    return joined;
}

/* ---- from a container ---- */

struct body {
    struct client_response *response;
    char *buffer;
    int64_t bytes;
};

static ssize_t body_read(void *data, const void **ret, struct error *err)
{
    struct body *body = data;
    ssize_t n = client_read(body->response, body->buffer, BLOCK_SIZE, err);
    *ret = body->buffer;
    body->bytes += n > 0 ? n : 0;
    return n;
}

static int unpack_body(struct body *body, const struct cp_plan *plan, struct error *err)
{
    const struct unpack_options options = {.plain = true,
                                           .keep_kinds = true,
                                           .no_owner = true,
                                           .no_symlinks = true,
                                           .rename_from = plan->rename_from,
                                           .rename_to = plan->rename_to};
    struct unpack_result result;
    CLEANUP_FREE char *buffer = xmalloc(BLOCK_SIZE);
    CLEANUP_CLOSE int fd = open(plan->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, errno, "open %s", plan->directory);
    body->buffer = buffer;
    CLEANUP_TAR_READER struct tar_reader *reader = tar_reader_new(body_read, body);
    umask(0);
    int r = unpack_tree(reader, fd, &options, &result, err);
    return r < 0 ? r : tar_reader_drain(reader, err);
}

/* With -L the source may be a symlink whose target is wanted, under the link's name. */
static void find_source(struct cli *cli, const char *container, const char *path, bool follow, struct cp_end *ret)
{
    struct remote remote = {0};
    ret->path = xstrdup(path);
    ret->exists = true;
    if (follow && stat_remote(cli, container, path, &remote) && (remote.mode & GO_MODE_SYMLINK)) {
        CLEANUP_FREE char *target = absolute_target(path, remote.link_target);
        free(ret->path);
        cp_follow(path, target, ret);
    }
    free(remote.link_target);
}

static int copy_out(struct cli *cli, const struct cp_flags *flags, const char *container, const char *source_path,
                    const char *local, struct error *err)
{
    CLEANUP_CP_END struct cp_end source = {0}, destination = {0};
    CLEANUP_CP_PLAN struct cp_plan plan = {0};
    CLEANUP_STRBUF struct strbuf target = STRBUF_INIT;
    CLEANUP_CLIENT_RESPONSE struct client_response *response = NULL;
    struct remote remote = {0};
    bool to_stdout = strcmp(local, "-") == 0;
    int r = to_stdout ? 0 : output_path_check(local, err);
    if (r < 0)
        return r;
    find_source(cli, container, source_path, flags->follow, &source);
    archive_path(&target, container, source.path);
    struct client_request request = {.path = strbuf_str(&target)};
    r = client_send(cli_client(cli), &request, &response, err);
    if (r < 0 || to_stdout)
        return r < 0 ? r : output_copy(response, NULL, err);
    r = read_stat(response, &remote, err);
    free(remote.link_target);
    source.is_directory = remote.mode & GO_MODE_DIR;
    if (r == 0)
        r = cp_local_destination(local, &destination, err);
    if (r == 0)
        r = cp_plan_make(&source, &destination, &plan, err);
    struct body body = {.response = response};
    if (r == 0)
        r = unpack_body(&body, &plan, err);
    if (r == 0)
        report(flags, body.bytes, NULL, destination.path);
    return r;
}

/* ---- to a container ---- */

/* Packs in a thread while the request's body is read from the other end of a pipe. */
struct packer {
    int fd; /* the pipe's */
    int source_fd;
    const char *name;
    int64_t bytes;
    int result;
    struct error error;
};

static int packer_write(void *data, const void *bytes, size_t size, struct error *err)
{
    struct packer *packer = data;
    int r = fd_write_all(packer->fd, bytes, size);
    packer->bytes += (int64_t)size;
    return r < 0 ? error_errno(err, r, "write the archive") : 0;
}

static void *packer_run(void *data)
{
    struct packer *packer = data;
    const struct pack_options options = {.name = packer->name, .sparse = true};
    CLEANUP_TAR_WRITER struct tar_writer *writer = tar_writer_new(packer_write, packer);
    packer->result = pack_tree(writer, packer->source_fd, &options, &packer->error);
    if (packer->result == 0)
        packer->result = tar_writer_finish(writer, &packer->error);
    packer->fd = fd_close(packer->fd);
    return NULL;
}

static int put(struct cli *cli, const struct cp_flags *flags, const char *container, const char *directory, int fd,
               struct error *err)
{
    CLEANUP_STRBUF struct strbuf target = STRBUF_INIT;
    CLEANUP_CLIENT_RESPONSE struct client_response *response = NULL;
    archive_path(&target, container, directory);
    client_query_add(&target, "noOverwriteDirNonDir", "true");
    client_query_add(&target, "copyUIDGID", flags->archive ? "true" : NULL);
    struct client_request request = {.method = "PUT", .path = strbuf_str(&target), .stream_body = true, .body_fd = fd};
    return client_send(cli_client(cli), &request, &response, err);
}

static int put_packed(struct cli *cli, const struct cp_flags *flags, const char *container, const struct cp_plan *plan,
                      struct packer *packer, struct error *err)
{
    int ends[2];
    pthread_t thread;
    int r = fd_pipe(ends);
    if (r < 0)
        return error_errno(err, r, "pipe");
    packer->fd = ends[1];
    r = pthread_create(&thread, NULL, packer_run, packer);
    if (r != 0) {
        fd_close(ends[0]);
        fd_close(ends[1]);
        return error_errno(err, r, "start a thread");
    }
    r = put(cli, flags, container, plan->directory, ends[0], err);
    fd_close(ends[0]); /* a packer that is still writing gets EPIPE */
    pthread_join(thread, NULL);
    /* What cannot be read here is the reason of everything else. */
    return packer->result < 0 && packer->result != -EPIPE ? error_propagate(err, &packer->error) : r;
}

static int copy_local(struct cli *cli, const struct cp_flags *flags, const char *local, const char *container,
                      const struct cp_end *destination, struct error *err)
{
    CLEANUP_CP_END struct cp_end source = {0};
    CLEANUP_CP_PLAN struct cp_plan plan = {0};
    int r = cp_local_source(local, flags->follow, &source, err);
    if (r == 0)
        r = cp_plan_make(&source, destination, &plan, err);
    if (r < 0)
        return r;
    char *directory, *base;
    path_split(source.path, &directory, &base);
    free(directory);
    CLEANUP_FREE char *name = base;
    CLEANUP_CLOSE int fd = open(source.path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, errno, "open %s", source.path);
    struct packer packer = {.source_fd = fd, .name = plan.rename_to != NULL ? plan.rename_to : name};
    r = put_packed(cli, flags, container, &plan, &packer, err);
    if (r == 0)
        report(flags, packer.bytes, container, destination->path);
    return r;
}

/* Where the path leads, and what is there. */
static int find_destination(struct cli *cli, const char *container, const char *path, struct cp_end *ret,
                            struct error *err)
{
    struct remote remote = {0};
    ret->path = xstrdup(path);
    ret->exists = stat_remote(cli, container, path, &remote);
    if (ret->exists && (remote.mode & GO_MODE_SYMLINK)) {
        char *target = absolute_target(path, remote.link_target);
        free(ret->path);
        ret->path = target;
        free(TAKE_PTR(remote.link_target));
        ret->exists = stat_remote(cli, container, target, &remote);
    }
    free(remote.link_target);
    ret->is_directory = ret->exists && (remote.mode & GO_MODE_DIR);
    if (ret->exists && (remote.mode & GO_MODE_DEVICE))
        return error_set(err, ERROR_INVALID, EINVAL,
                         "destination \"%s:%s\" must be a directory or a regular file: got a device", container, path);
    return 0;
}

static int copy_in(struct cli *cli, const struct cp_flags *flags, const char *local, const char *container,
                   const char *path, struct error *err)
{
    CLEANUP_CP_END struct cp_end destination = {0};
    int r = find_destination(cli, container, path, &destination, err);
    if (r < 0)
        return r;
    if (strcmp(local, "-") != 0)
        return copy_local(cli, flags, local, container, &destination, err);
    if (!destination.is_directory)
        return error_set(err, ERROR_INVALID, ENOTDIR, "destination \"%s:%s\" must be a directory", container, path);
    return put(cli, flags, container, destination.path, STDIN_FILENO, err);
}

static int run_cp(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const char *from_path, *to_path;
    if (arguments->items[0][0] == '\0')
        return error_set(err, ERROR_INVALID, 0, "source can not be empty");
    if (arguments->items[1][0] == '\0')
        return error_set(err, ERROR_INVALID, 0, "destination can not be empty");
    CLEANUP_FREE char *from = cp_split_argument(arguments->items[0], &from_path);
    CLEANUP_FREE char *to = cp_split_argument(arguments->items[1], &to_path);
    if (from != NULL && to != NULL)
        return error_set(err, ERROR_INVALID, 0, "copying between containers is not supported");
    if (from != NULL)
        return copy_out(cli, data, from, from_path, to_path, err);
    if (to != NULL)
        return copy_in(cli, data, from_path, to, to_path, err);
    return error_set(err, ERROR_INVALID, 0, "must specify at least one container source");
}

const struct command command_cp = {
    .name = "cp",
    .aliases = "container cp",
    .usage = "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n[OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
    .summary = "Copy files/folders between a container and the local filesystem",
    .description = "Copy files/folders between a container and the local filesystem\n\n"
                   "Use '-' as the source to read a tar archive from stdin\n"
                   "and extract it to a directory destination in a container.\n"
                   "Use '-' as the destination to stream a tar archive of a\n"
                   "container source to stdout.",
    .options = cp_options,
    .flags_size = sizeof(struct cp_flags),
    .min_arguments = 2,
    .max_arguments = 2,
    .run = run_cp,
};
