/* ADD of URLs and git repositories: fetched into a directory below tmp/, and files like any others from there. */
#include <errno.h>
#include <fcntl.h>
#include <sys/param.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/id.h"
#include "base/path_match.h"
#include "daemon/build/content.h"
#include "daemon/build/copy_items.h"
#include "daemon/build/git.h"
#include "daemon/build/run_mounts.h"
#include "daemon/build/source_auth.h"
#include "daemon/engine_internal.h"
#include "image/http.h"

#define NAME_MAX_URL 255
#define ANSWER_MAX (64 * 1024)

/* A new directory below tmp/; *ret_path (the caller frees). */
static int work_directory(struct build *build, struct copy_items *items, char **ret_path, struct error *err)
{
    char name[25];
    id_random_hex(name, 12);
    CLEANUP_FREE char *path = xasprintf("tmp/%s", name);
    int root = image_store_root_fd(build->engine->images);
    if (mkdirat(root, path, 0700) < 0)
        return error_errno(err, errno, "mkdir %s", path);
    strv_add(&items->work, name);
    *ret_path = xasprintf("%s/%s", build->engine->options->data_root, path);
    return 0;
}

static void keep_fd(struct copy_items *items, int fd)
{
    xgrow((void **)&items->work_fds, items->work_count, &items->work_capacity, sizeof(*items->work_fds));
    items->work_fds[items->work_count++] = fd;
}

/* ---- URLs ---- */

struct download {
    const struct step_context *step;
    const char *url;
    int fd;
    struct digest digest;
    int64_t received;
    int64_t modified; /* seconds, as the server says; 0: it does not */
};

static int on_bytes(const struct http_response *response, const void *data, size_t size, void *sink_data,
                    struct error *err)
{
    struct download *d = sink_data;
    if (response->status != 200)
        return 0;
    digest_update(&d->digest, data, size);
    d->received += (int64_t)size;
    build_progress_line(&d->step->run->build->progress, d->step->info, d->url, "Downloading", d->received,
                        response->content_length);
    int r = fd_write_all(d->fd, data, size);
    return r < 0 ? error_errno(err, r, "ADD %s", d->url) : 0;
}

static int perform(struct download *d, struct error *err)
{
    const struct http_trust trust = {0};
    struct http_client *client = NULL;
    CLEANUP_HTTP_RESPONSE struct http_response response = {0};
    CLEANUP_SOURCE_AUTH char *authorization = source_auth_http(&d->step->run->build->options->suppliers, d->url);
    const struct http_request request = {.url = d->url,
                                         .authorization = authorization,
                                         .limit = ANSWER_MAX,
                                         .sink = on_bytes,
                                         .sink_data = d,
                                         .cancelled = build_given_up,
                                         .cancel_data = d->step->run->build};
    int r = http_client_new(&trust, &client, err);
    if (r == 0)
        r = http_perform(client, &request, &response, err);
    http_client_free(client);
    if (r < 0)
        return error_context(err, "ADD failed");
    d->modified = MAX(response.last_modified, 0);
    return response.status == 200 ? 0
                                  : error_set(err, ERROR_INVALID, EIO, "ADD failed: failed to GET %s with status %d",
                                              d->url, response.status);
}

/* The last part of the path, without query and fragment. */
static char *url_name(const char *url)
{
    const char *path = strstr(url, "://") + 3;
    path += strcspn(path, "/?#");
    CLEANUP_FREE char *text = xstrndup(path, strcspn(path, "?#"));
    const char *slash = strrchr(text, '/');
    const char *name = slash != NULL ? slash + 1 : "";
    bool plain = name[0] != 0 && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strlen(name) <= NAME_MAX_URL;
    return plain ? xstrdup(name) : NULL;
}

static int check_sum(const struct step_copy *copy, struct digest *digest, const char *url, struct error *err)
{
    unsigned char raw[DIGEST_SIZE];
    char hex[DIGEST_HEX_MAX];
    digest_final(digest, raw);
    digest_to_hex(raw, hex);
    if (copy->checksum == NULL)
        return 0;
    if (strncmp(copy->checksum, "sha256:", 7) != 0 || strcmp(copy->checksum + 7, hex) != 0)
        return error_set(err, ERROR_INVALID, EBADMSG, "ADD failed: digest mismatch sha256:%s: %s (%s)", hex,
                         copy->checksum, url);
    return 0;
}

