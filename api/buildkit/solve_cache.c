#include "api/buildkit/solve_cache.h"

#include <poll.h>
#include <string.h>

#include "api/images.h"
#include "base/memory.h"
#include "daemon/build/cache_export.h"
#include "daemon/build/cache_target.h"
#include "daemon/engine.h"
#include "image/reference.h"

#define STEP_CACHE 20000 /* numbers of the steps that write caches, from here on */

/* ---- what is asked for ---- */

static int read_target(const Bk__CacheEntry *entry, struct cache_target *ret, struct error *err)
{
    CLEANUP_STRMAP struct strmap attributes = STRMAP_INIT;
    for (size_t i = 0; i < entry->n_attrs; i++)
        strmap_set(&attributes, entry->attrs[i]->key, entry->attrs[i]->value);
    return cache_target_read(entry->type, &attributes, ret, err);
}

int solve_cache_prepare(struct solve *solve, struct error *err)
{
    const Bk__CacheOptions *cache = solve->request->cache;
    bool wanted = false;
    for (size_t i = 0; cache && i < cache->n_exports; i++) {
        CLEANUP_CACHE_TARGET struct cache_target target = {0};
        int r = read_target(cache->exports[i], &target, err);
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
                         const struct cache_target *target, const struct registry_config *registries,
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

static int write_to(struct solve *solve, struct solve_step *step, const struct cache_target *target, struct error *err)
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
    CLEANUP_CACHE_TARGET struct cache_target target = {0};
    struct solve_step step;
    struct error error = {0};
    int r = read_target(solve->request->cache->exports[i], &target, err);
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
