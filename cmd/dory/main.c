/* dory: finds the command in the table, reads its flags, runs it, reports its failure once. */
#include <libgen.h>
#include <signal.h>
#include <sys/ioctl.h>

#include "api/client.h"
#include "base/error.h"
#include "cmd/dory/command.h"
#include "cmd/dory/tls_options.h"

struct global_flags {
    struct strv hosts;
    char *config, *context, *log_level;
    bool debug, version;
    struct tls_flags tls;
};

#define AT(member) offsetof(struct global_flags, member)
static const struct option global_options[] = {
    {"config", 0, OPTION_STRING, AT(config), "string", "Location of client config files (default \"~/.docker\")", 0, 0,
     NULL},
    {"context", 'c', OPTION_STRING, 0, "string", "Name of the context to use", OPTION_REFUSED, 0, NULL},
    {"debug", 'D', OPTION_BOOL, AT(debug), NULL, "Enable debug mode", 0, 0, NULL},
    {"host", 'H', OPTION_LIST, AT(hosts), "list", "Daemon socket to connect to", 0, 0, NULL},
    {"log-level", 'l', OPTION_STRING, AT(log_level), "string",
     "Set the logging level (\"debug\", \"info\", \"warn\", \"error\", \"fatal\") (default \"info\")", 0, 0, NULL},
    {"tls", 0, OPTION_BOOL, AT(tls.tls), NULL, "Use TLS; implied by --tlsverify", 0, AT(tls.tls_given), NULL},
    {"tlscacert", 0, OPTION_STRING, AT(tls.ca), "string",
     "Trust certs signed only by this CA (default \"~/.docker/ca.pem\")", 0, 0, NULL},
    {"tlscert", 0, OPTION_STRING, AT(tls.cert), "string",
     "Path to TLS certificate file (default \"~/.docker/cert.pem\")", 0, 0, NULL},
    {"tlskey", 0, OPTION_STRING, AT(tls.key), "string", "Path to TLS key file (default \"~/.docker/key.pem\")", 0, 0,
     NULL},
    {"tlsverify", 0, OPTION_BOOL, AT(tls.verify), NULL, "Use TLS and verify the remote", 0, AT(tls.verify_given), NULL},
    {"version", 'v', OPTION_BOOL, AT(version), NULL, "Print version information and quit", 0, 0, NULL},
    {0},
};

struct client *cli_client(struct cli *cli)
{
    return cli->client;
}

static int terminal_width(void)
{
    struct winsize size;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

static bool is_alias(const struct command *command, const char *name)
{
    const char *p = command->aliases;
    size_t size = strlen(name);
    while (p && *p) {
        size_t n = strcspn(p, ",");
        if (n == size && memcmp(p, name, n) == 0)
            return true;
        p += n + (p[n] == ',');
    }
    return false;
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < command_count; i++) {
        if (strcmp(commands[i]->name, name) == 0 || is_alias(commands[i], name))
            return commands[i];
    }
    return NULL;
}

/* "container ls" is looked up before "container". *ret_words tells how many arguments the name took. */
static const struct command *match_command(const struct strv *arguments, int *ret_words)
{
    const struct command *command = NULL;
    if (arguments->count >= 2) {
        CLEANUP_FREE char *two = xasprintf("%s %s", arguments->items[0], arguments->items[1]);
        command = find_command(two);
        *ret_words = 2;
    }
    if (!command) {
        command = find_command(arguments->items[0]);
        *ret_words = 1;
    }
    return command;
}

static bool is_group(const char *word)
{
    size_t size = strlen(word);
    for (size_t i = 0; i < command_count; i++) {
        const char *names[] = {commands[i]->name, commands[i]->aliases};
        for (int j = 0; j < 2; j++) {
            if (names[j] && strncmp(names[j], word, size) == 0 && names[j][size] == ' ')
                return true;
        }
    }
    return false;
}

static void print_commands(const char *group)
{
    size_t size = group ? strlen(group) : 0;
    for (size_t i = 0; i < command_count; i++) {
        const char *name = commands[i]->name;
        if (group && (strncmp(name, group, size) != 0 || name[size] != ' '))
            continue;
        if (!group && strchr(name, ' '))
            continue;
        printf("  %-12s%s\n", group ? name + size + 1 : name, commands[i]->summary);
    }
}

static int print_help(const char *program)
{
    printf("Usage:  %s [OPTIONS] COMMAND [ARG...]\n\nA container engine with docker's interface\n\nCommands:\n",
           program);
    print_commands(NULL);
    printf("\nGlobal Options:\n");
    options_print(global_options, terminal_width());
    printf("\nRun '%s COMMAND --help' for more information on a command.\n", program);
    return 0;
}

static int print_group_help(const char *program, const char *group)
{
    printf("Usage:  %s %s COMMAND\n\nCommands:\n", program, group);
    print_commands(group);
    printf("\nRun '%s %s COMMAND --help' for more information on a command.\n", program, group);
    return 0;
}

static int print_command_help(const char *program, const struct command *command)
{
    printf("Usage:  %s %s %s\n\n%s\n", program, command->name, command->usage, command->summary);
    if (command->aliases) {
        printf("\nAliases:\n  %s %s", program, command->name);
        for (const char *p = command->aliases; *p;) {
            size_t n = strcspn(p, ",");
            printf(", %s %.*s", program, (int)n, p);
            p += n + (p[n] == ',');
        }
        printf("\n");
    }
    if (command->options && command->options->name) {
        printf("\nOptions:\n");
        options_print(command->options, terminal_width());
    }
    return 0;
}

