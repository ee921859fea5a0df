/* compose exec and attach: those of dory, in the container of a service. */
#include <stdio.h>

#include <unistd.h>

#include "cmd/dory/command_call.h"
#include "cmd/dory/compose/board.h"
#include "cmd/dory/compose/lookup.h"

struct exec_flags {
    bool detach, interactive, no_tty, privileged, tty;
    int64_t index;
    char *user, *workdir;
    struct strv env;
};

#define AT(member) offsetof(struct exec_flags, member)
static const struct option exec_options[] = {
    {"detach", 'd', OPTION_BOOL, AT(detach), NULL, "Detached mode: Run command in the background", 0, 0, NULL},
    {"env", 'e', OPTION_LIST, AT(env), "stringArray", "Set environment variables", 0, 0, NULL},
    {"index", 0, OPTION_INT, AT(index), "int", "Index of the container if service has multiple replicas", 0, 0, NULL},
    {"interactive", 'i', OPTION_BOOL, AT(interactive), NULL, "Keep STDIN open even if not attached", OPTION_HIDDEN, 0,
     NULL},
    {"no-tty", 'T', OPTION_BOOL, AT(no_tty), NULL,
     "Disable pseudo-TTY allocation. By default 'compose exec' allocates a TTY.", 0, 0, NULL},
    {"no-TTY", 0, OPTION_BOOL, AT(no_tty), NULL, "The same", OPTION_HIDDEN, 0, NULL},
    {"privileged", 0, OPTION_BOOL, AT(privileged), NULL, "Give extended privileges to the process", 0, 0, NULL},
    {"tty", 't', OPTION_BOOL, AT(tty), NULL, "Allocate a pseudo-TTY", OPTION_HIDDEN, 0, NULL},
    {"user", 'u', OPTION_STRING, AT(user), "string", "Run the command as this user", 0, 0, NULL},
    {"workdir", 'w', OPTION_STRING, AT(workdir), "string", "Path to workdir directory for this command", 0, 0, NULL},
    {0},
};

static void exec_defaults(void *data)
{
    struct exec_flags *flags = data;
    flags->interactive = flags->tty = true;
    flags->no_tty = !isatty(STDOUT_FILENO);
}

/* The name of the container that is meant; it goes into the words of the command that does it. */
static int add_target(struct cli *cli, const char *service, int64_t index, struct strv *words, struct error *err)
{
    CLEANUP_COMPOSE_CONTAINERS struct compose_containers containers = {0};
    const struct compose_container *container = NULL;
    int r = compose_lookup_container(cli, service, index, &containers, &container, err);
    if (r == 0)
        strv_add(words, container->id);
    return r;
}

/* What --dry-run says in place of a command that would run unattended. */
static int pretend_exec(const struct exec_flags *flags, const struct strv *arguments, const char *id, struct error *err)
{
    CLEANUP_STRV struct strv command = STRV_INIT;
    if (!flags->detach)
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "interactive exec is not supported in dry-run mode");
    for (size_t i = 1; i < arguments->count; i++)
        strv_add(&command, arguments->items[i]);
    CLEANUP_FREE char *line = strv_join(&command, " ");
    printf(BOARD_DRY_RUN "Executing command \"%s\" in %s (detached mode)\n", line, id);
    return 0;
}

static int run_exec(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct exec_flags *flags = data;
    CLEANUP_STRV struct strv words = STRV_INIT;
    if (flags->detach)
        strv_add(&words, "--detach");
    if (flags->privileged)
        strv_add(&words, "--privileged");
    if (flags->interactive)
        strv_add(&words, "--interactive");
    if (flags->tty && !flags->no_tty)
        strv_add(&words, "--tty");
    if (flags->user)
        strv_addf(&words, "--user=%s", flags->user);
    if (flags->workdir)
        strv_addf(&words, "--workdir=%s", flags->workdir);
    for (size_t i = 0; i < flags->env.count; i++)
        strv_addf(&words, "--env=%s", flags->env.items[i]);
    int r = add_target(cli, arguments->items[0], flags->index, &words, err);
    if (r == 0 && compose_options(cli)->dry_run)
        return pretend_exec(flags, arguments, words.items[words.count - 1], err);
    for (size_t i = 1; i < arguments->count; i++)
        strv_add(&words, arguments->items[i]);
    return r < 0 ? r : command_call(cli, "exec", &words, err);
}

struct attach_flags {
    bool no_stdin, sig_proxy;
    int64_t index;
    char *detach_keys;
};

#undef AT
#define AT(member) offsetof(struct attach_flags, member)
static const struct option attach_options[] = {
    {"detach-keys", 0, OPTION_STRING, AT(detach_keys), "string",
     "Override the key sequence for detaching from a container.", 0, 0, NULL},
    {"index", 0, OPTION_INT, AT(index), "int", "index of the container if service has multiple replicas.", 0, 0, NULL},
    {"no-stdin", 0, OPTION_BOOL, AT(no_stdin), NULL, "Do not attach STDIN", 0, 0, NULL},
    {"sig-proxy", 0, OPTION_BOOL, AT(sig_proxy), NULL, "Proxy all received signals to the process (default true)", 0, 0,
     NULL},
    {0},
};

static void attach_defaults(void *flags)
{
    ((struct attach_flags *)flags)->sig_proxy = true;
}

static int run_attach(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct attach_flags *flags = data;
    CLEANUP_STRV struct strv words = STRV_INIT;
    if (flags->detach_keys)
        strv_addf(&words, "--detach-keys=%s", flags->detach_keys);
    if (flags->no_stdin)
        strv_add(&words, "--no-stdin");
    strv_add(&words, flags->sig_proxy ? "--sig-proxy=true" : "--sig-proxy=false");
    int r = add_target(cli, arguments->items[0], flags->index, &words, err);
    if (r == 0 && compose_options(cli)->dry_run)
        r = error_set(err, ERROR_NOT_IMPLEMENTED, 0, "interactive run is not supported in dry-run mode");
    return r < 0 ? r : command_call(cli, "attach", &words, err);
}

const struct command command_compose_exec = {
    .name = "compose exec",
    .usage = "[OPTIONS] SERVICE COMMAND [ARGS...]",
    .summary = "Execute a command in a running container",
    .options = exec_options,
    .flags_size = sizeof(struct exec_flags),
    .min_arguments = 2,
    .max_arguments = -1,
    .stop_at_argument = true,
    .run = run_exec,
    .defaults = exec_defaults,
};

const struct command command_compose_attach = {
    .name = "compose attach",
    .usage = "[OPTIONS] SERVICE",
    .summary = "Attach local standard input, output, and error streams to a service's running container",
    .options = attach_options,
    .flags_size = sizeof(struct attach_flags),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_attach,
    .defaults = attach_defaults,
};
