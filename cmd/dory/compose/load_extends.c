/* extends: a service laid over another one, of the same file or of another. */
#include <errno.h>
#include <string.h>

#include "cmd/dory/compose/files.h"
#include "cmd/dory/compose/load.h"
#include "cmd/dory/compose/merge.h"

/* The services that were gone through on the way here. */
struct trail {
    const struct trail *up;
    const char *file, *service;
};

struct extending {
    struct load *load;
    const struct load_set *set;
};

static int circular(const struct trail *trail, const struct yaml_place *place, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    CLEANUP_STRV struct strv lines = STRV_INIT;
    for (; trail; trail = trail->up)
        strv_addf(&lines, "%s in %s", trail->service, trail->file);
    for (size_t i = lines.count; i-- > 0;)
        strbuf_addf(&text, "\n  %s%s", i + 1 == lines.count ? "" : "extends ", lines.items[i]);
    return yaml_error(place, err, "Circular reference:%s", strbuf_str(&text));
}

static int check_trail(const struct trail *trail, const struct yaml_place *place, struct error *err)
{
    unsigned depth = 0;
    for (const struct trail *up = trail->up; up; up = up->up) {
        if (strcmp(up->file, trail->file) == 0 && strcmp(up->service, trail->service) == 0)
            return circular(trail, place, err);
        if (++depth > LOAD_EXTENDS_MAX)
            return yaml_error(place, err, "services extend each other more than %d levels deep", LOAD_EXTENDS_MAX);
    }
    return 0;
}

/* The services of another file, with its relative paths made relative to the project. */
static int read_services(const struct extending *extending, const char *name, const char *ref, const char *file,
                         const struct yaml *at, struct yaml **ret_services, char **ret_path, struct error *err)
{
    struct yaml *document;
    struct error why = {0};
    if (strstr(file, "://") || strncmp(file, "git@", 4) == 0 || strncmp(file, "oci:", 4) == 0)
        return yaml_error(&at->place, err, "extends from another machine (%s) is not supported", file);
    CLEANUP_FREE char *path = compose_path_join(extending->set->directory, file);
    int r = load_service_file(extending->load, extending->set, path, ref, &document, &why);
    if (r < 0)
        return why.kind == ERROR_NOT_FOUND ? yaml_error(&at->place, err, "%s", why.message)
                                           : error_propagate(err, &why);
    if (!document || !yaml_get(document, "services"))
        return yaml_error(&at->place, err, "cannot extend service \"%s\" in %s: no services section", name, path);
    struct yaml *services = yaml_get(document, "services");
    if (!yaml_get(services, ref))
        return yaml_error(&at->place, err, "cannot extend service \"%s\" in %s: service \"%s\" not found in %s", name,
                          at->place.file, ref, file);
    CLEANUP_FREE char *parent = compose_path_parent(path);
    CLEANUP_FREE char *base = load_relative(extending->set->directory, parent);
    load_resolve_paths(extending->load->pool, document, base);
    *ret_services = services;
    *ret_path = TAKE_PTR(path);
    return 0;
}

static int extend(const struct extending *extending, struct yaml *services, const char *name, const char *path,
                  const struct trail *up, struct error *err)
{
    struct yaml *service = yaml_get(services, name), *extends = yaml_get(service, "extends");
    CLEANUP_FREE char *other = NULL;
    struct yaml *others = services;
    if (!extends || extends->mark == YAML_RESET)
        return 0;
    const char *ref = yaml_get_text(extends, "service"), *file = yaml_get_text(extends, "file");
    if (!ref)
        return yaml_error(&extends->place, err, "extends.%s.service is required", name);
    int r = 0;
    if (file)
        r = read_services(extending, name, ref, file, extends, &others, &other, err);
    else if (!yaml_get(services, ref))
        r = yaml_error(&extends->place, err, "cannot extend service \"%s\" in %s: service \"%s\" not found", name, path,
                       ref);
    struct trail trail = {up, path, name};
    if (r == 0)
        r = check_trail(&trail, &extends->place, err);
    if (r == 0)
        r = extend(extending, others, ref, other ? other : path, &trail, err);
    if (r < 0)
        return r;
    struct yaml *base = yaml_copy(extending->load->pool, yaml_get(others, ref));
    yaml_remove(service, "extends");
    if (!yaml_is(base, YAML_MAPPING))
        return 0;
    yaml_remove(base, "extends");
    r = merge_service(extending->load->pool, base, service, err);
    base->mark = service->mark;
    base->place = service->place;
    if (r == 0)
        yaml_set(extending->load->pool, services, name, base);
    return r;
}

int load_extends(struct load *load, const struct load_set *set, const char *path, struct yaml *document,
                 struct error *err)
{
    const struct extending extending = {load, set};
    struct yaml *services = yaml_get(document, "services");
    int r = 0;
    for (size_t i = 0; r == 0 && i < yaml_count(services); i++)
        r = extend(&extending, services, services->pairs[i].key, path, NULL, err);
    return r;
}
