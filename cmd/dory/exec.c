/* exec: one more command in a running container. */
#include <errno.h>
#include <sys/ioctl.h>

#include "api/client.h"
#include "base/json.h"
#include "cmd/dory/config_file.h"
#include "cmd/dory/container_flags_check.h"
#include "cmd/dory/env_file.h"
#include "cmd/dory/session.h"

struct exec_flags {
    bool detach, interactive, privileged, tty;
    char *detach_keys, *user, *workdir;
    struct strv env, env_files;
};

#define AT(member) offsetof(struct exec_flags, member)
static const struct option exec_options[] = {
    {"detach", 'd', OPTION_BOOL, AT(detach), NULL, "Detached mode: run command in the background", 0, 0, NULL},
    {"detach-keys", 0, OPTION_STRING, AT(detach_keys), "string", "Override the key sequence for detaching a container",
     0, 0, NULL},
    {"env", 'e', OPTION_LIST, AT(env), "list", "Set environment variables", 0, 0, check_env},
    {"env-file", 0, OPTION_LIST, AT(env_files), "list", "Read in a file of environment variables", 0, 0, NULL},
    {"interactive", 'i', OPTION_BOOL, AT(interactive), NULL, "Keep STDIN open even if not attached", 0, 0, NULL},
    {"privileged", 0, OPTION_BOOL, AT(privileged), NULL, "Give extended privileges to the command", 0, 0, NULL},
    {"tty", 't', OPTION_BOOL, AT(tty), NULL, "Allocate a pseudo-TTY", 0, 0, NULL},
    {"user", 'u', OPTION_STRING, AT(user), "string", "Username or UID (format: \"<name|uid>[:<group|gid>]\")", 0, 0,
     NULL},
    {"workdir", 'w', OPTION_STRING, AT(workdir), "string", "Working directory inside the container", 0, 0, NULL},
    {0},
};

/* As with run: a name alone takes the caller's value, or is taken out of the container's environment. */
static int collect_env(const struct exec_flags *flags, struct strv *env, struct error *err)
{
    for (size_t i = 0; i < flags->env_files.count; i++) {
        int r = env_file_read(flags->env_files.items[i], true, env, err);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < flags->env.count; i++) {
        const char *item = flags->env.items[i], *value = strchr(item, '=') ? NULL : getenv(item);
        if (value)
            strv_addf(env, "%s=%s", item, value);
        else
            strv_add(env, item);
    }
    return 0;
}

static void put_list(struct json_writer *w, const char *key, const struct strv *list, size_t from)
{
    json_key(w, key);
    json_begin_array(w);
    for (size_t i = from; i < list->count; i++)
        json_put_string(w, list->items[i]);
    json_end_array(w);
}

static void put_size(struct json_writer *w)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row == 0)
        return;
    json_key(w, "ConsoleSize");
    json_begin_array(w);
    json_put_uint(w, size.ws_row);
    json_put_uint(w, size.ws_col);
    json_end_array(w);
}

static int create_exec(struct cli *cli, const struct exec_flags *flags, const struct strv *arguments, struct json **ret,
                       struct error *err)
{
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT, body = STRBUF_INIT;
    CLEANUP_STRV struct strv env = STRV_INIT;
    struct json_writer w;
    int r = collect_env(flags, &env, err);
    if (r < 0)
        return r;
    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_member_bool(&w, "AttachStdin", flags->interactive && !flags->detach);
    json_member_bool(&w, "AttachStdout", !flags->detach);
    json_member_bool(&w, "AttachStderr", !flags->detach);
    json_member_bool(&w, "Tty", flags->tty);
    json_member_bool(&w, "Privileged", flags->privileged);
    json_member_string(&w, "User", flags->user);
    json_member_string(&w, "WorkingDir", flags->workdir);
    json_member_string(&w, "DetachKeys", flags->detach_keys);
    if (flags->tty)
        put_size(&w);
    put_list(&w, "Env", &env, 0);
    put_list(&w, "Cmd", arguments, 1);
    json_end_object(&w);
    strbuf_adds(&path, "/containers/");
    client_path_escape(&path, arguments->items[0]);
    strbuf_adds(&path, "/exec");
    struct client_request request = {
        .method = "POST", .path = strbuf_str(&path), .body = body.data, .body_size = body.size};
    return client_json(cli_client(cli), &request, ret, err);
}

static int start_detached(struct cli *cli, const char *id, bool tty, struct error *err)
{
    CLEANUP_FREE char *path = xasprintf("/exec/%s/start", id);
    CLEANUP_FREE char *body = xasprintf("{\"Detach\":true,\"Tty\":%s}", tty ? "true" : "false");
    struct client_request request = {.method = "POST", .path = path, .body = body, .body_size = strlen(body)};
    return client_call(cli_client(cli), &request, NULL, NULL, NULL, err);
}

/* The end of the stream is sent after the exit code is known. */
static int exit_code(struct cli *cli, const char *id, struct error *err)
{
    CLEANUP_FREE char *path = xasprintf("/exec/%s/json", id);
    CLEANUP_JSON struct json *exec = NULL;
    int r = client_json(cli_client(cli), &(struct client_request){.path = path}, &exec, err);
    return r < 0 ? r : (int)json_get_int(exec, "ExitCode", 0);
}

static int run_attached(struct cli *cli, struct session *session, struct error *err)
{
    bool detached = false;
    int r = session_attach(session, err);
    if (r == 0) {
        session_started(session);
        r = session_run(session, &detached, err);
    }
    session_release(session);
    if (r == 0 && detached)
        r = error_set(err, ERROR_CANCELLED, 0, "read escape sequence");
    return r < 0 ? r : exit_code(cli, session->exec, err);
}

static int run_exec(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    struct exec_flags *flags = data;
    CLEANUP_JSON struct json *created = NULL;
    if (flags->tty && !flags->detach)
        config_file_default(cli, "detachKeys", &flags->detach_keys);
    struct session session = {.container = arguments->items[0],
                              .tty = flags->tty,
                              .use_stdin = flags->interactive,
                              .use_stdout = true,
                              .use_stderr = true,
                              .detach_keys = flags->detach_keys};
    int r = flags->detach ? 0 : session_check_tty(&session, err);
    if (r == 0)
        r = create_exec(cli, flags, arguments, &created, err);
    if (r < 0)
        return r;
    session.exec = json_get_string(created, "Id");
    if (!session.exec)
        return error_set(err, ERROR_SYSTEM, EPROTO, "exec ID empty");
    if (flags->detach)
        return start_detached(cli, session.exec, flags->tty, err);
    session.client = cli_client(cli);
    return run_attached(cli, &session, err);
}

const struct command command_exec = {
    .name = "exec",
    .aliases = "container exec",
    .usage = "[OPTIONS] CONTAINER COMMAND [ARG...]",
    .summary = "Execute a command in a running container",
    .options = exec_options,
    .flags_size = sizeof(struct exec_flags),
    .min_arguments = 2,
    .max_arguments = -1,
    .stop_at_argument = true,
    .run = run_exec,
};
