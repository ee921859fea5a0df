/* Man pages from the tables: `dory __man DIRECTORY` writes one for the program, one for each group and each command
 * (dory-container-ls.1), and for every other name of a command a line that refers to it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "cmd/dory/command_names.h"

/* Text as roff takes it: backslashes, minus signs that are copied from, dots at the start of a line. */
static void put(FILE *out, const char *text)
{
    bool start = true;
    for (; *text; text++) {
        if (start && (*text == '.' || *text == '\''))
            fputs("\\&", out);
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else
            fputc(*text, out);
        start = *text == '\n';
        /* Lines of tables and lists stay lines. */
        if (start && text[1])
            fputs(".br\n", out);
    }
}

static char *page_name(const char *name)
{
    char *page = xasprintf("dory%s%s", *name ? "-" : "", name);
    for (char *p = page; *p; p++)
        *p = *p == ' ' ? '-' : *p;
    return page;
}

static FILE *open_page(const char *directory, const char *page, struct error *err)
{
    CLEANUP_FREE char *path = xasprintf("%s/%s.1", directory, page);
    FILE *out = fopen(path, "we");
    if (!out)
        error_errno(err, errno, "open %s", path);
    return out;
}

static int close_page(FILE *out, const char *page, struct error *err)
{
    bool failed = ferror(out) != 0;
    return fclose(out) != 0 || failed ? error_errno(err, errno, "write %s.1", page) : 0;
}

static void put_head(FILE *out, const char *page, const char *summary)
{
    CLEANUP_FREE char *title = xstrdup(page);
    for (char *p = title; *p; p++)
        *p = *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
    fprintf(out, ".TH \"%s\" \"1\" \"\" \"dory %s\" \"\"\n.SH NAME\n", title, DORY_VERSION);
    put(out, page);
    fputs(" \\- ", out);
    put(out, summary);
    fputs("\n.SH SYNOPSIS\n", out);
}

static void put_options(FILE *out, const struct option *options, const char *title)
{
    if (!options_visible(options))
        return;
    fprintf(out, ".SH %s\n", title);
    for (const struct option *o = options; o->name; o++) {
        if (o->flags & (OPTION_HIDDEN | OPTION_REFUSED))
            continue;
        fputs(".TP\n", out);
        if (o->letter)
            fprintf(out, "\\fB\\-%c\\fR, ", o->letter);
        fputs("\\fB\\-\\-", out);
        put(out, o->name);
        fputs("\\fR", out);
        if (o->value_name)
            fprintf(out, " \\fI%s\\fR", o->value_name);
        fputc('\n', out);
        put(out, *o->help ? o->help : "-");
        fputc('\n', out);
    }
}

static void put_see_also(FILE *out, const char *const pages[])
{
    fputs(".SH SEE ALSO\n", out);
    for (size_t i = 0; pages[i]; i++)
        fprintf(out, "%s\\fB%s\\fR(%s)", i ? ", " : "", pages[i], strcmp(pages[i], "doryd") == 0 ? "8" : "1");
    fputc('\n', out);
}

static void put_usage(FILE *out, const char *name, const char *usage)
{
    CLEANUP_STRV struct strv forms = STRV_INIT;
    strv_split(&forms, usage, '\n');
    for (size_t i = 0; i < forms.count; i++) {
        fprintf(out, "%s\\fBdory %s\\fR ", i ? ".br\n" : "", name);
        put(out, forms.items[i]);
        fputc('\n', out);
    }
}

static int write_command(const char *directory, const struct command *command, struct error *err)
{
    CLEANUP_FREE char *page = page_name(command->name);
    CLEANUP_STRV struct strv names = STRV_INIT;
    FILE *out = open_page(directory, page, err);
    if (!out)
        return -err->errnum;
    put_head(out, page, command->summary);
    put_usage(out, command->name, command->usage);
    fputs(".SH DESCRIPTION\n", out);
    put(out, command->description ? command->description : command->summary);
    fputc('\n', out);
    put_options(out, command->options, "OPTIONS");
    command_names(command, &names);
    if (names.count > 1)
        fputs(".SH ALIASES\n", out);
    for (size_t i = 0; names.count > 1 && i < names.count; i++)
        fprintf(out, "%s\\fBdory %s\\fR", i ? ", " : "", names.items[i]);
    fputs(names.count > 1 ? "\n" : "", out);
    put_see_also(out, (const char *const[]){"dory", "doryd", NULL});
    int r = close_page(out, page, err);
    /* The other names refer to it. */
    for (size_t i = 0; i < names.count && r == 0; i++) {
        CLEANUP_FREE char *alias = page_name(names.items[i]);
        if (strcmp(alias, page) == 0)
            continue;
        out = open_page(directory, alias, err);
        if (!out)
            return -err->errnum;
        fprintf(out, ".so man1/%s.1\n", page);
        r = close_page(out, alias, err);
    }
    return r;
}

