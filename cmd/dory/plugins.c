#include "cmd/dory/plugins.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/process.h"
#include "cmd/dory/command_names.h"
#include "cmd/dory/config_file.h"
#include "cmd/dory/context_store.h"

#define PREFIX "docker-"
#define METADATA_MAX ((size_t)64 * 1024)
/* A plugin calls the program of this name for what is the CLI's own business ("system dial-stdio"). */
#define CALLER_VARIABLE "DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND"

static const char *const system_directories[] = {
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
};

void plugin_release(struct plugin *p)
{
    free(p->name);
    free(p->path);
    free(p->schema);
    free(p->vendor);
    free(p->version);
    free(p->summary);
    free(p->url);
    free(p->problem);
    *p = (struct plugin){0};
}

bool plugin_name_is_valid(const char *name)
{
    return *name >= 'a' && *name <= 'z' && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789") == strlen(name);
}

/* ---- metadata ---- */

/* Versions below 2 are said to stay compatible. */
static char *schema_problem(const char *version)
{
    if (!version || !*version)
        return xstrdup("plugin SchemaVersion version cannot be empty");
    size_t digits = strspn(version, "0123456789");
    if (digits == 0 || digits > 6 || version[digits] != '.')
        return xasprintf("plugin SchemaVersion \"%.100s\" has wrong format: must be <major>.<minor>.<patch>", version);
    if (strtol(version, NULL, 10) > 1)
        return xasprintf("plugin SchemaVersion \"%.100s\" is not supported: must be lower than 2.0.0", version);
    return NULL;
}

static char *member(const struct json *tree, const char *name)
{
    const char *text = json_get_string(tree, name);
    return text && *text ? xstrdup(text) : NULL;
}

void plugin_read_metadata(const char *text, struct plugin *p)
{
    CLEANUP_JSON struct json *tree = NULL;
    struct error err = {0};
    if (json_parse(text, strlen(text), &tree, &err) < 0) {
        p->problem = xasprintf("invalid metadata: %s", err.message);
        return;
    }
    if (tree->kind != JSON_OBJECT) {
        p->problem = xstrdup("invalid metadata: not an object");
        return;
    }
    p->schema = member(tree, "SchemaVersion");
    p->vendor = member(tree, "Vendor");
    p->version = member(tree, "Version");
    p->summary = member(tree, "ShortDescription");
    p->url = member(tree, "URL");
    p->hidden = json_get_bool(tree, "Hidden", false);
    p->problem = schema_problem(p->schema);
    if (!p->problem && !p->vendor)
        p->problem = xstrdup("plugin metadata does not define a vendor");
}

static void ask(struct plugin *p)
{
    char *argv[] = {p->path, (char *)"docker-cli-plugin-metadata", NULL};
    CLEANUP_FREE char *text = NULL;
    struct error err = {0};
    if (process_run(argv, NULL, METADATA_MAX, &text, &err) < 0)
        p->problem = xasprintf("failed to fetch metadata: %s", err.message);
    else
        plugin_read_metadata(text, p);
}

/* ---- where they are ---- */

static void directories(const struct cli *cli, struct strv *ret)
{
    CLEANUP_JSON struct json *config = config_file_load(cli);
    const struct json *extra = json_get(config, "cliPluginsExtraDirs");
    for (size_t i = 0; i < json_count(extra); i++) {
        const char *path = json_string(json_at(extra, i));
        if (path && *path)
            strv_add(ret, path);
    }
    strv_add_take(ret, xasprintf("%s/cli-plugins", cli->config));
    for (size_t i = 0; i < ARRAY_SIZE(system_directories); i++)
        strv_add(ret, system_directories[i]);
}

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

