#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "cmd/dory/compose/project.h"

#define AT(member) offsetof(struct compose_options, member)
const struct option compose_global_options[] = {
    {"all-resources", 0, OPTION_BOOL, AT(all_resources), NULL, "Include all resources, even those not used by services",
     0, 0, NULL},
    {"ansi", 0, OPTION_STRING, AT(ansi), "string",
     "Control when to print ANSI control characters (\"never\"|\"always\"|\"auto\") (default \"auto\")", 0, 0, NULL},
    {"compatibility", 0, OPTION_BOOL, AT(compatibility), NULL, "Run compose in backward compatibility mode", 0, 0,
     NULL},
    {"dry-run", 0, OPTION_BOOL, AT(dry_run), NULL, "Execute command in dry run mode", OPTION_INHERITED, 0, NULL},
    {"env-file", 0, OPTION_LIST, AT(env_files), "stringArray", "Specify an alternate environment file", 0, 0, NULL},
    {"file", 'f', OPTION_LIST, AT(files), "stringArray", "Compose configuration files", 0, 0, NULL},
    {"parallel", 0, OPTION_INT, AT(parallel), "int", "Control max parallelism, -1 for unlimited (default -1)", 0,
     AT(parallel_given), NULL},
    {"profile", 0, OPTION_LIST, AT(profiles), "stringArray", "Specify a profile to enable", 0, 0, NULL},
    {"progress", 0, OPTION_STRING, AT(progress), "string",
     "Set type of progress output (auto, tty, plain, json, quiet)", 0, 0, NULL},
    {"project-directory", 0, OPTION_STRING, AT(project_directory), "string",
     "Specify an alternate working directory\n(default: the path of the, first specified, Compose file)", 0, 0, NULL},
    {"project-name", 'p', OPTION_STRING, AT(project_name), "string", "Project name", 0, 0, NULL},
    {0},
};

void compose_options_defaults(void *flags)
{
    struct compose_options *options = flags;
    options->parallel = -1;
}

static int choose(char **value, const char *variable, const char *fallback, const char *flag, const char *const words[],
                  struct error *err)
{
    const char *env = getenv(variable);
    if (!*value)
        *value = xstrdup(env && *env ? env : fallback);
    for (size_t i = 0; words[i]; i++) {
        if (strcmp(words[i], *value) == 0)
            return 0;
    }
    return error_set(err, ERROR_INVALID, 0, "unsupported --%s value \"%s\"", flag, *value);
}

int compose_options_prepare(void *flags, struct error *err)
{
    static const char *const ansi[] = {"never", "always", "auto", NULL};
    static const char *const progress[] = {"auto", "tty", "plain", "json", "quiet", NULL};
    struct compose_options *options = flags;
    const char *stdout_variable = getenv("COMPOSE_STATUS_STDOUT");
    bool yes = false;
    options->status_to_output = stdout_variable && parse_bool(stdout_variable, &yes) == 0 && yes;
    compose_environment_prepare(options);
    const char *limit = getenv("COMPOSE_PARALLEL_LIMIT");
    int r = choose(&options->ansi, "COMPOSE_ANSI", "auto", "ansi", ansi, err);
    if (r == 0)
        r = choose(&options->progress, "COMPOSE_PROGRESS", "auto", "progress", progress, err);
    if (r == 0 && !options->parallel_given && limit && *limit &&
        parse_int64(limit, INT64_MIN, INT64_MAX, &options->parallel) < 0)
        r = error_set(err, ERROR_INVALID, 0, "COMPOSE_PARALLEL_LIMIT must be an integer (found: \"%s\")", limit);
    return r;
}
