/* A build by a daemon that knows nothing of dory's sessions, docker's among
 * them. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "api/client.h"
#include "base/fd.h"
#include "base/id.h"
#include "cmd/dory/build.h"
#include "cmd/dory/build_source.h"
#include "cmd/dory/container_create.h"

#define QUIET_MAX ((size_t)16 << 20)

static void take_id(const struct json *aux, void *data)
{
    const char *id = json_get_string(aux, "ID");
    if (id)
        xstrset(data, id);
}

/* A name that the context does not have. The caller frees. */
static char *unused_name(void)
{
    char id[ID_SIZE + 1];
    id_generate(id);
    return xasprintf(".dockerfile.%.20s", id);
}

/* A quiet daemon sends the id alone, or what went wrong. */
static int read_quiet(int fd, bool failed, struct build_outcome *ret, struct error *err)
{
    CLEANUP_FREE char *text = NULL;
    size_t size;
    if (lseek(fd, 0, SEEK_SET) < 0 || fd_read_all(fd, QUIET_MAX, &text, &size) < 0)
        return error_set(err, ERROR_SYSTEM, EIO, "read what the daemon has said");
    if (failed)
        fd_write_all(STDERR_FILENO, text, size);
    else if (!ret->image_id)
        ret->image_id = xstrndup(text, strcspn(text, "\r\n"));
    return 0;
}

int build_classic(struct cli *cli, const struct build_flags *flags, const struct build_source *source,
                  struct build_outcome *ret, struct error *err)
{
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_CLIENT_RESPONSE struct client_response *response = NULL;
    CLEANUP_FREE char *own_name = source->dockerfile_outside ? unused_name() : NULL;
    CLEANUP_FREE char *registries = registry_config_header(cli);
    CLEANUP_FREE char *header = registries ? xasprintf("X-Registry-Config: %s", registries) : NULL;
    const char *headers[] = {header, NULL};
    struct build_upload upload = {.source = source, .dockerfile_name = own_name};
    CLEANUP_CLOSE int held = flags->quiet ? memfd_create("build", MFD_CLOEXEC) : -1;
    struct progress_stream stream = {
        .output_fd = flags->quiet ? held : STDOUT_FILENO, .aux = take_id, .data = &ret->image_id};
    int r = build_flags_check_classic(flags, err);
    if (r < 0)
        return r;
    if (flags->quiet && held < 0)
        return error_errno(err, errno, "memfd_create");
    if (source->kind == BUILD_REMOTE && source->dockerfile_outside)
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0,
                         "a Dockerfile on standard input for a remote context "
                         "needs a dory daemon");
    build_query(flags, source, own_name ? own_name : source->dockerfile_name, &path);
    struct client_request request = {.method = "POST", .path = strbuf_str(&path), .headers = headers};
    if (source->kind != BUILD_REMOTE) {
        request.body_writer = build_source_send;
        request.writer_data = &upload;
    }
    r = client_send(cli_client(cli), &request, &response, err);
    if (r == 0)
        r = progress_follow(response, &stream, err);
    ret->exit_code = stream.error_code;
    if (flags->quiet && response) {
        int q = read_quiet(held, r < 0, ret, r < 0 ? NULL : err);
        r = r < 0 ? r : q;
    }
    return r;
}