/* Docker's sentences about the number of arguments. */
static int check_arguments(const char *program, const struct command *command, size_t count)
{
    int min = command->min_arguments, max = command->max_arguments;
    if ((int)count >= min && (max < 0 || (int)count <= max))
        return 0;
    CLEANUP_FREE char *need = NULL;
    if (max == 0)
        need = xstrdup("accepts no arguments");
    else if (min == max)
        need = xasprintf("requires %d argument%s", min, min == 1 ? "" : "s");
    else if (max < 0 || (int)count < min)
        need = xasprintf("requires at least %d argument%s", min, min == 1 ? "" : "s");
    else
        need = xasprintf("requires at most %d argument%s", max, max == 1 ? "" : "s");
    fprintf(stderr, "%s: '%s %s' %s\n\nUsage:  %s %s %s\n\nRun '%s %s --help' for more information\n", program, program,
            command->name, need, program, command->name, command->usage, program, command->name);
    return 1;
}

static int usage_error(const char *program, const struct command *command, const struct error *err)
{
    fprintf(stderr, "%s\n\nUsage:  %s %s %s\n\nRun '%s %s --help' for more information\n", err->message, program,
            command->name, command->usage, program, command->name);
    return EXIT_CLI;
}

/* run and create prefix their failures with the program's name and point at their help, as docker's do. */
static int report_failure(const char *program, const struct command *command, const struct error *err)
{
    int status = command->failure_status ? command->failure_status : 1;
    if (status == EXIT_CLI)
        fprintf(stderr, "%s: %s\n\nRun '%s %s --help' for more information\n", program, err->message, program,
                command->name);
    else
        fprintf(stderr, "%s\n", err->message);
    return status;
}

static int run_command(struct cli *cli, const struct command *command, int argc, char **argv)
{
    struct error err = {0};
    CLEANUP_FREE void *flags = xcalloc(1, command->flags_size ? command->flags_size : 1);
    CLEANUP_STRV struct strv arguments = STRV_INIT;
    bool help = false;
    struct option_parse parse = {command->options, command->stop_at_argument};
    if (command->defaults)
        command->defaults(flags);
    int status;
    if (options_parse(&parse, argc, argv, flags, &arguments, &help, &err) < 0) {
        status = usage_error(cli->program, command, &err);
    } else if (help) {
        status = print_command_help(cli->program, command);
    } else if ((status = check_arguments(cli->program, command, arguments.count)) == 0) {
        status = client_new(cli->host, cli->tls, &cli->client, &err);
        if (status == 0)
            status = command->run(cli, flags, &arguments, &err);
        if (status < 0)
            status = report_failure(cli->program, command, &err);
    }
    options_release(command->options, flags);
    if (fflush(stdout) != 0 && status == 0)
        status = 1;
    return status;
}

static int dispatch(struct cli *cli, const struct strv *arguments)
{
    int words;
    const struct command *command = match_command(arguments, &words);
    if (command)
        return run_command(cli, command, (int)arguments->count - words, arguments->items + words);
    const char *word = arguments->items[0];
    if (strcmp(word, "help") == 0 && arguments->count == 1)
        return print_help(cli->program);
    if (strcmp(word, "help") == 0) {
        struct strv rest = {arguments->items + 1, arguments->count - 1, 0};
        command = match_command(&rest, &words);
        if (command)
            return print_command_help(cli->program, command);
        word = arguments->items[1];
    }
    if (is_group(word) && (arguments->count == 1 || strcmp(arguments->items[1], "--help") == 0))
        return print_group_help(cli->program, word);
    fprintf(stderr, "%s: unknown command: %s %s%s%s\n\nRun '%s --help' for more information\n", cli->program,
            cli->program, word, is_group(word) ? " " : "", is_group(word) ? arguments->items[1] : "", cli->program);
    return 1;
}

/* ~/.docker unless DOCKER_CONFIG or --config say otherwise: credentials are docker's own. */
static char *config_directory(const struct global_flags *flags)
{
    if (flags->config)
        return xstrdup(flags->config);
    const char *env = getenv("DOCKER_CONFIG");
    if (env && *env)
        return xstrdup(env);
    const char *home = getenv("HOME");
    return xasprintf("%s/.docker", home ? home : "");
}

int main(int argc, char **argv)
{
    struct global_flags flags = {0};
    struct error err = {0};
    CLEANUP_STRV struct strv arguments = STRV_INIT;
    bool help = false;
    struct option_parse parse = {global_options, true};
    const char *base = basename(argv[0]);
    struct cli cli = {.program = strcmp(base, "docker") == 0 ? "docker" : "dory"};

    signal(SIGPIPE, SIG_IGN);
    if (options_parse(&parse, argc - 1, argv + 1, &flags, &arguments, &help, &err) < 0) {
        fprintf(stderr, "%s\n\nUsage:  %s [OPTIONS] COMMAND [ARG...]\n\nRun '%s --help' for more information\n",
                err.message, cli.program, cli.program);
        return EXIT_CLI;
    }
    CLEANUP_FREE char *config = config_directory(&flags);
    cli.config = config;
    struct client_tls tls;
    tls_options_resolve(&flags.tls, config, &tls);
    cli.tls = &tls;
    cli.host = client_choose_host(flags.hosts.count ? flags.hosts.items[0] : NULL);
    int status;
    if (flags.version)
        status = printf("Dory version %s\n", DORY_VERSION) < 0;
    else if (help || arguments.count == 0)
        status = print_help(cli.program);
    else
        status = dispatch(&cli, &arguments);
    client_free(cli.client);
    tls_options_release(&tls);
    options_release(global_options, &flags);
    return status;
}
