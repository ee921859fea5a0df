/* dory-runtime: an OCI runtime with runc's command line. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/strbuf.h"
#include "base/timestamp.h"
#include "cmd/dory-runtime/runtime.h"

static const struct command commands[] = {
    {"create", "CONTAINER", "create a container; start runs its process", command_create},
    {"start", "CONTAINER", "run the process of a created container", command_start},
    {"run", "CONTAINER", "create and start a container", command_run},
    {"state", "CONTAINER", "print the state of a container", command_state},
    {"kill", "CONTAINER [SIGNAL]", "send a signal (default SIGTERM) to a container", command_kill},
    {"delete", "CONTAINER", "remove what is left of a container", command_delete},
    {"list", "", "list the containers below the root", command_list},
    {"ps", "CONTAINER [ps options]", "list the processes of a container", command_ps},
    {"spec", "", "write a config.json to start from", command_spec},
    {"features", "", "print what this runtime supports", command_features},
    {"exec", "CONTAINER COMMAND [ARG...]", "run another process in a container", command_exec},
    {"pause", "CONTAINER", "stop all processes of a container where they are", command_pause},
    {"resume", "CONTAINER", "let a paused container go on", command_resume},
    {"update", "CONTAINER", "change the limits of a container", command_update},
    {"events", "CONTAINER", "print statistics and OOM kills as they come", command_events},
    {"checkpoint", "CONTAINER", "write the processes of a container down, with criu", command_checkpoint},
    {"restore", "CONTAINER", "make a container from what checkpoint wrote", command_restore},
};

void command_help(const char *name, const struct option_row *rows)
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (strcmp(commands[i].name, name) == 0) {
            printf("Usage: dory-runtime %s [OPTIONS] %s\n\n%s\n\nOptions:\n", name, commands[i].arguments,
                   commands[i].help);
            options_print(rows);
            exit(0);
        }
    printf("Usage: dory-runtime [OPTIONS] COMMAND [ARGUMENTS]\n\nRuns containers from OCI bundles.\n\nOptions:\n");
    options_print(rows);
    printf("\nCommands (COMMAND --help tells their options):\n");
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        printf("  %-10s %-26s %s\n", commands[i].name, commands[i].arguments, commands[i].help);
    exit(0);
}

/* containerd and podman read the last line of level "error" from the file. */
static void write_log(const struct global *global, const char *level, const char *message)
{
    if (global->log == NULL)
        return;
    CLEANUP_CLOSE int fd = open(global->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0)
        return; /* said on standard error anyway */
    char now[TIMESTAMP_MAX];
    timestamp_format(now, timestamp_now());
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    if (global->log_json) {
        struct json_writer w;
        json_writer_init(&w, &text);
        json_begin_object(&w);
        json_member_string(&w, "level", level);
        json_member_string(&w, "msg", message);
        json_member_string(&w, "time", now);
        json_end_object(&w);
    } else {
        strbuf_addf(&text, "time=\"%s\" level=%s msg=", now, level);
        json_quote(&text, message, strlen(message));
    }
    strbuf_addc(&text, '\n');
    (void)fd_write_all(fd, text.data, text.size);
}

void global_warn(void *context, const char *text)
{
    write_log(context, "warning", text);
    fprintf(stderr, "dory-runtime: warning: %s\n", text);
}

/* docker's convention, which engines that run us in the foreground expect; an exec that did not come about is 255, as
 * with runc, which leaves the rest to the process. */
static int exit_status(const struct error *err)
{
    if (strncmp(err->message, "exec failed", 11) == 0)
        return 255;
    bool command = strncmp(err->message, "exec", 4) == 0;
    return command && err->kind == ERROR_NOT_FOUND ? 127 : command && err->kind == ERROR_FORBIDDEN ? 126 : 1;
}

static int dispatch(const struct global *global, int argc, char **argv, struct error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (strcmp(commands[i].name, argv[0]) == 0)
            return commands[i].run(global, argc, argv, err);
    return error_set(err, ERROR_INVALID, 0, "unknown command \"%s\"", argv[0]);
}

static void say_debug(const struct global *global, const char *what, int argc, char **argv, int result)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    strbuf_addf(&text, "%s of", what);
    for (int i = 0; i < argc; i++)
        strbuf_addf(&text, " %s", argv[i]);
    if (strcmp(what, "end") == 0)
        strbuf_addf(&text, ": status %d%s%s", result < 0 ? 1 : result, result < 0 ? ": " : "",
                    result < 0 ? strerror(-result) : "");
    if (global->log != NULL)
        write_log(global, "debug", strbuf_str(&text));
    else
        fprintf(stderr, "dory-runtime: debug: %s\n", strbuf_str(&text));
}

static int run_main(struct global *global, int argc, char **argv, struct error *err)
{
    const char *log_format = "text", *rootless = "auto", *criu = NULL;
    bool version = false, debug = false, systemd = false;
    const struct option_row rows[] = {
        OPTION_TEXT("root", 0, &global->root,
                    "where the states of containers are kept (default " DEFAULT_ROOT
                    " or XDG_RUNTIME_DIR/dory-runtime)"),
        OPTION_TEXT("log", 0, &global->log, "write errors to this file too"),
        OPTION_TEXT("log-format", 0, &log_format, "text or json (default text)"),
        OPTION_FLAG("debug", 0, &debug, "tell in the log, or on standard error, what is run and how it ends"),
        OPTION_FLAG("version", 'v', &version, "print the version"),
        OPTION_TEXT("rootless", 0, &rootless, "true, false or auto (default): do without what takes privilege"),
        OPTION_TEXT("criu", 0, &criu, "the criu that checkpoint and restore use (default: in PATH)"),
        OPTION_FLAG("systemd-cgroup", 0, &systemd, "cgroups are units of systemd: cgroupsPath is slice:prefix:name"),
        OPTION_END,
    };
    int first;
    int r = options_parse(rows, argc, argv, &first, err);
    if (r < 0)
        return r;
    global->log_json = strcmp(log_format, "json") == 0;
    if (!global->log_json && strcmp(log_format, "text") != 0)
        return error_set(err, ERROR_INVALID, 0, "invalid log-format: %s", log_format);
    if (version) {
        printf("dory-runtime version " DORY_VERSION "\nspec: 1.3.0\n");
        return 0;
    }
    if (first >= argc || strcmp(argv[first], "help") == 0)
        command_help(argv[0], rows);
    global->systemd = systemd;
    global->debug = debug;
    global->criu = criu;
    r = rootless_parse(rootless, &global->rootless, err);
    if (r == 0 && global->root == NULL) {
        r = rootless_root(global->rootless, &global->default_root, err);
        global->root = global->default_root;
    }
    if (r < 0)
        return r;
    bool enters =
        strcmp(argv[first], "run") == 0 || strcmp(argv[first], "create") == 0 || strcmp(argv[first], "exec") == 0;
    r = enters ? sealed_exec(argv, err) : 0;
    if (r < 0)
        return r;
    if (debug)
        say_debug(global, "begin", argc - first, argv + first, 0);
    r = dispatch(global, argc - first, argv + first, err);
    if (debug)
        say_debug(global, "end", argc - first, argv + first, r);
    return r;
}

int main(int argc, char **argv)
{
    struct global global = {0};
    struct error err = {0};
    int r = run_main(&global, argc, argv, &err);
    free(global.default_root);
    if (r < 0) {
        write_log(&global, "error", err.message);
        fprintf(stderr, "dory-runtime: %s\n", err.message);
        return exit_status(&err);
    }
    return r;
}
