#include "cmd/dory/dispatch.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "api/client.h"
#include "cmd/dory/completion.h"
#include "cmd/dory/help.h"
#include "cmd/dory/plugins.h"

struct client *cli_client(struct cli *cli)
{
    return cli->client;
}

/* "Usage: ..." and where to read more, behind an error about the command line. */
static void usage_hint(const char *program, const struct command_match *match)
{
    CLEANUP_STRBUF struct strbuf name = STRBUF_INIT;
    command_name_in(match->command, match->group, &name);
    fprintf(stderr, "\n\nUsage:  ");
    help_usage(stderr, program, match);
    fprintf(stderr, "\nRun '%s %s --help' for more information\n", program, strbuf_str(&name));
}

/* Docker's sentences about the number of arguments. The caller frees. */
static char *wanted_arguments(const struct command *command)
{
    int min = command->min_arguments, max = command->max_arguments;
    const char *plural = (max > min ? max : min) == 1 ? "" : "s";
    if (max == 0)
        return xstrdup("accepts no arguments");
    if (min == max)
        return xasprintf("requires %d argument%s", min, plural);
    if (max < 0)
        return xasprintf("requires at least %d argument%s", min, plural);
    if (min == 0)
        return xasprintf("requires at most %d argument%s", max, plural);
    return xasprintf("requires at least %d and at most %d arguments", min, max);
}

