/* include: other files with a directory and an environment of their own, whose objects become the project's. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/dory/compose/dotenv.h"
#include "cmd/dory/compose/files.h"
#include "cmd/dory/compose/load.h"

static bool is_equal(const struct yaml *a, const struct yaml *b)
{
    if (!a || !b || a->kind != b->kind)
        return a == b;
    if (a->kind != YAML_SEQUENCE && a->kind != YAML_MAPPING)
        return strcmp(a->text, b->text) == 0;
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct yaml *other = a->kind == YAML_MAPPING ? yaml_get(b, a->pairs[i].key) : b->pairs[i].value;
        if (!is_equal(a->pairs[i].value, other))
            return false;
    }
    return true;
}

static int import_section(struct load *load, const struct yaml *from, struct yaml *into, const char *section,
                          const struct yaml_place *place, struct error *err)
{
    const struct yaml *objects = yaml_get(from, section);
    if (!objects)
        return 0;
    struct yaml *target = yaml_get(into, section);
    if (!yaml_is(target, YAML_MAPPING)) {
        target = yaml_new(load->pool, YAML_MAPPING, objects);
        yaml_set(load->pool, into, section, target);
    }
    for (size_t i = 0; i < yaml_count(objects); i++) {
        const struct yaml_pair *pair = yaml_pair_of(target, objects->pairs[i].key);
        if (!pair)
            yaml_add_pair(load->pool, target, &objects->pairs[i]);
        else if (!is_equal(pair->value, objects->pairs[i].value))
            return yaml_error(place, err, "%s.%s conflicts with imported resource", section, pair->key);
    }
    return 0;
}

static int check_cycle(const struct load_set *set, const struct strv *files, const struct yaml_place *place,
                       struct error *err)
{
    unsigned depth = 0;
    for (const struct load_set *up = set; up; up = up->up) {
        if (strv_contains(up->files, files->items[0]))
            return yaml_error(place, err, "include cycle detected:\n%s\n include %s", up->files->items[0],
                              files->items[0]);
        if (++depth > 32)
            return yaml_error(place, err, "files include each other more than 32 levels deep");
    }
    return 0;
}

/* What interpolation sees in the included files: what it sees here, then the files of env_file or the .env beside. */
static int read_environment(struct load *load, const struct load_set *set, const struct yaml *entry,
                            const char *directory, struct strv *ret, struct error *err)
{
    const struct yaml *named = yaml_get(entry, "env_file");
    CLEANUP_STRV struct strv files = STRV_INIT, found = STRV_INIT;
    struct interpolation outside = {interpolate_from_list, (void *)set->environment, load->warnings};
    struct stat st;
    for (size_t i = 0; i < yaml_count(named); i++)
        strv_add_take(&files, compose_path_join(set->directory, named->pairs[i].value->text));
    CLEANUP_FREE char *beside = xasprintf("%s/.env", directory);
    if (!named && stat(beside, &st) == 0 && S_ISREG(st.st_mode))
        strv_add(&files, beside);
    int r = 0;
    for (size_t i = 0; r == 0 && i < files.count; i++) {
        r = dotenv_load(files.items[i], DOTENV_DEFAULT, &outside, &found, err);
        if (r == -ENOENT)
            r = yaml_error(&entry->place, err, "couldn't find env file: %s", files.items[i]);
    }
    strv_copy(ret, set->environment);
    for (size_t i = 0; r == 0 && i < found.count; i++) {
        CLEANUP_FREE char *name = xstrndup(found.items[i], strcspn(found.items[i], "="));
        if (!strv_env_get(set->environment, name))
            strv_add(ret, found.items[i]);
    }
    return r;
}

static int include_one(struct load *load, const struct load_set *set, const struct yaml *entry, struct yaml *document,
                       struct error *err)
{
    static const char *const sections[] = {"services", "volumes", "networks", "secrets", "configs"};
    const struct yaml *paths = yaml_get(entry, "path");
    const char *named = yaml_get_text(entry, "project_directory");
    CLEANUP_STRV struct strv files = STRV_INIT, environment = STRV_INIT;
    for (size_t i = 0; i < yaml_count(paths); i++) {
        const char *path = paths->pairs[i].value->text;
        if (strstr(path, "://") || strncmp(path, "git@", 4) == 0 || strncmp(path, "oci:", 4) == 0)
            return yaml_error(&entry->place, err, "include from another machine (%s) is not supported", path);
        strv_add_take(&files, compose_path_join(set->directory, path));
    }
    if (files.count == 0)
        return yaml_error(&entry->place, err, "include.path is required");
    CLEANUP_FREE char *directory =
        named ? compose_path_join(set->directory, named) : compose_path_parent(files.items[0]);
    CLEANUP_FREE char *base = load_relative(set->directory, directory);
    struct yaml *included;
    int r = check_cycle(set, &files, &entry->place, err);
    if (r == 0)
        r = read_environment(load, set, entry, directory, &environment, err);
    if (r < 0)
        return r;
    struct load_set inner = {&files, directory, base, &environment, set, NULL};
    struct error why = {0};
    r = load_files(load, &inner, &included, &why);
    if (r < 0)
        return why.kind == ERROR_NOT_FOUND ? yaml_error(&entry->place, err, "%s", why.message)
                                           : error_propagate(err, &why);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(sections); i++)
        r = import_section(load, included, document, sections[i], &entry->place, err);
    return r;
}

int load_include(struct load *load, const struct load_set *set, struct yaml *document, struct error *err)
{
    const struct yaml *include = yaml_get(document, "include");
    int r = 0;
    for (size_t i = 0; r == 0 && i < yaml_count(include); i++)
        r = include_one(load, set, include->pairs[i].value, document, err);
    yaml_remove(document, "include");
    return r;
}
