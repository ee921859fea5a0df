/* context show, use, rm; and what the other context commands share. */
#include "cmd/dory/context.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/client.h"
#include "base/json_edit.h"
#include "cmd/dory/config_file.h"
#include "cmd/dory/context_store.h"

int context_load(const struct cli *cli, const char *name, struct json **ret, struct error *err)
{
    if (strcmp(name, CONTEXT_DEFAULT) != 0)
        return context_read(cli, name, ret, err);
    struct json *context = json_new_object();
    json_set(context, "Name", json_new_string(CONTEXT_DEFAULT));
    json_set(context, "Metadata", json_new_object());
    struct json *docker = json_object_of(json_object_of(context, "Endpoints"), "docker");
    json_set(docker, "Host", json_new_string(cli->host_flag ? cli->host_flag : client_choose_host(NULL)));
    json_set(docker, "SkipTLSVerify", json_new_bool(false));
    *ret = context;
    return 0;
}

const char *context_host(const struct json *context)
{
    return json_get_string(json_get(json_get(context, "Endpoints"), "docker"), "Host");
}

int context_check_name(const struct cli *cli, const char *name, bool taken, struct error *err)
{
    if (!*name)
        return error_set(err, ERROR_INVALID, 0, "context name cannot be empty");
    if (strcmp(name, CONTEXT_DEFAULT) == 0)
        return error_set(err, ERROR_INVALID, 0, "\"default\" is a reserved context name");
    if (!context_name_valid(name))
        return error_set(err, ERROR_INVALID, 0,
                         "context name \"%s\" is invalid, names are validated against regexp "
                         "\"^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$\"",
                         name);
    if (taken && context_exists(cli, name))
        return error_set(err, ERROR_CONFLICT, 0, "context \"%s\" already exists", name);
    return 0;
}

void context_warn_of_environment(const char *name)
{
    const char *dory = getenv("DORY_HOST"), *docker = getenv("DOCKER_HOST");
    const char *variable = dory && *dory ? "DORY_HOST" : docker && *docker ? "DOCKER_HOST" : NULL;
    if (!variable)
        return;
    CLEANUP_FREE char *use = name ? xasprintf("\"%s\"", name) : xstrdup("a context");
    fprintf(stderr,
            "Warning: %s environment variable overrides the active context. To use %s, either set the global --context "
            "flag, or unset %s environment variable.\n",
            variable, use, variable);
}

static int run_show(struct cli *cli, void *flags, const struct strv *arguments, struct error *err)
{
    (void)flags, (void)arguments, (void)err;
    printf("%s\n", cli->context);
    return 0;
}

static int set_current(const struct cli *cli, const char *name, struct error *err)
{
    CLEANUP_JSON struct json *config = NULL;
    int r = config_file_read(cli, &config, err);
    if (r < 0)
        return r;
    if (strcmp(name, CONTEXT_DEFAULT) == 0) {
        if (!json_remove(config, "currentContext"))
            return 0;
    } else {
        json_set(config, "currentContext", json_new_string(name));
    }
    return config_file_write(cli, config, err);
}

static int run_use(struct cli *cli, void *flags, const struct strv *arguments, struct error *err)
{
    (void)flags;
    const char *name = arguments->items[0];
    CLEANUP_JSON struct json *context = NULL;
    int r = context_load(cli, name, &context, err);
    if (r == 0)
        r = set_current(cli, name, err);
    if (r < 0)
        return r;
    printf("%s\n", name);
    fflush(stdout);
    fprintf(stderr, "Current context is now \"%s\"\n", name);
    if (strcmp(name, CONTEXT_DEFAULT) != 0)
        context_warn_of_environment(name);
    return 0;
}

struct remove_flags {
    bool force;
};
static const struct option remove_options[] = {
    {"force", 'f', OPTION_BOOL, offsetof(struct remove_flags, force), NULL, "Force the removal of a context in use", 0,
     0, NULL},
    {0},
};

static int remove_one(const struct cli *cli, const char *name, bool force, struct error *err)
{
    CLEANUP_FREE char *current = config_file_string(cli, "currentContext");
    bool in_use = strcmp(name, cli->context) == 0 || (current && strcmp(name, current) == 0);
    if (strcmp(name, CONTEXT_DEFAULT) == 0)
        return error_set(err, ERROR_INVALID, 0, "context \"default\" cannot be removed");
    if (!context_exists(cli, name))
        return force ? 0 : error_set(err, ERROR_NOT_FOUND, 0, "context \"%s\" does not exist", name);
    if (in_use && !force)
        return error_set(err, ERROR_CONFLICT, 0, "context \"%s\" is in use, set -f flag to force remove", name);
    int r = current && strcmp(name, current) == 0 ? set_current(cli, CONTEXT_DEFAULT, err) : 0;
    return r == 0 ? context_remove(cli, name, err) : r;
}

static int run_remove(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct remove_flags *flags = data;
    CLEANUP_STRBUF struct strbuf errors = STRBUF_INIT;
    for (size_t i = 0; i < arguments->count; i++) {
        if (remove_one(cli, arguments->items[i], flags->force, err) < 0)
            strbuf_addf(&errors, "%s\n", err->message);
        else
            printf("%s\n", arguments->items[i]);
    }
    fflush(stdout);
    fputs(strbuf_str(&errors), stderr);
    return errors.size > 0 ? 1 : 0;
}

const struct command command_context_show = {
    .name = "context show",
    .usage = "",
    .summary = "Print the name of the current context",
    .local = true,
    .run = run_show,
};
const struct command command_context_use = {
    .name = "context use",
    .usage = "CONTEXT",
    .summary = "Set the current context",
    .min_arguments = 1,
    .max_arguments = 1,
    .local = true,
    .run = run_use,
};
const struct command command_context_rm = {
    .name = "context rm",
    .aliases = "context remove",
    .usage = "[OPTIONS] CONTEXT [CONTEXT...]",
    .summary = "Remove one or more contexts",
    .options = remove_options,
    .flags_size = sizeof(struct remove_flags),
    .min_arguments = 1,
    .max_arguments = -1,
    .local = true,
    .run = run_remove,
};
