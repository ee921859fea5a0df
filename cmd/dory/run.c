/* run: create, attach, wait, start, copy, and leave with the container's status. */
#include <errno.h>

#include "api/client.h"
#include "cmd/dory/config_file.h"
#include "cmd/dory/container_create.h"
#include "cmd/dory/container_wait.h"
#include "cmd/dory/session.h"

static int post(struct cli *cli, const char *id, const char *action, struct error *err)
{
    CLEANUP_FREE char *path = xasprintf("/containers/%s/%s", id, action);
    struct client_request request = {.method = "POST", .path = path};
    return client_call(cli_client(cli), &request, NULL, NULL, NULL, err);
}

/* What docker's CLI makes of a failed start: 127 when the command was not found, 126 when it cannot be executed. */
static int start_failure_status(const char *message)
{
    if (strstr(message, "executable file not found") || strstr(message, "no such file or directory") ||
        strstr(message, "system cannot find the file specified"))
        return 127;
    if (strstr(message, "permission denied") || strstr(message, "not a directory") || strstr(message, "is a directory"))
        return 126;
    return EXIT_CLI;
}

static int report_start_failure(struct cli *cli, const struct container_flags *flags, const char *id,
                                const struct error *err)
{
    int status = start_failure_status(err->message);
    fprintf(stderr, "%s: %s\n\nRun '%s run --help' for more information\n", cli->program, err->message, cli->program);
    /* A container that never ran has nobody else to remove it. */
    if (flags->remove) {
        CLEANUP_FREE char *path = xasprintf("/containers/%s?v=1&force=1", id);
        struct client_request request = {.method = "DELETE", .path = path};
        client_call(cli_client(cli), &request, NULL, NULL, NULL, NULL);
    }
    return status;
}

static int run_detached(struct cli *cli, const struct container_flags *flags, const char *id)
{
    struct error err = {0};
    if (post(cli, id, "start", &err) < 0)
        return report_start_failure(cli, flags, id, &err);
    printf("%s\n", id);
    return 0;
}

static void choose_streams(const struct container_flags *flags, struct session *session)
{
    if (flags->attach.count == 0) {
        session->use_stdin = flags->interactive;
        session->use_stdout = session->use_stderr = true;
        return;
    }
    for (size_t i = 0; i < flags->attach.count; i++) {
        const char *stream = flags->attach.items[i];
        session->use_stdin = session->use_stdin || strcasecmp(stream, "stdin") == 0;
        session->use_stdout = session->use_stdout || strcasecmp(stream, "stdout") == 0;
        session->use_stderr = session->use_stderr || strcasecmp(stream, "stderr") == 0;
    }
}

static int run_attached(struct cli *cli, const struct container_flags *flags, struct session *session,
                        struct error *err)
{
    struct container_wait wait = {0};
    bool detached = false;
    int r = session_attach(session, err);
    if (r == 0)
        r = container_wait_begin(cli_client(cli), session->container, flags->remove ? "removed" : "next-exit", &wait,
                                 err);
    if (r < 0)
        return r;
    struct error failure = {0};
    if (post(cli, session->container, "start", &failure) < 0) {
        container_wait_release(&wait);
        session_release(session);
        return report_start_failure(cli, flags, session->container, &failure);
    }
    session_started(session);
    r = session_run(session, &detached, err);
    session_release(session);
    int status = 0;
    if (r == 0 && !detached)
        r = container_wait_end_session(cli_client(cli), session->container, &wait, &status, err);
    container_wait_release(&wait);
    return r < 0 ? r : status;
}

static int check_flags(const struct container_flags *flags, struct error *err)
{
    if (flags->detach && flags->attach.count > 0)
        return error_set(err, ERROR_INVALID, 0, "conflicting options: cannot specify both --attach and --detach");
    if (flags->remove && flags->restart && strcmp(flags->restart, "no") != 0 && *flags->restart)
        return error_set(err, ERROR_INVALID, 0, "conflicting options: cannot specify both --restart and --rm");
    return 0;
}

static int run_run(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    struct container_flags *flags = data;
    CLEANUP_FREE char *id = NULL;
    if (flags->tty && !flags->detach)
        config_file_default(cli, "detachKeys", &flags->detach_keys);
    struct session session = {
        .tty = flags->tty, .detach_keys = flags->detach_keys, .forward_signals = flags->sig_proxy && !flags->tty};
    choose_streams(flags, &session);
    int r = check_flags(flags, err);
    if (r < 0 && flags->detach && flags->attach.count > 0) {
        /* docker says this without its usual prefix and with status 1. */
        fprintf(stderr, "%s\n", err->message);
        return 1;
    }
    if (r == 0 && !flags->detach && session_check_tty(&session, err) < 0) {
        /* docker says this without its usual prefix and with status 1. */
        fprintf(stderr, "%s\n", err->message);
        return 1;
    }
    if (r == 0 && !flags->detach) /* the stream, the wait for the end, and everything else */
        client_prepare(cli_client(cli), 3);
    if (r == 0)
        r = container_create(cli, flags, arguments, &id, err);
    if (r < 0)
        return r;
    if (flags->detach)
        return run_detached(cli, flags, id);
    session.client = cli_client(cli);
    session.container = id;
    r = run_attached(cli, flags, &session, err);
    session_release(&session);
    return r;
}

const struct command command_run = {
    .name = "run",
    .place = PLACE_COMMON,
    .aliases = "container run",
    .usage = "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    .summary = "Create and run a new container from an image",
    .options = run_options,
    .flags_size = sizeof(struct container_flags),
    .min_arguments = 1,
    .max_arguments = -1,
    .stop_at_argument = true,
    .failure_status = EXIT_CLI,
    .run = run_run,
    .defaults = container_flags_defaults,
};
