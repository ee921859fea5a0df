#include "cmd/dory/compose/environment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/parse.h"
#include "cmd/dory/compose/files.h"

int environment_add_files(struct strv *environment, const struct strv *named, const char *directory,
                          struct strv *warnings, struct error *err)
{
    CLEANUP_STRV struct strv files = STRV_INIT, found = STRV_INIT;
    const char *off = getenv("COMPOSE_DISABLE_ENV_FILE");
    struct interpolation outside = {interpolate_from_list, environment, warnings};
    struct stat st;
    bool disabled = false;
    for (size_t i = 0; i < named->count; i++) {
        CLEANUP_FREE char *here = getcwd(NULL, 0);
        strv_add_take(&files, compose_path_join(here ? here : "/", named->items[i]));
    }
    if (off && *off && parse_bool(off, &disabled) < 0)
        return error_set(err, ERROR_INVALID, 0, "COMPOSE_DISABLE_ENV_FILE: invalid boolean: %s", off);
    CLEANUP_FREE char *beside = compose_path_join(directory, ".env");
    if (named->count == 0 && !disabled && stat(beside, &st) == 0 && !S_ISDIR(st.st_mode))
        strv_add(&files, beside);
    for (size_t i = 0; i < files.count; i++) {
        int r = dotenv_load(files.items[i], DOTENV_DEFAULT, &outside, &found, err);
        if (r == -ENOENT)
            return error_set(err, ERROR_NOT_FOUND, 0, "couldn't find env file: %s", files.items[i]);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < found.count; i++) {
        CLEANUP_FREE char *name = xstrndup(found.items[i], strcspn(found.items[i], "="));
        if (!strv_env_get(environment, name))
            strv_add(environment, found.items[i]);
    }
    return 0;
}

struct lookup {
    const struct strv *outer;
    const struct yaml *own; /* the service's environment; NULL: none */
};

static const char *look_up(void *data, const char *name, size_t size)
{
    const struct lookup *lookup = data;
    const char *value = interpolate_from_list((void *)lookup->outer, name, size);
    CLEANUP_FREE char *copy = xstrndup(name, size);
    return value ? value : yaml_get_text(lookup->own, copy);
}

/* Adds the variables that the mapping does not have. */
static void add_missing(struct yaml_pool *pool, struct yaml *mapping, const struct strv *found)
{
    for (size_t i = 0; i < found->count; i++) {
        size_t size = strcspn(found->items[i], "=");
        CLEANUP_FREE char *name = xstrndup(found->items[i], size);
        if (!yaml_pair_of(mapping, name))
            yaml_set(pool, mapping, name, yaml_new_string(pool, found->items[i] + size + 1, mapping));
    }
}

static struct yaml *mapping_of(struct yaml_pool *pool, struct yaml *service, const char *key)
{
    struct yaml *mapping = yaml_get(service, key);
    if (!yaml_is(mapping, YAML_MAPPING)) {
        mapping = yaml_new(pool, YAML_MAPPING, service);
        yaml_set(pool, service, key, mapping);
    }
    return mapping;
}

static int read_env_file(const struct yaml *entry, const struct interpolation *outside, struct strv *found,
                         struct error *err)
{
    const char *path = yaml_get_text(entry, "path"), *format = yaml_get_text(entry, "format");
    const struct yaml *required = yaml_get(entry, "required");
    struct error why = {0};
    int r = dotenv_load(path, format && *format ? DOTENV_RAW : DOTENV_DEFAULT, outside, found, &why);
    if (r == -ENOENT && yaml_is(required, YAML_BOOL) && !required->boolean)
        return 0;
    if (r == -ENOENT)
        return yaml_error(&entry->place, err, "env file %s not found: stat %s: no such file or directory", path, path);
    return r < 0 ? yaml_error(&entry->place, err, "%s", why.message) : 0;
}

int environment_resolve_service(struct yaml_pool *pool, struct yaml *service, const struct strv *environment,
                                struct strv *warnings, struct error *err)
{
    const struct yaml *files = yaml_get(service, "env_file");
    struct lookup lookup = {environment, yaml_get(service, "environment")};
    struct interpolation outside = {look_up, &lookup, warnings};
    CLEANUP_STRV struct strv found = STRV_INIT;
    int r = 0;
    for (size_t i = 0; i < yaml_count(lookup.own); i++) {
        struct yaml_pair *pair = &lookup.own->pairs[i];
        const char *value = pair->value->kind == YAML_NULL ? strv_env_get(environment, pair->key) : NULL;
        if (value)
            pair->value = yaml_new_string(pool, value, pair->value);
    }
    for (size_t i = 0; r == 0 && i < yaml_count(files); i++)
        r = read_env_file(files->pairs[i].value, &outside, &found, err);
    if (r < 0)
        return r;
    if (found.count > 0)
        add_missing(pool, mapping_of(pool, service, "environment"), &found);
    yaml_remove(service, "env_file");
    return 0;
}

int environment_resolve_labels(struct yaml_pool *pool, struct yaml *service, struct strv *warnings, struct error *err)
{
    const struct yaml *files = yaml_get(service, "label_file");
    CLEANUP_STRV struct strv found = STRV_INIT, nothing = STRV_INIT;
    struct interpolation alone = {interpolate_from_list, &nothing, warnings};
    int r = 0;
    for (size_t i = 0; r == 0 && i < yaml_count(files); i++) {
        const struct yaml *file = files->pairs[i].value;
        r = dotenv_load(file->text, DOTENV_DEFAULT, &alone, &found, err);
        if (r == -ENOENT)
            r = yaml_error(&file->place, err, "label file %s not found", file->text);
    }
    if (r < 0)
        return r;
    if (found.count > 0)
        add_missing(pool, mapping_of(pool, service, "labels"), &found);
    yaml_remove(service, "label_file");
    return 0;
}
