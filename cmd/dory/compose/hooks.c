/* post_start and pre_stop: an exec each, one after the other. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "api/client.h"
#include "base/fd.h"
#include "cmd/dory/body_members.h"
#include "cmd/dory/compose/container_ops.h"
#include "cmd/dory/compose/frame_lines.h"
#include "cmd/dory/compose/model.h"

struct hook_output {
    struct work_report *report;
    const char *source;
};

static void on_line(void *data, bool is_stderr, const char *line, size_t size)
{
    (void)is_stderr;
    struct hook_output *output = data;
    work_line(output->report, output->source, line, size);
}

static void write_exec(const struct json *hook, struct strbuf *body)
{
    CLEANUP_STRV struct strv command = STRV_INIT, environment = STRV_INIT;
    struct json_writer w;
    model_entries(json_get(hook, "command"), &command);
    model_entries(json_get(hook, "environment"), &environment);
    json_writer_init(&w, body);
    json_begin_object(&w);
    put_strings(&w, "Cmd", &command);
    put_strings(&w, "Env", &environment);
    put_text(&w, "User", json_get_string(hook, "user"));
    put_text(&w, "WorkingDir", json_get_string(hook, "working_dir"));
    put_flag(&w, "Privileged", model_bool(hook, "privileged", false));
    json_member_bool(&w, "AttachStdout", true);
    json_member_bool(&w, "AttachStderr", true);
    json_end_object(&w);
}

static int create_exec(struct cli *cli, const char *container, const struct json *hook, char **ret_id,
                       struct error *err)
{
    CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
    CLEANUP_JSON struct json *answer = NULL;
    CLEANUP_FREE char *path = xasprintf("/containers/%s/exec", container);
    write_exec(hook, &body);
    struct client_request request = {.method = "POST", .path = path, .body = body.data, .body_size = body.size};
    int r = client_json(cli_client(cli), &request, &answer, err);
    if (r == 0 && !(*ret_id = xstrdup(json_get_string(answer, "Id"))))
        r = error_set(err, ERROR_SYSTEM, 0, "the daemon answered without an Id");
    return r;
}

/* Until the exec ends. */
static int copy_output(struct cli *cli, const char *exec, struct hook_output *output, struct error *err)
{
    static const char body[] = "{\"Detach\":false,\"Tty\":false}";
    CLEANUP_FREE char *path = xasprintf("/exec/%s/start", exec), *buffer = xmalloc(65536);
    struct client_request request = {.method = "POST", .path = path, .body = body, .body_size = strlen(body)};
    struct client_stream stream = {.fd = -1};
    struct frame_lines frames = {0};
    int r = client_hijack(cli_client(cli), &request, &stream, err);
    if (r < 0)
        return r;
    frame_lines_feed(&frames, stream.leftover, stream.leftover_size, on_line, output);
    free(stream.leftover);
    ssize_t n;
    while ((n = read(stream.fd, buffer, 65536)) > 0)
        frame_lines_feed(&frames, buffer, (size_t)n, on_line, output);
    if (n < 0)
        r = error_errno(err, errno, "read the output of a hook");
    frame_lines_end(&frames, on_line, output);
    frame_lines_release(&frames);
    fd_close(stream.fd);
    return r;
}

static int run_hook(struct cli *cli, const char *id, const struct json *hook, struct hook_output *output,
                    int64_t *ret_status, struct error *err)
{
    CLEANUP_FREE char *exec = NULL;
    CLEANUP_JSON struct json *state = NULL;
    int r = create_exec(cli, id, hook, &exec, err);
    if (r == 0)
        r = copy_output(cli, exec, output, err);
    if (r < 0)
        return r;
    CLEANUP_FREE char *path = xasprintf("/exec/%s/json", exec);
    r = client_json(cli_client(cli), &(struct client_request){.path = path}, &state, err);
    if (r == 0)
        *ret_status = json_get_int(state, "ExitCode", 0);
    return r;
}

int container_hooks_run(struct cli *cli, const char *id, const char *name, const struct json *service, const char *kind,
                        struct work_report *report, struct error *err)
{
    const struct json *hooks = json_get(service, kind);
    CLEANUP_FREE char *source = xasprintf("%s ->", name);
    struct hook_output output = {report, source};
    for (size_t i = 0; i < json_count(hooks); i++) {
        int64_t status = 0;
        int r = run_hook(cli, id, json_at(hooks, i), &output, &status, err);
        if (r < 0)
            return r;
        if (status != 0)
            return error_set(err, ERROR_SYSTEM, 0, "%s: %s hook exited with status %lld", name, kind,
                             (long long)status);
    }
    return 0;
}
