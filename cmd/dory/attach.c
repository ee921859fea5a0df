/* attach, and start with its -a and -i. */
#include "api/client.h"
#include "cmd/dory/config_file.h"
#include "cmd/dory/container_wait.h"
#include "cmd/dory/each.h"
#include "cmd/dory/session.h"

struct attach_flags {
    char *detach_keys;
    bool no_stdin, sig_proxy;
    /* start's */
    bool attach, interactive;
};

#define AT(member) offsetof(struct attach_flags, member)
static const struct option attach_options[] = {
    {"detach-keys", 0, OPTION_STRING, AT(detach_keys), "string", "Override the key sequence for detaching a container",
     0, 0, NULL},
    {"no-stdin", 0, OPTION_BOOL, AT(no_stdin), NULL, "Do not attach STDIN", 0, 0, NULL},
    {"sig-proxy", 0, OPTION_BOOL, AT(sig_proxy), NULL, "Proxy all received signals to the process (default true)", 0, 0,
     NULL},
    {0},
};

static const struct option start_options[] = {
    {"attach", 'a', OPTION_BOOL, AT(attach), NULL, "Attach STDOUT/STDERR and forward signals", 0, 0, NULL},
    {"checkpoint", 0, OPTION_STRING, 0, "string", "Restore from this checkpoint", OPTION_REFUSED, 0, NULL},
    {"checkpoint-dir", 0, OPTION_STRING, 0, "string", "Use a custom checkpoint storage directory", OPTION_REFUSED, 0,
     NULL},
    {"detach-keys", 0, OPTION_STRING, AT(detach_keys), "string", "Override the key sequence for detaching a container",
     0, 0, NULL},
    {"interactive", 'i', OPTION_BOOL, AT(interactive), NULL, "Attach container's STDIN", 0, 0, NULL},
    {0},
};

static void attach_defaults(void *flags)
{
    ((struct attach_flags *)flags)->sig_proxy = true;
}

static int inspect(struct cli *cli, const char *name, struct json **ret, struct error *err)
{
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    strbuf_adds(&path, "/containers/");
    client_path_escape(&path, name);
    strbuf_adds(&path, "/json");
    return client_json(cli_client(cli), &(struct client_request){.path = strbuf_str(&path)}, ret, err);
}

/* The session that the container's own configuration allows. */
static void prepare(struct cli *cli, struct attach_flags *flags, const struct json *container, bool want_stdin,
                    struct session *ret)
{
    const struct json *config = json_get(container, "Config");
    config_file_default(cli, "detachKeys", &flags->detach_keys);
    *ret = (struct session){.client = cli_client(cli),
                            .container = json_get_string(container, "Id"),
                            .tty = json_get_bool(config, "Tty", false),
                            .use_stdin = want_stdin && json_get_bool(config, "OpenStdin", false),
                            .use_stdout = true,
                            .use_stderr = true,
                            .detach_keys = flags->detach_keys};
    ret->forward_signals = flags->sig_proxy && !ret->tty;
}

/* Attaches, starts when asked to, copies, and returns the container's exit status. *ret_detached: the user left by the
 * detach keys. */
static int attached(struct cli *cli, struct session *session, bool start, bool *ret_detached, struct error *err)
{
    struct container_wait wait = {0};
    int status = 0, r = session_check_tty(session, err);
    if (r == 0)
        r = session_attach(session, err);
    if (r == 0)
        r = container_wait_begin(cli_client(cli), session->container, start ? "next-exit" : "not-running", &wait, err);
    if (r == 0 && start)
        r = container_request(cli, "POST", session->container, "/start", err);
    if (r == 0) {
        session_started(session);
        r = session_run(session, ret_detached, err);
    }
    session_release(session);
    if (r == 0 && !*ret_detached)
        r = container_wait_end_session(cli_client(cli), session->container, &wait, &status, err);
    container_wait_release(&wait);
    return r < 0 ? r : status;
}

static int run_attach(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    struct attach_flags *flags = data;
    CLEANUP_JSON struct json *container = NULL;
    int r = inspect(cli, arguments->items[0], &container, err);
    if (r < 0)
        return r;
    const struct json *state = json_get(container, "State");
    if (!json_get_bool(state, "Running", false))
        return error_set(err, ERROR_CONFLICT, 0, "You cannot attach to a stopped container, start it first");
    if (json_get_bool(state, "Paused", false))
        return error_set(err, ERROR_CONFLICT, 0, "You cannot attach to a paused container, unpause it first");
    if (json_get_bool(state, "Restarting", false))
        return error_set(err, ERROR_CONFLICT, 0,
                         "You cannot attach to a restarting container, wait until it is running");
    struct session session;
    prepare(cli, flags, container, !flags->no_stdin, &session);
    bool detached = false;
    session.redraw = true;
    r = attached(cli, &session, false, &detached, err);
    return detached ? error_set(err, ERROR_CANCELLED, 0, "read escape sequence") : r;
}

/* One after the other; what failed is told at once, and all names of it at the end. */
static int start_all(struct cli *cli, const struct strv *arguments, struct error *err)
{
    CLEANUP_STRV struct strv failed = STRV_INIT;
    for (size_t i = 0; i < arguments->count; i++) {
        struct error failure = {0};
        if (container_request(cli, "POST", arguments->items[i], "/start", &failure) < 0) {
            fprintf(stderr, "%s\n", failure.message);
            strv_add(&failed, arguments->items[i]);
        } else {
            printf("%s\n", arguments->items[i]);
            fflush(stdout);
        }
    }
    CLEANUP_FREE char *names = failed.count ? strv_join(&failed, ", ") : NULL;
    return names ? error_set(err, ERROR_SYSTEM, 0, "Error: failed to start containers: %s", names) : 0;
}

static int run_start(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    struct attach_flags *flags = data;
    if (!flags->attach && !flags->interactive)
        return start_all(cli, arguments, err);
    if (arguments->count > 1)
        return error_set(err, ERROR_INVALID, 0, "you cannot start and attach multiple containers at once");
    CLEANUP_JSON struct json *container = NULL;
    int r = inspect(cli, arguments->items[0], &container, err);
    if (r < 0)
        return r;
    struct session session;
    flags->sig_proxy = true;
    bool detached = false;
    prepare(cli, flags, container, flags->interactive, &session);
    return attached(cli, &session, true, &detached, err);
}

const struct command command_attach = {
    .name = "attach",
    .aliases = "container attach",
    .usage = "[OPTIONS] CONTAINER",
    .summary = "Attach local standard input, output, and error streams to a running container",
    .options = attach_options,
    .flags_size = sizeof(struct attach_flags),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_attach,
    .defaults = attach_defaults,
};

const struct command command_start = {
    .name = "start",
    .aliases = "container start",
    .usage = "[OPTIONS] CONTAINER [CONTAINER...]",
    .summary = "Start one or more stopped containers",
    .options = start_options,
    .flags_size = sizeof(struct attach_flags),
    .min_arguments = 1,
    .max_arguments = -1,
    .run = run_start,
};