int plugin_find(const struct cli *cli, const char *name, struct plugin *ret)
{
    CLEANUP_STRV struct strv where = STRV_INIT;
    if (!plugin_name_is_valid(name))
        return -ENOENT;
    directories(cli, &where);
    for (size_t i = 0; i < where.count; i++) {
        CLEANUP_FREE char *path = xasprintf("%s/" PREFIX "%s", where.items[i], name);
        if (!is_file(path))
            continue;
        *ret = (struct plugin){.name = xstrdup(name), .path = TAKE_PTR(path)};
        ask(ret);
        return 0;
    }
    return -ENOENT;
}

static bool is_our_command(const char *name)
{
    struct command_match match;
    char *words[] = {(char *)name, NULL};
    command_find(words, 1, &match);
    return match.command || match.group || strcmp(name, "help") == 0;
}

static void collect(const char *directory, struct strv *names)
{
    DIR *dir = opendir(directory);
    if (!dir)
        return; /* as docker: most of them are not there */
    for (const struct dirent *entry; (entry = readdir(dir));) {
        const char *name = entry->d_name + strlen(PREFIX);
        if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0 || !plugin_name_is_valid(name) ||
            is_our_command(name) || strv_contains(names, name))
            continue;
        strv_add(names, name);
    }
    closedir(dir);
}

void plugins_list(const struct cli *cli, struct plugin **ret, size_t *ret_count)
{
    CLEANUP_STRV struct strv where = STRV_INIT, names = STRV_INIT;
    directories(cli, &where);
    for (size_t i = 0; i < where.count; i++)
        collect(where.items[i], &names);
    strv_sort(&names);
    *ret = xcalloc(names.count + 1, sizeof(**ret));
    *ret_count = 0;
    for (size_t i = 0; i < names.count; i++)
        if (plugin_find(cli, names.items[i], &(*ret)[*ret_count]) == 0)
            ++*ret_count;
}

void plugins_free(struct plugin *plugins, size_t count)
{
    for (size_t i = 0; i < count; i++)
        plugin_release(&plugins[i]);
    free(plugins);
}

/* ---- becoming one ---- */

/* A plugin decides as docker does: it knows neither DORY_HOST nor where dory looks when nobody says anything. */
static int pass_host(struct cli *cli, const struct endpoint_choice *choice, struct error *err)
{
    CLEANUP_ENDPOINT struct endpoint endpoint = {0};
    if (choice->host || choice->context)
        return 0; /* among the words */
    int r = endpoint_resolve(cli, choice, &endpoint, err);
    if (r == 0 && strcmp(endpoint.context, CONTEXT_DEFAULT) == 0)
        setenv("DOCKER_HOST", endpoint.host, 1);
    cli->host = cli->context = NULL;
    cli->tls = NULL;
    return r;
}

int plugin_become(struct cli *cli, const struct endpoint_choice *choice, const char *name, int inserted,
                  struct error *err)
{
    CLEANUP_PLUGIN struct plugin plugin = {0};
    CLEANUP_STRV struct strv words = STRV_INIT;
    int r = plugin_find(cli, name, &plugin);
    if (r < 0)
        return r;
    if (plugin.problem)
        return error_set(err, ERROR_SYSTEM, ENOEXEC, "%s: plugin %s: %s", cli->program, plugin.path, plugin.problem);
    r = pass_host(cli, choice, err);
    if (r < 0)
        return r;
    strv_add(&words, plugin.path);
    for (int i = 0; cli->arguments[i]; i++) {
        if (i == inserted)
            strv_add(&words, name);
        strv_add(&words, cli->arguments[i]);
    }
    char **argv = xcalloc(words.count + 1, sizeof(*argv));
    memcpy(argv, words.items, words.count * sizeof(*argv));
    setenv(CALLER_VARIABLE, cli->called, 1);
    fflush(stdout);
    signal(SIGPIPE, SIG_DFL);
    execv(plugin.path, argv);
    r = error_set(err, ERROR_SYSTEM, errno, "%s: plugin %s: %s", cli->program, plugin.path, strerror(errno));
    signal(SIGPIPE, SIG_IGN);
    free(argv);
    return r;
}
