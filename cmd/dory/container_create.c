#include <string.h>

#include "cmd/dory/container_create.h"

#include "cmd/dory/container_flags_check.h"

#include <errno.h>
#include <fcntl.h>

#include "api/client.h"
#include "base/error_words.h"
#include "base/fd.h"
#include "image/reference.h"

static int check_pull_policy(const char *policy, struct error *err)
{
    if (strcmp(policy, "always") == 0 || strcmp(policy, "missing") == 0 || strcmp(policy, "never") == 0)
        return 0;
    return error_set(err, ERROR_INVALID, 0,
                     "invalid pull option: '%s': must be one of \"always\", \"missing\" or \"never\"", policy);
}

/* A name, or the whole ID of an image. */
static int check_image(const char *image, struct error *err)
{
    if (strlen(image) == 64 && strspn(image, "0123456789abcdef") == 64)
        return 0;
    return reference_check(image, err);
}

/* The file must not exist, so that nobody's container is forgotten; it is made before the container is. */
static int open_cidfile(const char *path, int *ret_fd, struct error *err)
{
    if (access(path, F_OK) == 0)
        return error_set(err, ERROR_CONFLICT, EEXIST,
                         "container ID file found, make sure the other container isn't running or delete %s", path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "failed to create the container ID file: open %s: %s", path,
                         error_words(errno));
    *ret_fd = fd;
    return 0;
}

static void print_warnings(const struct json *answer)
{
    const struct json *warnings = json_get(answer, "Warnings");
    for (size_t i = 0; i < json_count(warnings); i++)
        fprintf(stderr, "WARNING: %s\n", json_string(json_at(warnings, i)));
}

static int post_create(struct cli *cli, const struct container_flags *flags, const struct strbuf *body,
                       struct json **ret, struct error *err)
{
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    strbuf_adds(&path, "/containers/create");
    client_query_add(&path, "name", flags->name);
    client_query_add(&path, "platform", flags->platform);
    struct client_request request = {
        .method = "POST", .path = strbuf_str(&path), .body = body->data, .body_size = body->size};
    return client_json(cli_client(cli), &request, ret, err);
}

/* Altogether, or of the platform that is asked for: nothing else is not found here. */
static bool image_is_missing(const struct error *err)
{
    return err->kind == ERROR_NOT_FOUND;
}

static int pull_for_run(struct cli *cli, const struct container_flags *flags, const char *image, struct error *err)
{
    return image_pull_command(
        cli,
        &(struct pull_options){
            .reference = image, .platform = flags->platform, .quiet = flags->quiet, .output_fd = STDERR_FILENO},
        err);
}

static int create_with_pull(struct cli *cli, const struct container_flags *flags, const char *image,
                            const struct strbuf *body, struct json **ret, struct error *err)
{
    int r = 0;
    if (strcmp(flags->pull, "always") == 0)
        r = pull_for_run(cli, flags, image, err);
    if (r == 0)
        r = post_create(cli, flags, body, ret, err);
    if (r < 0 && image_is_missing(err) && strcmp(flags->pull, "missing") == 0) {
        if (!flags->quiet)
            fprintf(stderr, "Unable to find image '%s%s' locally\n", image,
                    strchr(image, '@') || strrchr(image, ':') > strrchr(image, '/') ? "" : ":latest");
        error_clear(err);
        r = pull_for_run(cli, flags, image, err);
        if (r == 0)
            r = post_create(cli, flags, body, ret, err);
    }
    return r;
}

int container_create(struct cli *cli, const struct container_flags *flags, const struct strv *arguments, char **ret_id,
                     struct error *err)
{
    CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
    CLEANUP_JSON struct json *answer = NULL;
    CLEANUP_CLOSE int cid_fd = -1;
    int r = check_pull_policy(flags->pull, err);
    if (r == 0)
        r = container_flags_check(flags, err);
    if (r == 0)
        r = check_image(arguments->items[0], err);
    if (r == 0)
        r = container_flags_body(flags, arguments, &body, err);
    if (r == 0 && flags->cidfile)
        r = open_cidfile(flags->cidfile, &cid_fd, err);
    if (r == 0)
        r = create_with_pull(cli, flags, arguments->items[0], &body, &answer, err);
    if (r < 0) {
        if (cid_fd >= 0)
            unlink(flags->cidfile);
        return r;
    }
    const char *id = json_get_string(answer, "Id");
    if (!id)
        return error_set(err, ERROR_SYSTEM, EPROTO, "the daemon answered without an Id");
    print_warnings(answer);
    if (cid_fd >= 0 && (r = fd_write_all(cid_fd, id, strlen(id))) < 0)
        return error_errno(err, r, "write %s", flags->cidfile);
    *ret_id = xstrdup(id);
    return 0;
}

bool container_create_is_usage_error(const struct error *err)
{
    return err->kind != ERROR_UNAVAILABLE && strncmp(err->message, "Error response from daemon", 26) != 0;
}