static int fetch(const struct step_context *step, const char *url, const char *path, struct error *err)
{
    CLEANUP_FREE char *file = xasprintf("%s/file", path);
    CLEANUP_CLOSE int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_errno(err, errno, "%s", file);
    struct download d = {.step = step, .url = url, .fd = fd};
    digest_init(&d.digest);
    int r = perform(&d, err);
    if (r == 0)
        r = check_sum(&step->step->copy, &d.digest, url, err);
    const struct timespec times[2] = {{.tv_sec = d.modified}, {.tv_sec = d.modified}};
    if (r == 0 && (fchmod(fd, 0600) < 0 || futimens(fd, times) < 0))
        r = error_errno(err, errno, "%s", file);
    return r;
}

int copy_items_add_url(const struct step_context *step, const char *url, struct copy_items *items, struct error *err)
{
    const struct content_options options = {0};
    CLEANUP_FREE char *path = NULL;
    CLEANUP_FREE char *name = url_name(url);
    const char *destination = step->step->copy.destination;
    if (name == NULL && destination[strlen(destination) - 1] == '/')
        return error_set(err, ERROR_INVALID, 0, "ADD failed: cannot determine filename from url: %s", url);
    int r = work_directory(step->run->build, items, &path, err);
    if (r == 0)
        r = fetch(step, url, path, err);
    if (r < 0)
        return r;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, errno, "%s", path);
    keep_fd(items, fd);
    struct copy_item *item = copy_items_new(items);
    item->root_fd = fd;
    item->path = xstrdup("file");
    item->name = xstrdup(name != NULL ? name : "index");
    item->downloaded = true;
    return content_digest(fd, "file", &options, item->digest, &item->is_dir, err);
}

/* ---- Git ---- */

/* A socket for git's ssh, where the build has an agent. *ret NULL: there is none. */
static int offer_agent(struct build *build, const char *socket, struct ssh_relay **ret, struct error *err)
{
    static const struct run_mount agent = {.kind = RUN_MOUNT_SSH, .id = (char *)"default", .mode = 0600};
    const struct build_suppliers *s = &build->options->suppliers;
    int fd = s->ssh_agent != NULL ? s->ssh_agent(agent.id, s->data, NULL) : -1;
    if (fd < 0)
        return 0;
    fd_close(fd);
    return ssh_relay_start(build, socket, &agent, ret, err);
}

static int checkout(const struct step_context *step, const char *url, const char *path, const char *socket, int *ret_fd,
                    struct error *err)
{
    struct build *build = step->run->build;
    const struct step_copy *copy = &step->step->copy;
    CLEANUP_GIT_SOURCE struct git_source source = {0};
    char commit[65];
    int r = git_source_parse(url, &source, err);
    if (r < 0)
        return r;
    struct ssh_relay *relay = NULL;
    CLEANUP_SOURCE_AUTH char *authorization = source_auth_git(&build->options->suppliers, source.url);
    r = !copy_source_is_url(source.url) ? offer_agent(build, socket, &relay, err) : 0;
    if (r < 0)
        return r;
    const struct git_options options = {.keep_git_dir = copy->keep_git_dir,
                                        .cancel_fd = build->stop_fd,
                                        .ssh_auth_sock = relay != NULL ? socket : NULL,
                                        .authorization = authorization};
    r = git_checkout(&source, path, &options, ret_fd, commit, err);
    if (relay != NULL)
        ssh_relay_stop(relay);
    if (r < 0)
        return error_context(err, "ADD failed");
    if (copy->checksum != NULL && strncmp(commit, copy->checksum, strlen(copy->checksum)) != 0)
        return error_set(err, ERROR_INVALID, EBADMSG, "ADD failed: expected checksum to match %s, got %s",
                         copy->checksum, commit);
    return 0;
}

int copy_items_add_git(const struct step_context *step, const char *url, struct copy_items *items, struct error *err)
{
    const struct content_options options = {.excludes = items->excludes.count > 0 ? &items->excludes : NULL};
    CLEANUP_FREE char *path = NULL;
    CLEANUP_FREE char *place = NULL;
    int fd = -1;
    int r = work_directory(step->run->build, items, &path, err);
    if (r == 0)
        r = work_directory(step->run->build, items, &place, err);
    if (r < 0)
        return r;
    CLEANUP_FREE char *socket = xasprintf("%s/agent", place);
    r = checkout(step, url, path, socket, &fd, err);
    if (fd >= 0)
        keep_fd(items, fd);
    if (r < 0)
        return r;
    struct copy_item *item = copy_items_new(items);
    item->root_fd = fd;
    item->path = xstrdup("");
    item->name = xstrdup("");
    item->downloaded = true;
    return content_digest(fd, "", &options, item->digest, &item->is_dir, err);
}
