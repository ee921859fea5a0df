#include "cmd/dory/completion.h"

#include <stdio.h>
#include <string.h>

#include "api/client.h"
#include "cmd/dory/command_names.h"
#include "cmd/dory/plugins.h"

#define DIRECTIVE_FILES 0
#define DIRECTIVE_NO_FILES 4

/* Words of a usage that are names of something. The longer ones first: "SOURCE_IMAGE" is an image too. */
static const struct {
    const char *word;
    enum complete what;
} usage_words[] = {
    {"SERVICE:", COMPLETE_FILES},       {"SERVICE", COMPLETE_SERVICES},    {"CONTAINER:", COMPLETE_FILES},
    {"CONTAINER", COMPLETE_CONTAINERS}, {"TARGET_IMAGE", COMPLETE_IMAGES}, {"IMAGE", COMPLETE_IMAGES},
    {"REPOSITORY", COMPLETE_IMAGES},    {"VOLUME", COMPLETE_VOLUMES},      {"NETWORK", COMPLETE_NETWORKS},
    {"CONTEXT", COMPLETE_CONTEXTS},     {"NAME|ID", COMPLETE_OBJECTS},     {"PATH", COMPLETE_FILES},
    {"FILE", COMPLETE_FILES},           {"file", COMPLETE_FILES},
};

/* Commands that only a running container can be given to. */
static const char *const running_only[] = {"attach", "exec", "kill", "pause", "stop", "top", "port", "stats"};

/* "container inspect NAME", "volume rm": the group says what a bare NAME is. */
static enum complete of_group(const char *name)
{
    static const struct {
        const char *group;
        enum complete what;
    } groups[] = {{"container ", COMPLETE_CONTAINERS},
                  {"image ", COMPLETE_IMAGES},
                  {"volume ", COMPLETE_VOLUMES},
                  {"network ", COMPLETE_NETWORKS},
                  {"context ", COMPLETE_CONTEXTS}};
    for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
        if (strncmp(name, groups[i].group, strlen(groups[i].group)) == 0)
            return groups[i].what;
    }
    return COMPLETE_NOTHING;
}

static enum complete of_word(const struct command *command, const char *word)
{
    if (strncmp(word, "NAME", 4) == 0 || strncmp(word, "[NAME", 5) == 0) {
        enum complete what = of_group(command->name);
        if (what != COMPLETE_NOTHING)
            return what;
    }
    for (size_t i = 0; i < ARRAY_SIZE(usage_words); i++) {
        if (!strstr(word, usage_words[i].word))
            continue;
        for (size_t n = 0; usage_words[i].what == COMPLETE_CONTAINERS && n < ARRAY_SIZE(running_only); n++) {
            if (strcmp(command->name, running_only[n]) == 0)
                return COMPLETE_RUNNING;
        }
        return usage_words[i].what;
    }
    return COMPLETE_NOTHING;
}

/* Part of a command line of the user's own. */
static bool is_command_word(const char *word)
{
    word += *word == '[';
    return strncmp(word, "COMMAND", 7) == 0 || strncmp(word, "ARG", 3) == 0;
}

enum complete completion_of_argument(const struct command *command, size_t index)
{
    CLEANUP_STRV struct strv words = STRV_INIT;
    CLEANUP_FREE char *first = xstrndup(command->usage, strcspn(command->usage, "\n"));
    enum complete what = COMPLETE_NOTHING;
    size_t n = 0;
    strv_split(&words, first, ' ');
    for (size_t i = 0; i < words.count; i++) {
        const char *word = words.items[i];
        if (strcmp(word, "[OPTIONS]") == 0)
            continue;
        what = of_word(command, word);
        /* "[COMMAND] [ARG...]" may be files; the last word of "X [X...]" repeats. */
        if (n++ == index || (strstr(word, "...") && i + 1 == words.count))
            return is_command_word(word) ? COMPLETE_FILES : what;
    }
    return COMPLETE_NOTHING;
}

