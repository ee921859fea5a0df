/*
 * A project: what the Compose files, .env, the environment and the flags say, as one canonical model.
 *
 * The model is a JSON object of the shape that `docker compose config --format json` of Compose 2.40 prints: "name",
 * "services", "networks", "volumes", "secrets", "configs", x- extensions. Short forms are expanded, files merged,
 * variables interpolated, extends and include resolved, env_file is read into "environment" (an object; a variable
 * without a value that the environment does not set is null), relative paths are absolute, every service has "networks"
 * (the default one where none was named) unless it has network_mode, top-level networks, volumes, secrets and configs
 * have their "name" ("PROJECT_default"), and services of profiles that are not active are in `disabled`. "command" and
 * "entrypoint" are arrays or null; ports are {"mode","host_ip","target","published" (text),"protocol"}; volumes
 * {"type","source","target","read_only","bind":{},"volume":{},"tmpfs":{}}; depends_on {"SERVICE":
 * {"condition","required", "restart"}}, with what links, volumes_from and "service:" modes imply; sizes (mem_limit,
 * shm_size) are texts with the number of bytes; durations are texts as Go prints them ("1m30s").
 */
#ifndef DORY_CMD_DORY_COMPOSE_PROJECT_H
#define DORY_CMD_DORY_COMPOSE_PROJECT_H

#include "base/json.h"
#include "base/strv.h"
#include "cmd/dory/compose/compose.h"

struct compose_source; /* the tree that the model is rendered from */

struct compose_project {
    char *name;              /* [a-z0-9][a-z0-9_-]* */
    char *directory;         /* absolute: the working directory of the label com.docker.compose.project.working_dir */
    struct strv files;       /* the Compose files, absolute, in order of merging (label ...project.config_files) */
    struct strv environment; /* "NAME=value": what interpolation saw, .env included */
    struct strv included;    /* the same of included files, as far as their secrets and configs name them */
    struct strv profiles;    /* active ones */
    struct json *model;      /* the canonical model */
    struct json *disabled;   /* services (an object like the model's) that are not active, or were not selected */
    struct strv warnings;    /* sentences for standard error; compose_project_warn() prints them */
    bool compatibility;      /* names are joined with '_' as Compose 1 did, not with '-' */
    bool all_resources;      /* networks and the like that no active service uses stay in the model */
    struct compose_source *source;
};
#define CLEANUP_COMPOSE_PROJECT CLEANUP(compose_project_release)

/* What not to do while loading; zero-initialised is to do everything. */
struct compose_load {
    bool keep_variables;    /* --no-interpolate: the model has only short forms expanded and files merged */
    bool keep_paths;        /* --no-path-resolution */
    bool keep_names;        /* --no-normalize */
    bool keep_inconsistent; /* --no-consistency */
    bool keep_env_files;    /* env_file is not read */
    /* Only these services (naming one activates its profiles) and what they depend on; NULL or empty: all. */
    const struct strv *services;
    bool no_dependencies; /* ... without what they depend on */
};

/*
 * Loads everything (blocks on the files). Errors are ERROR_INVALID with "FILE:LINE:COLUMN: ..." where a file is at
 * fault, ERROR_NOT_FOUND "no configuration file provided: not found" when there is none, and "no such service: NAME".
 * `project` need not be initialised; on failure there is nothing to release, and warnings were printed.
 */
int compose_project_load(const struct compose_options *options, struct compose_project *project, struct error *err);
/* The same, for some services, or not everything. */
int compose_project_load_with(const struct compose_options *options, const struct compose_load *load,
                              struct compose_project *project, struct error *err);
/* Puts the COMPOSE_... variables of --env-file or .env into our own environment, as far as it does not have them: they
 * count before any file is looked for. COMPOSE_ENV_FILES and COMPOSE_PROGRESS come too late there, as in Compose. A
 * file that cannot be read is told when the project is loaded. */
void compose_environment_prepare(const struct compose_options *options);
void compose_project_release(struct compose_project *project);
/* Prints the warnings to standard error, as Compose does, and forgets them. */
void compose_project_warn(struct compose_project *project);

/*
 * The project's name for commands that work from labels: of -p or COMPOSE_PROJECT_NAME without looking at a file, else
 * of the project that the files make. The caller frees *ret_name.
 */
int compose_project_name(const struct compose_options *options, char **ret_name, struct error *err);

/* What stands between the parts of the names of containers and built images. */
static inline char compose_separator(const struct compose_project *project)
{
    return project->compatibility ? '_' : '-';
}

/* What a secret or config with "environment: NAME" has in it; NULL when the variable is not set. */
const char *compose_project_value(const struct compose_project *project, const char *name);
/* A service of the model; NULL when there is none, or it is disabled. */
const struct json *compose_service(const struct compose_project *project, const char *name);
/* Activates the profiles of services that are named on a command line, as naming one does. Unknown names:
 * ERROR_NOT_FOUND "no such service: NAME". The model is made anew. */
int compose_project_enable(struct compose_project *project, const struct strv *names, struct error *err);
/* Leaves only the named services, and what they depend on unless no_dependencies. The others go to `disabled`, and are
 * not depended on any more. Nothing is done without names. */
int compose_project_select(struct compose_project *project, const struct strv *names, bool no_dependencies,
                           struct error *err);

#endif