static void put_command_list(FILE *out, const struct command_group *group)
{
    for (size_t i = 0; i < command_count; i++) {
        CLEANUP_STRBUF struct strbuf name = STRBUF_INIT;
        if (commands[i]->hidden || !command_name_in(commands[i], group, &name))
            continue;
        CLEANUP_FREE char *page = page_name(strbuf_str(&name));
        fputs(".TP\n\\fB", out);
        put(out, page);
        fputs("\\fR(1)\n", out);
        put(out, commands[i]->summary);
        fputc('\n', out);
    }
}

static int write_group(const char *directory, const struct command_group *group, struct error *err)
{
    CLEANUP_FREE char *page = page_name(group->name);
    FILE *out = open_page(directory, page, err);
    if (!out)
        return -err->errnum;
    put_head(out, page, group->summary);
    fprintf(out, "\\fBdory %s\\fR %sCOMMAND\n.SH COMMANDS\n", group->name, group->options ? "[OPTIONS] " : "");
    put_command_list(out, group);
    put_options(out, group->options, "OPTIONS");
    put_see_also(out, (const char *const[]){"dory", NULL});
    return close_page(out, page, err);
}

static int write_program(const char *directory, struct error *err)
{
    FILE *out = open_page(directory, "dory", err);
    if (!out)
        return -err->errnum;
    put_head(out, "dory", "a container engine with docker's interface");
    fputs("\\fBdory\\fR [OPTIONS] COMMAND [ARG...]\n.SH DESCRIPTION\n", out);
    put(out, "The command of the container engine dory: it speaks to doryd, or to another daemon with the Docker "
             "Engine API. "
             "Under the name docker it is the same program.");
    fputs("\n.SH COMMANDS\n", out);
    put_command_list(out, NULL);
    for (size_t i = 0; i < command_group_count; i++) {
        fprintf(out, ".TP\n\\fBdory\\-%s\\fR(1)\n", command_groups[i].name);
        put(out, command_groups[i].summary);
        fputc('\n', out);
    }
    put_options(out, global_options, "GLOBAL OPTIONS");
    static const struct {
        const char *name, *help;
    } variables[] = {
        {"DORY_HOST", "The daemon: unix://PATH, tcp://HOST:PORT or ssh://USER@HOST; before DOCKER_HOST."},
        {"DOCKER_HOST", "The same."},
        {"DOCKER_CONTEXT", "The context in use, when no host is given."},
        {"DOCKER_CONFIG", "The directory of config.json and of the contexts."},
        {"DOCKER_API_VERSION", "The version of the API to speak."},
        {"DOCKER_TLS_VERIFY", "Use TLS and verify the remote."},
        {"DOCKER_CERT_PATH", "The directory of ca.pem, cert.pem and key.pem."},
    };
    fputs(".SH ENVIRONMENT\n", out);
    for (size_t i = 0; i < ARRAY_SIZE(variables); i++) {
        fprintf(out, ".TP\n.B %s\n", variables[i].name);
        put(out, variables[i].help);
        fputc('\n', out);
    }
    fputs(".SH EXIT STATUS\n", out);
    put(out,
        "0, or 1 for a failure. Commands that run something in a container end with its status; 125 is a failure of "
        "dory itself or of its command line, 126 a command that cannot be executed, 127 one that was not found.");
    fputc('\n', out);
    put_see_also(out, (const char *const[]){"doryd", NULL});
    return close_page(out, "dory", err);
}

static int run_man(struct cli *cli, void *flags, const struct strv *arguments, struct error *err)
{
    (void)cli, (void)flags;
    const char *directory = arguments->items[0];
    int r = file_mkdirs(directory, 0755, err);
    if (r == 0)
        r = write_program(directory, err);
    for (size_t i = 0; i < command_group_count && r == 0; i++)
        r = write_group(directory, &command_groups[i], err);
    for (size_t i = 0; i < command_count && r == 0; i++)
        r = commands[i]->hidden ? 0 : write_command(directory, commands[i], err);
    return r;
}

const struct command command_man = {
    .name = "__man",
    .usage = "DIRECTORY",
    .summary = "Write the man pages",
    .hidden = true,
    .local = true,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_man,
};