static int check_arguments(const char *program, const struct command_match *match, size_t count)
{
    const struct command *command = match->command;
    if ((int)count >= command->min_arguments && (command->max_arguments < 0 || (int)count <= command->max_arguments))
        return 0;
    CLEANUP_FREE char *wanted = wanted_arguments(command);
    CLEANUP_STRBUF struct strbuf name = STRBUF_INIT;
    command_name_in(command, match->group, &name);
    fprintf(stderr, "%s: '%s %s' %s", program, program, strbuf_str(&name), wanted);
    usage_hint(program, match);
    return 1;
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

void dispatch_end_unread(void)
{
    signal(SIGPIPE, SIG_DFL);
    raise(SIGPIPE);
}

static int run_found(struct cli *cli, const struct endpoint_choice *choice, const struct command_match *match,
                     void *flags, const struct strv *arguments)
{
    struct error err = {0};
    CLEANUP_ENDPOINT struct endpoint endpoint = {0};
    const struct command *command = match->command;
    int r = 0;
    cli->host_flag = choice->host;
    if (choice->host && choice->context) {
        fprintf(stderr, "conflicting options: cannot specify both --host and --context\n");
        return 1;
    }
    if (command->local) {
        endpoint.context = endpoint_context_name(cli, choice);
        cli->context = endpoint.context;
    } else {
        r = endpoint_resolve(cli, choice, &endpoint, &err);
        if (r == 0)
            r = client_new(cli->host, cli->tls, &cli->client, &err);
        if (r < 0) {
            fprintf(stderr, "%s\n", err.message);
            return 1;
        }
    }
    r = command->run(cli, flags, arguments, &err);
    if (r < 0 && strncmp(err.message, "invalid argument \"", 18) == 0) {
        /* A value that only the command itself could judge. */
        fprintf(stderr, "%s", err.message);
        usage_hint(cli->program, match);
        r = EXIT_CLI;
    } else if (r < 0 && !(err.kind == ERROR_CANCELLED && err.errnum == EPIPE)) {
        r = report_failure(cli->program, command, &err);
    }
    client_free(cli->client);
    cli->client = NULL;
    if (err.kind == ERROR_CANCELLED && err.errnum == EPIPE)
        dispatch_end_unread();
    return r;
}

/*
 * Reads the flags between a group's word and its command into cli->group_flags. Returns 0, or the exit status (> 0) of
 * a failure that was reported; *ret_help tells whether --help was among them.
 */
static int read_group_flags(struct cli *cli, const struct command_match *match, char **words, bool *ret_help)
{
    const struct command_group *group = match->group;
    struct error err = {0};
    CLEANUP_STRV struct strv rest = STRV_INIT;
    struct option_parse parse = {.options = group->options, .stop_at_argument = true};
    int count = match->words - 1 - (match->command != NULL);
    cli->group_flags = xcalloc(1, group->flags_size);
    if (group->defaults)
        group->defaults(cli->group_flags);
    int r = options_parse(&parse, count, words + 1, cli->group_flags, &rest, ret_help, &err);
    if (r == 0 && !*ret_help && group->prepare)
        r = group->prepare(cli->group_flags, &err);
    if (r == 0)
        return 0;
    fprintf(stderr, "%s\n\nRun '%s %s --help' for more information\n", err.message, cli->program, group->name);
    return group->usage_status ? group->usage_status : EXIT_CLI;
}

static int run_command(struct cli *cli, const struct endpoint_choice *choice, const struct command_match *match,
                       int argc, char **argv)
{
    struct error err = {0};
    const struct command *command = match->command;
    CLEANUP_FREE void *flags = xcalloc(1, command->flags_size ? command->flags_size : 1);
    CLEANUP_STRV struct strv arguments = STRV_INIT;
    bool help = false;
    struct option_parse parse = {.options = command->options,
                                 .stop_at_argument = command->stop_at_argument,
                                 .inherited = match->group ? match->group->options : NULL,
                                 .inherited_flags = cli->group_flags};
    if (command->defaults)
        command->defaults(flags);
    int status = 0;
    if (options_parse(&parse, argc, argv, flags, &arguments, &help, &err) < 0) {
        fprintf(stderr, "%s", err.message);
        usage_hint(cli->program, match);
        status = match->group && match->group->usage_status ? match->group->usage_status : EXIT_CLI;
    } else if (help) {
        help_command(stdout, cli->program, match);
    } else if ((status = check_arguments(cli->program, match, arguments.count)) == 0) {
        status = run_found(cli, choice, match, flags, &arguments);
    }
    options_release(command->options, flags);
    return status;
}

/* "dory container", "dory container --help", "dory container nonsense". */
static int run_group(const char *program, const struct command_match *match, const struct strv *words)
{
    const struct command_group *group = match->group;
    const char *word = words->count > (size_t)match->words ? words->items[match->words] : NULL;
    if (!word) {
        help_group(stderr, program, group);
        return 0;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        help_group(stdout, program, group);
        return 0;
    }
    if (word[0] == '-' && word[1] == '-')
        fprintf(stderr, "unknown flag: %s", word);
    else if (word[0] == '-')
        fprintf(stderr, "unknown shorthand flag: '%c' in %s", word[1], word);
    else
        fprintf(stderr, "%s: unknown command: %s %s %s", program, program, group->name, word);
    fprintf(stderr, "\n\nUsage:  %s %s\n\nRun '%s %s --help' for more information\n", program, group->name, program,
            group->name);
    return word[0] == '-' && !group->usage_status ? EXIT_CLI : 1;
}

/* What begins with a group's word: its flags, then the command. */
static int run_in_group(struct cli *cli, const struct endpoint_choice *choice, const struct command_match *match,
                        const struct strv *words)
{
    bool help = false;
    int status = match->group->options ? read_group_flags(cli, match, words->items, &help) : 0;
    if (status == 0 && help)
        help_group(stdout, cli->program, match->group);
    else if (status == 0 && match->command)
        status = run_command(cli, choice, match, (int)words->count - match->words, words->items + match->words);
    else if (status == 0)
        status = run_group(cli->program, match, words);
    if (cli->group_flags)
        options_release(match->group->options, cli->group_flags);
    free(cli->group_flags);
    cli->group_flags = NULL;
    return status;
}

/* The place of words[i] among all words of the command line: in front of them are the global flags. */
static int place_of(const struct cli *cli, const struct strv *words, int i)
{
    int count = 0;
    while (cli->arguments[count])
        count++;
    return count - (int)words->count + i;
}

/* A plugin's command; "bake" is one of buildx. Returns the exit status, or -ENOENT: there is no such plugin. */
static int run_plugin(struct cli *cli, const struct endpoint_choice *choice, const struct strv *words, int i)
{
    struct error err = {0};
    bool bake = strcmp(words->items[i], "bake") == 0;
    int r = plugin_become(cli, choice, bake ? "buildx" : words->items[i], bake ? place_of(cli, words, i) : -1, &err);
    if (r == -ENOENT && err.kind == ERROR_NONE && bake)
        r = error_set(&err, ERROR_SYSTEM, ENOENT, "%s: bake is a command of the plugin buildx, which is not installed",
                      cli->program);
    if (r == -ENOENT && err.kind == ERROR_NONE)
        return r;
    fprintf(stderr, "%s\n", err.message);
    return 1;
}

/* "dory help", "dory help container ls". */
static int run_help(struct cli *cli, const struct endpoint_choice *choice, const struct strv *words)
{
    const char *program = cli->program;
    struct command_match match;
    command_find(words->items + 1, words->count - 1, &match);
    if (words->count > 1 && !match.command && !match.group) {
        int r = run_plugin(cli, choice, words, 1);
        if (r != -ENOENT)
            return r;
    }
    if (words->count == 1) {
        help_program(stdout, cli);
    } else if (match.command) {
        help_command(stdout, program, &match);
    } else if (match.group && words->count == 2) {
        help_group(stdout, program, match.group);
    } else {
        fprintf(stderr, "unknown help topic:");
        for (size_t i = 1; i < words->count; i++)
            fprintf(stderr, " %s", words->items[i]);
        fprintf(stderr, "\n");
        return 1;
    }
    return 0;
}

int dispatch(struct cli *cli, const struct endpoint_choice *choice, const struct strv *words)
{
    struct command_match match;
    const char *word = words->items[0];
    command_find(words->items, words->count, &match);
    if (match.group)
        return run_in_group(cli, choice, &match, words);
    if (match.command)
        return run_command(cli, choice, &match, (int)words->count - match.words, words->items + match.words);
    if (strcmp(word, "help") == 0)
        return run_help(cli, choice, words);
    if (strcmp(word, "__complete") == 0)
        return completion_answer(cli, choice, words);
    int r = run_plugin(cli, choice, words, 0);
    if (r != -ENOENT)
        return r;
    fprintf(stderr, "%s: unknown command: %s %s\n\nRun '%s --help' for more information\n", cli->program, cli->program,
            word, cli->program);
    return 1;
}
