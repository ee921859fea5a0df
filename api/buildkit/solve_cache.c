#include "api/buildkit/solve_cache.h"

#include <poll.h>
#include <string.h>

#include "api/images.h"
#include "base/memory.h"
#include "base/parse.h"
#include "daemon/build/cache_export.h"
#include "daemon/engine.h"
#include "image/reference.h"

#define STEP_CACHE 20000 /* numbers of the steps that write caches, from here on */

/* ---- what is asked for ---- */

static int refuse(const Bk__CacheEntry *entry, const Bk__Entry *attr, struct error *err)
{
    return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "cache export of type %.100s: %.100s=%.100s is not supported",
                     entry->type, attr->key, attr->value);
}

static int read_bool(const Bk__CacheEntry *entry, const Bk__Entry *attr, bool *ret, struct error *err)
{
    return parse_bool(attr->value, ret) == 0
               ? 0
               : error_set(err, ERROR_INVALID, 0, "cache export of type %.100s: failed to parse %s=%.100s", entry->type,
                           attr->key, attr->value);
}

static int read_mode(const Bk__CacheEntry *entry, const Bk__Entry *attr, struct solve_cache_target *ret,
                     struct error *err)
{
    ret->max = strcmp(attr->value, "max") == 0;
    return ret->max || strcmp(attr->value, "min") == 0
               ? 0
               : error_set(err, ERROR_INVALID, 0,
                           "cache export of type %.100s: mode=%.100s is neither "
                           "min nor max",
                           entry->type, attr->value);
}

static int read_attribute(const Bk__CacheEntry *entry, const Bk__Entry *attr, struct solve_cache_target *ret,
                          bool *ret_manifest_given, struct error *err)
{
    const char *key = attr->key;
    bool yes = false;
    int r;
    if (strcmp(key, ret->kind == CACHE_LOCAL ? "dest" : "ref") == 0) {
        ret->where = attr->value;
        return 0;
    }
    if (strcmp(key, "mode") == 0)
        return read_mode(entry, attr, ret, err);
    if (strcmp(key, "compression") == 0)
        return strcmp(attr->value, "gzip") == 0 ? 0 : refuse(entry, attr, err);
    if (strcmp(key, "ignore-error") == 0)
        return read_bool(entry, attr, &ret->ignore_error, err);
    if (ret->kind == CACHE_LOCAL && (strcmp(key, "tag") == 0 || strcmp(key, "reset") == 0))
        return 0; /* the client's own business */
    if (strcmp(key, "oci-mediatypes") == 0) {
        r = read_bool(entry, attr, &yes, err);
        ret->docker_types = !yes;
        return r;
    }
    if (strcmp(key, "image-manifest") == 0) {
        *ret_manifest_given = true;
        return read_bool(entry, attr, &ret->image_manifest, err);
    }
    if (strcmp(key, "force-compression") == 0) {
        r = read_bool(entry, attr, &yes, err);
        return r == 0 && yes ? refuse(entry, attr, err) : r;
    }
    return refuse(entry, attr, err);
}

int solve_cache_target_read(const Bk__CacheEntry *entry, struct solve_cache_target *ret, struct error *err)
{
    bool given = false;
    *ret = (struct solve_cache_target){0};
    if (strcmp(entry->type, "inline") == 0) /* every image serves as cache: its history says what its layers are of */
        return 0;
    if (strcmp(entry->type, "registry") != 0 && strcmp(entry->type, "local") != 0)
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0,
                         "cache export of type %.100s is not supported: only inline, registry and local are",
                         entry->type);
    ret->kind = strcmp(entry->type, "local") == 0 ? CACHE_LOCAL : CACHE_REGISTRY;
    for (size_t i = 0; i < entry->n_attrs; i++) {
        int r = read_attribute(entry, entry->attrs[i], ret, &given, err);
        if (r < 0)
            return r;
    }
    if (!given)
        ret->image_manifest = !ret->docker_types;
    if (ret->image_manifest && ret->docker_types)
        return error_set(err, ERROR_INVALID, 0,
                         "invalid configuration for remote cache, OCI mediatypes are required for image-manifest cache "
                         "format");
    if (!ret->where || !*ret->where)
        return error_set(err, ERROR_INVALID, 0, "%s cache exporter requires %s", entry->type,
                         ret->kind == CACHE_LOCAL ? "dest" : "ref");
    return 0;
}

