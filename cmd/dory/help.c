#include "cmd/dory/help.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "cmd/dory/plugins.h"

/* Names in a list of commands are padded to this many columns, or to the longest. */
#define NAME_WIDTH 11

int help_width(void)
{
    struct winsize size;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* One line of a list of commands. */
struct line {
    char *name;
    const char *summary;
};
struct lines {
    struct line *items;
    size_t count, capacity;
};

static void add_line(struct lines *lines, char *name, const char *summary)
{
    xgrow((void **)&lines->items, lines->count, &lines->capacity, sizeof(*lines->items));
    lines->items[lines->count++] = (struct line){name, summary};
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct line *)a)->name, ((const struct line *)b)->name);
}

static void print_lines(FILE *out, struct lines *lines, bool sorted)
{
    int width = NAME_WIDTH;
    if (sorted)
        qsort(lines->items, lines->count, sizeof(*lines->items), by_name);
    for (size_t i = 0; i < lines->count; i++) {
        int n = (int)strlen(lines->items[i].name);
        width = n > width ? n : width;
    }
    for (size_t i = 0; i < lines->count; i++) {
        fprintf(out, "  %-*s %s\n", width, lines->items[i].name, lines->items[i].summary);
        free(lines->items[i].name);
    }
    free(lines->items);
    *lines = (struct lines){0};
}

static void collect(struct lines *lines, const struct command_group *group, enum command_place place)
{
    for (size_t i = 0; i < command_count; i++) {
        const struct command *command = commands[i];
        CLEANUP_STRBUF struct strbuf name = STRBUF_INIT;
        if (command->hidden || !command_name_in(command, group, &name) || (!group && command->place != place))
            continue;
        add_line(lines, xstrdup(group ? name.data + strlen(group->name) + 1 : name.data), command->summary);
    }
}

/* Those that can be used; marked with an asterisk, as docker does. The summaries are the plugins'. */
static void add_plugins(struct lines *lines, const struct plugin *plugins, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!plugins[i].problem && !plugins[i].hidden)
            add_line(lines, xasprintf("%s*", plugins[i].name), plugins[i].summary ? plugins[i].summary : "");
}

static void print_broken_plugins(FILE *out, const struct plugin *plugins, size_t count)
{
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        if (!plugins[i].problem)
            continue;
        fprintf(out, "%s  %-*s %s\n", any ? "" : "\nInvalid Plugins:\n", NAME_WIDTH, plugins[i].name,
                plugins[i].problem);
        any = true;
    }
}

void help_program(FILE *out, const struct cli *cli)
{
    const char *program = cli->program;
    struct lines common = {0}, management = {0}, other = {0};
    struct plugin *plugins;
    size_t plugin_count;
    plugins_list(cli, &plugins, &plugin_count);
    bool docker = strcmp(program, "docker") == 0;
    collect(&common, NULL, PLACE_COMMON);
    collect(&other, NULL, PLACE_COMMANDS);
    for (size_t i = 0; i < command_group_count; i++)
        add_line(&management, xstrdup(command_groups[i].name), command_groups[i].summary);
    add_plugins(&management, plugins, plugin_count);
    fprintf(out, "Usage:  %s [OPTIONS] COMMAND\n\n%s\n\nCommon Commands:\n", program,
            docker ? "A self-sufficient runtime for containers" : "A container engine with docker's interface");
    print_lines(out, &common, false);
    fprintf(out, "\nManagement Commands:\n");
    print_lines(out, &management, true);
    fprintf(out, "\nCommands:\n");
    print_lines(out, &other, true);
    print_broken_plugins(out, plugins, plugin_count);
    plugins_free(plugins, plugin_count);
    fprintf(out, "\nGlobal Options:\n");
    options_print(out, global_options, NULL, help_width());
    fprintf(out, "\nRun '%s COMMAND --help' for more information on a command.\n", program);
}

void help_group(FILE *out, const char *program, const struct command_group *group)
{
    struct lines lines = {0};
    collect(&lines, group, PLACE_COMMANDS);
    fprintf(out, "Usage:  %s %s%s COMMAND\n\n%s\n", program, group->name, group->options ? " [OPTIONS]" : "",
            group->summary);
    if (group->options) {
        fprintf(out, "\nOptions:\n");
        options_print(out, group->options, NULL, help_width());
    }
    fprintf(out, "\nCommands:\n");
    print_lines(out, &lines, true);
    fprintf(out, "\nRun '%s %s COMMAND --help' for more information on a command.\n", program, group->name);
}

void help_usage(FILE *out, const char *program, const struct command_match *match)
{
    CLEANUP_STRBUF struct strbuf name = STRBUF_INIT;
    CLEANUP_STRV struct strv forms = STRV_INIT;
    command_name_in(match->command, match->group, &name);
    strv_split(&forms, match->command->usage, '\n');
    for (size_t i = 0; i < forms.count; i++)
        fprintf(out, "%s%s %s%s%s\n", i ? "\t" : "", program, strbuf_str(&name), *forms.items[i] ? " " : "",
                forms.items[i]);
}

void help_command(FILE *out, const char *program, const struct command_match *match)
{
    const struct command *command = match->command;
    CLEANUP_STRV struct strv names = STRV_INIT;
    fprintf(out, "Usage:  ");
    help_usage(out, program, match);
    fprintf(out, "\n%s\n", command->description ? command->description : command->summary);
    command_names(command, &names);
    if (names.count > 1) {
        fprintf(out, "\nAliases:\n  ");
        for (size_t i = 0; i < names.count; i++)
            fprintf(out, "%s%s %s", i ? ", " : "", program, names.items[i]);
        fprintf(out, "\n");
    }
    const struct option *inherited = match->group ? match->group->options : NULL;
    if (options_visible(command->options) || options_inherited(inherited)) {
        fprintf(out, "\nOptions:\n");
        options_print(out, command->options, inherited, help_width());
    }
}
