/* Contexts that the daemon fetches: git repositories, archives and Dockerfiles at URLs. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "daemon/build/context.h"
#include "daemon/build/git.h"
#include "daemon/build/source_auth.h"
#include "image/http.h"

struct download {
    int fd, cancel_fd;
    int64_t size, limit;
};

static int on_bytes(const struct http_response *response, const void *bytes, size_t size, void *data, struct error *err)
{
    struct download *download = data;
    (void)response;
    download->size += (int64_t)size;
    if (download->size > download->limit)
        return error_set(err, ERROR_INVALID, EFBIG, "more than %lld bytes", (long long)download->limit);
    int r = fd_write_all(download->fd, bytes, size);
    return r < 0 ? error_errno(err, r, "write") : 0;
}

static bool is_cancelled(void *data)
{
    const struct download *download = data;
    struct pollfd fd = {.fd = download->cancel_fd, .events = fd_end_events(download->cancel_fd)};
    return download->cancel_fd >= 0 && poll(&fd, 1, 0) > 0;
}

static int download_to(const char *url, struct download *download, struct error *err)
{
    static const struct http_trust trust = {0};
    struct http_client *client CLEANUP(http_client_free_ptr) = NULL;
    CLEANUP_HTTP_RESPONSE struct http_response response = {0};
    const struct http_request request = {.url = url,
                                         .limit = 65536,
                                         .sink = on_bytes,
                                         .sink_data = download,
                                         .cancelled = is_cancelled,
                                         .cancel_data = download};
    int r = http_client_new(&trust, &client, err);
    if (r == 0)
        r = http_perform(client, &request, &response, err);
    if (r == 0 && response.status / 100 != 2)
        r = error_set(err, ERROR_INVALID, EIO, "the server answered with status %d", response.status);
    if (r < 0 && err->kind != ERROR_CANCELLED)
        return error_context(err, "error downloading remote context %s", url);
    return r;
}

static int fetch_git(struct build_files *files, const char *url, const struct build_fetch *how, struct error *err)
{
    CLEANUP_GIT_SOURCE struct git_source source = {0};
    int fd = -1, r = git_source_parse(url, &source, err);
    if (r < 0)
        return r;
    CLEANUP_SOURCE_AUTH char *authorization = how->suppliers ? source_auth_git(how->suppliers, source.url) : NULL;
    const struct git_options options = {
        .keep_git_dir = how->keep_git_dir, .cancel_fd = how->cancel_fd, .authorization = authorization};
    r = git_checkout(&source, files->path, &options, &fd, NULL, err);
    if (r < 0)
        return r;
    fd_close(files->fd);
    files->fd = fd;
    return 0;
}

int build_files_fetch(struct build_files *files, const char *url, const struct build_fetch *how, struct error *err)
{
    if (git_is_url(url))
        return fetch_git(files, url, how, err);
    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
        return error_set(err, ERROR_INVALID, 0,
                         "remote context %.200s is neither a git repository nor an http or https URL", url);
    /* Without a name: it is gone with the descriptor. */
    CLEANUP_CLOSE int fd = openat(files->fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_errno(err, errno, "make a file for the remote context");
    struct download download = {.fd = fd, .cancel_fd = how->cancel_fd, .limit = BUILD_REMOTE_MAX};
    int r = download_to(url, &download, err);
    if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
        r = error_errno(err, errno, "rewind the remote context");
    return r < 0 ? r : build_files_receive(files, fd, err);
}

int build_fetch_dockerfile(const char *url, int cancel_fd, struct strbuf *ret_text, struct error *err)
{
    CLEANUP_CLOSE int fd = memfd_create("dockerfile", MFD_CLOEXEC);
    CLEANUP_FREE char *text = NULL;
    size_t size;
    if (fd < 0)
        return error_errno(err, errno, "memfd_create");
    struct download download = {.fd = fd, .cancel_fd = cancel_fd, .limit = (int64_t)BUILD_DOCKERFILE_MAX};
    int r = download_to(url, &download, err);
    if (r < 0)
        return r;
    lseek(fd, 0, SEEK_SET);
    r = fd_read_all(fd, BUILD_DOCKERFILE_MAX, &text, &size);
    if (r < 0)
        return error_errno(err, r, "read the Dockerfile");
    strbuf_add(ret_text, text, size);
    return 0;
}