/* Flags by name, in any command. */
static const struct {
    const char *name;
    enum complete what;
    const char *words;
} option_values[] = {
    {"ansi", COMPLETE_WORDS, "never always auto"},
    {"cgroupns", COMPLETE_WORDS, "host private"},
    {"cidfile", COMPLETE_FILES, NULL},
    {"config", COMPLETE_FILES, NULL},
    {"context", COMPLETE_CONTEXTS, NULL},
    {"detach-keys", COMPLETE_NOTHING, NULL},
    {"env-file", COMPLETE_FILES, NULL},
    {"file", COMPLETE_FILES, NULL},
    {"format", COMPLETE_WORDS, "table json"},
    {"from", COMPLETE_CONTEXTS, NULL},
    {"iidfile", COMPLETE_FILES, NULL},
    {"input", COMPLETE_FILES, NULL},
    {"ipc", COMPLETE_WORDS, "none private shareable host"},
    {"isolation", COMPLETE_WORDS, "default"},
    {"label-file", COMPLETE_FILES, NULL},
    {"link", COMPLETE_CONTAINERS, NULL},
    {"log-driver", COMPLETE_WORDS, "json-file local none syslog journald gelf fluentd"},
    {"log-level", COMPLETE_WORDS, "debug info warn error fatal"},
    {"net", COMPLETE_NETWORKS, NULL},
    {"network", COMPLETE_NETWORKS, NULL},
    {"output", COMPLETE_FILES, NULL},
    {"pid", COMPLETE_WORDS, "host"},
    {"progress", COMPLETE_WORDS, "auto tty plain json quiet"},
    {"project-directory", COMPLETE_FILES, NULL},
    {"pull", COMPLETE_WORDS, "always missing never"},
    {"restart", COMPLETE_WORDS, "no always on-failure unless-stopped"},
    {"signal", COMPLETE_WORDS, "SIGTERM SIGKILL SIGHUP SIGINT SIGUSR1 SIGUSR2 SIGQUIT SIGSTOP SIGCONT"},
    {"stop-signal", COMPLETE_WORDS, "SIGTERM SIGKILL SIGHUP SIGINT SIGUSR1 SIGUSR2 SIGQUIT"},
    {"tlscacert", COMPLETE_FILES, NULL},
    {"tlscert", COMPLETE_FILES, NULL},
    {"tlskey", COMPLETE_FILES, NULL},
    {"type", COMPLETE_WORDS, "container image network volume"},
    {"userns", COMPLETE_WORDS, "host"},
    {"uts", COMPLETE_WORDS, "host"},
    {"volume", COMPLETE_VOLUMES, NULL},
    {"volumes-from", COMPLETE_CONTAINERS, NULL},
};

enum complete completion_of_option(const struct option *option, const char **ret_words)
{
    *ret_words = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(option_values); i++) {
        if (strcmp(option_values[i].name, option->name) == 0) {
            *ret_words = option_values[i].words;
            return option_values[i].what;
        }
    }
    return COMPLETE_NOTHING;
}

static bool begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static void print_words(const char *words, const char *prefix)
{
    CLEANUP_STRV struct strv list = STRV_INIT;
    strv_split(&list, words, ' ');
    for (size_t i = 0; i < list.count; i++) {
        if (begins(list.items[i], prefix))
            printf("%s\n", list.items[i]);
    }
}

/* Commands of a group, or (NULL) everything that may stand first. */
static void print_commands(const struct command_group *group, const char *prefix)
{
    for (size_t i = 0; i < command_count; i++) {
        CLEANUP_STRBUF struct strbuf name = STRBUF_INIT;
        if (commands[i]->hidden || !command_name_in(commands[i], group, &name))
            continue;
        const char *word = strbuf_str(&name) + (group ? strlen(group->name) + 1 : 0);
        if (begins(word, prefix))
            printf("%s\t%s\n", word, commands[i]->summary);
    }
    for (size_t i = 0; !group && i < command_group_count; i++) {
        if (begins(command_groups[i].name, prefix))
            printf("%s\t%s\n", command_groups[i].name, command_groups[i].summary);
    }
    if (!group && begins("help", prefix))
        printf("help\tHelp about any command\n");
}

static void print_plugins(const struct cli *cli, const char *prefix)
{
    struct plugin *plugins;
    size_t count;
    plugins_list(cli, &plugins, &count);
    for (size_t i = 0; i < count; i++)
        if (!plugins[i].problem && !plugins[i].hidden && begins(plugins[i].name, prefix))
            printf("%s\t%s\n", plugins[i].name, plugins[i].summary ? plugins[i].summary : "");
    plugins_free(plugins, count);
}

static void print_option(const struct option *o, const char *prefix)
{
    CLEANUP_FREE char *name = xasprintf("--%s", o->name);
    if (!(o->flags & (OPTION_HIDDEN | OPTION_REFUSED)) && begins(name, prefix))
        printf("%s\t%.*s\n", name, (int)strcspn(o->help, "\n"), o->help);
}

/* With those of `inherited` that may stand behind a command. */
static void print_options(const struct option *options, const struct option *inherited, const char *prefix)
{
    for (const struct option *o = options; o && o->name; o++)
        print_option(o, prefix);
    for (const struct option *o = options_inherited(inherited); o; o = options_inherited(o + 1))
        print_option(o, prefix);
    if (begins("--help", prefix))
        printf("--help\tPrint usage\n");
}

static int print_values(struct cli *cli, enum complete what, const char *words, const char *prefix)
{
    if (what == COMPLETE_FILES)
        return DIRECTIVE_FILES;
    if (what == COMPLETE_WORDS)
        print_words(words, prefix);
    else
        completion_objects(cli, what, prefix);
    return what == COMPLETE_VOLUMES && strchr(prefix, '/') ? DIRECTIVE_FILES : DIRECTIVE_NO_FILES;
}

