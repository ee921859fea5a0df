#include "cmd/dory/compose/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/path_match.h"
#include "cmd/dory/compose/yaml.h"

static const char *const default_names[] = {"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"};
static const char *const override_names[] = {"compose.override.yml", "compose.override.yaml",
                                             "docker-compose.override.yml", "docker-compose.override.yaml"};

char *compose_path_join(const char *directory, const char *path)
{
    CLEANUP_FREE char *whole = *path == '/' ? xstrdup(path) : xasprintf("%s/%s", directory, path);
    return path_clean(whole);
}

char *compose_path_parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash != path ? xstrndup(path, (size_t)(slash - path)) : xstrdup("/");
}

/* Adds those of the names that are in the directory: the first to files, and how many there were to *ret_count. */
static bool find_in(const char *directory, const char *const names[], size_t count, struct strv *files,
                    struct strv *warnings)
{
    CLEANUP_STRV struct strv found = STRV_INIT;
    for (size_t i = 0; i < count; i++) {
        CLEANUP_FREE char *path = compose_path_join(directory, names[i]);
        if (access(path, F_OK) == 0)
            strv_add(&found, path);
    }
    if (found.count > 1) {
        CLEANUP_FREE char *all = strv_join(&found, ", ");
        strv_addf(warnings, "Found multiple config files with supported names: %s", all);
        strv_addf(warnings, "Using %s", found.items[0]);
    }
    if (found.count > 0)
        strv_add(files, found.items[0]);
    return found.count > 0;
}

static int find_default(const char *start, struct strv *files, struct strv *warnings, struct error *err)
{
    CLEANUP_FREE char *directory = xstrdup(start);
    for (;;) {
        if (find_in(directory, default_names, ARRAY_SIZE(default_names), files, warnings)) {
            find_in(directory, override_names, ARRAY_SIZE(override_names), files, warnings);
            return 0;
        }
        if (strcmp(directory, "/") == 0)
            return error_set(err, ERROR_NOT_FOUND, 0, "no configuration file provided: not found");
        char *parent = compose_path_parent(directory);
        free(directory);
        directory = parent;
    }
}

int compose_files_find(const struct compose_options *options, const struct strv *environment, struct strv *ret_files,
                       struct strv *ret_warnings, struct error *err)
{
    CLEANUP_FREE char *here = getcwd(NULL, 0);
    CLEANUP_STRV struct strv named = STRV_INIT;
    if (!here)
        return error_errno(err, errno, "working directory");
    const char *variable = strv_env_get(environment, "COMPOSE_FILE");
    const char *separator = strv_env_get(environment, "COMPOSE_PATH_SEPARATOR");
    if (options->files.count > 0)
        strv_copy(&named, &options->files);
    else if (variable && *variable)
        strv_split(&named, variable, separator && *separator ? *separator : ':');
    for (size_t i = 0; i < named.count; i++) {
        if (strcmp(named.items[i], "-") == 0)
            strv_add(ret_files, "-");
        else if (*named.items[i])
            strv_add_take(ret_files, compose_path_join(here, named.items[i]));
    }
    if (ret_files->count > 0)
        return 0;
    CLEANUP_FREE char *start = options->project_directory ? compose_path_join(here, options->project_directory) : NULL;
    return find_default(start ? start : here, ret_files, ret_warnings, err);
}

static int read_input(char **ret_text, size_t *ret_size, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    for (;;) {
        ssize_t n = read(STDIN_FILENO, strbuf_reserve(&text, 65536), 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(err, errno, "read standard input");
        if (n == 0)
            break;
        text.size += (size_t)n;
        strbuf_terminate(&text);
        if (text.size > YAML_SIZE_MAX)
            return error_set(err, ERROR_INVALID, EFBIG, "standard input is larger than %u MiB", YAML_SIZE_MAX >> 20);
    }
    *ret_size = text.size;
    *ret_text = strbuf_take(&text);
    return 0;
}

int compose_file_read(const char *path, char **ret_text, size_t *ret_size, struct error *err)
{
    if (strcmp(path, "-") == 0)
        return read_input(ret_text, ret_size, err);
    struct error why = {0};
    int r = file_read(AT_FDCWD, path, YAML_SIZE_MAX, ret_text, ret_size, &why);
    if (r == -ENOENT)
        return error_set(err, ERROR_NOT_FOUND, ENOENT, "open %s: no such file or directory", path);
    return r < 0 ? error_propagate(err, &why) : 0;
}