int solve_cache_prepare(struct solve *solve, struct error *err)
{
    const Bk__CacheOptions *cache = solve->request->cache;
    bool wanted = false;
    for (size_t i = 0; cache && i < cache->n_exports; i++) {
        struct solve_cache_target target;
        int r = solve_cache_target_read(cache->exports[i], &target, err);
        if (r < 0)
            return r;
        wanted = wanted || target.kind != CACHE_INLINE;
    }
    if (wanted)
        solve->used = cache_set_new(solve->engine);
    return 0;
}

/* ---- writing ---- */

static void on_progress(const char *what, bool done, void *data)
{
    solve_step_status(data, what, 0, 0, done);
}

static bool is_cancelled(void *data)
{
    const struct solve_step *step = data;
    struct pollfd fd = {.fd = step->solve->cancel_fd, .events = POLLIN};
    return poll(&fd, 1, 0) > 0;
}

static int open_registry(struct solve *solve, struct solve_step *step, const struct session_supply *supply,
                         const struct solve_cache_target *target, const struct registry_config *registries,
                         struct cache_place **ret, struct error *err)
{
    struct reference ref = {0};
    struct cache_registry_options options = {
        .ref = target->where, .registries = registries, .push = true, .cancelled = is_cancelled, .data = step};
    (void)solve;
    int r = reference_parse(target->where, &ref, err);
    if (r == 0) {
        options.auth = session_credentials(ref.domain, (void *)supply);
        r = cache_registry_open(&options, ret, err);
    }
    reference_release(&ref);
    return r;
}

static int write_to(struct solve *solve, struct solve_step *step, const struct solve_cache_target *target,
                    struct error *err)
{
    struct registry_config registries = {0};
    struct session *session = NULL;
    struct cache_place *place = NULL;
    CLEANUP_STRBUF struct strbuf manifest = STRBUF_INIT;
    int r = session_get(solve->sessions, solve->request->session, solve->cancel_fd, &session, err);
    if (r < 0)
        return r;
    const struct session_supply supply = {.session = session, .cancel_fd = solve->cancel_fd};
    images_copy_registries(solve->engine, &registries);
    if (target->kind == CACHE_LOCAL)
        place = session_content(session, target->where, NULL, solve->cancel_fd);
    else
        r = open_registry(solve, step, &supply, target, &registries, &place, err);
    const struct cache_export how = {.place = place,
                                     .max = target->max,
                                     .docker_types = target->docker_types,
                                     .image_manifest = target->image_manifest,
                                     .progress = on_progress,
                                     .cancelled = is_cancelled,
                                     .data = step};
    if (r == 0)
        r = cache_set_write(solve->used, &how, &manifest, err);
    if (r == 0 && manifest.size > 0)
        strmap_set(&solve->response, "cache.manifest", strbuf_str(&manifest));
    if (r == 0 && manifest.size == 0)
        solve_step_status(step, "skipping cache export for empty result", 0, 0, true);
    cache_place_free(place);
    images_release_registries(&registries);
    session_put(solve->sessions, session);
    return r;
}

static int export_one(struct solve *solve, size_t i, struct error *err)
{
    struct solve_cache_target target;
    struct solve_step step;
    struct error error = {0};
    int r = solve_cache_target_read(solve->request->cache->exports[i], &target, err);
    if (r < 0 || target.kind == CACHE_INLINE)
        return r;
    solve_step_begin(&step, solve, STEP_CACHE + (unsigned)i,
                     target.kind == CACHE_LOCAL ? "exporting cache to client directory"
                                                : "exporting cache to registry");
    r = write_to(solve, &step, &target, &error);
    solve_step_end(&step, r < 0 ? &error : NULL);
    if (r < 0 && target.ignore_error && error.kind != ERROR_CANCELLED)
        return 0;
    return r < 0 ? error_propagate(err, &error) : 0;
}

int solve_cache_export(struct solve *solve, struct error *err)
{
    int r = 0;
    for (size_t i = 0; r == 0 && solve->used && solve->built && i < solve->request->cache->n_exports; i++)
        r = export_one(solve, i, err);
    return r;
}