/* The words behind a command's name. */
static int complete_arguments(struct cli *cli, const struct command_match *match, char *const *words, size_t count,
                              const char *current)
{
    const struct command *command = match->command;
    const struct option *waiting = NULL;
    const char *list;
    size_t arguments = 0;
    for (size_t i = 0; i < count;) {
        i += options_skip(command->options, words + i, count - i, &waiting);
        if (i < count) {
            arguments++;
            i++;
        }
        if (arguments > 0 && command->stop_at_argument) {
            arguments += count - i;
            waiting = NULL;
            break;
        }
    }
    if (waiting) {
        enum complete what = completion_of_option(waiting, &list);
        return print_values(cli, what, list, current);
    }
    if (current[0] == '-' && !(command->stop_at_argument && arguments > 0)) {
        print_options(command->options, match->group ? match->group->options : NULL, current);
        return DIRECTIVE_NO_FILES;
    }
    if (command->max_arguments >= 0 && arguments >= (size_t)command->max_arguments)
        return DIRECTIVE_NO_FILES;
    return print_values(cli, completion_of_argument(command, arguments), NULL, current);
}

static int complete_first(struct cli *cli, const struct option *waiting, const char *current)
{
    if (waiting) {
        const char *list;
        enum complete what = completion_of_option(waiting, &list);
        return print_values(cli, what, list, current);
    }
    if (current[0] == '-') {
        print_options(global_options, NULL, current);
    } else {
        print_commands(NULL, current);
        print_plugins(cli, current);
    }
    return DIRECTIVE_NO_FILES;
}

/* Behind a group's word and flags: a command of it, a flag of its own, or the value of one. */
static int complete_in_group(struct cli *cli, const struct command_group *group, char *const *words, size_t count,
                             const char *current)
{
    const struct option *waiting = NULL;
    options_skip(group->options, words + 1, count - 1, &waiting);
    if (waiting) {
        const char *list;
        enum complete what = completion_of_option(waiting, &list);
        return print_values(cli, what, list, current);
    }
    if (current[0] == '-' && group->options)
        print_options(group->options, NULL, current);
    else
        print_commands(group, current);
    return DIRECTIVE_NO_FILES;
}

/* The daemon that the line so far names. Without one, lists of objects are empty. */
static void connect_daemon(struct cli *cli, const struct endpoint_choice *choice, struct endpoint *endpoint)
{
    struct error err = {0};
    if (endpoint_resolve(cli, choice, endpoint, &err) == 0)
        client_new(cli->host, cli->tls, &cli->client, &err);
}

/* The flags between a group's word and its command, as far as they can be read. */
static void read_group_flags(struct cli *cli, const struct command_match *match, char *const *words)
{
    const struct command_group *group = match->group;
    CLEANUP_STRV struct strv rest = STRV_INIT;
    struct option_parse parse = {.options = group->options, .stop_at_argument = true};
    bool help = false;
    int count = match->words - 1 - (match->command != NULL);
    cli->group_flags = xcalloc(1, group->flags_size);
    if (group->defaults)
        group->defaults(cli->group_flags);
    options_parse(&parse, count, (char **)words + 1, cli->group_flags, &rest, &help, NULL);
    if (group->prepare)
        group->prepare(cli->group_flags, NULL);
}

int completion_answer(struct cli *cli, const struct endpoint_choice *choice, const struct strv *words)
{
    CLEANUP_ENDPOINT struct endpoint endpoint = {0};
    const struct option *waiting;
    struct command_match match;
    if (words->count < 2)
        return 1;
    char *const *before = words->items + 1;
    size_t count = words->count - 2;
    const char *current = words->items[words->count - 1];
    int directive = DIRECTIVE_NO_FILES;
    size_t skipped = options_skip(global_options, before, count, &waiting);
    before += skipped;
    count -= skipped;
    if (count > 0 && strcmp(before[0], "help") == 0) {
        before++;
        count--;
    }
    command_find(before, count, &match);
    if (count > 0 && !match.command && !match.group)
        plugin_become(cli, choice, before[0], -1, NULL); /* it answers; without one there is nothing to offer */
    if (match.group && match.group->options)
        read_group_flags(cli, &match, before);
    connect_daemon(cli, choice, &endpoint);
    if (count == 0)
        directive = complete_first(cli, waiting, current);
    else if (match.command)
        directive = complete_arguments(cli, &match, before + match.words, count - (size_t)match.words, current);
    else if (match.group && count == (size_t)match.words)
        directive = complete_in_group(cli, match.group, before, count, current);
    if (cli->group_flags)
        options_release(match.group->options, cli->group_flags);
    free(cli->group_flags);
    cli->group_flags = NULL;
    client_free(cli->client);
    cli->client = NULL;
    printf(":%d\n", directive);
    return 0;
}
