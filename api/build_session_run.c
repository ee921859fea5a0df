/* A session's build: of one platform or of several, and the caches that it writes to registries. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "api/build_session.h"
#include "api/images.h"
#include "daemon/build/cache_export.h"
#include "daemon/build/cache_target.h"
#include "daemon/engine.h"
#include "image/bundle.h"

static bool is_cancelled(void *data)
{
    const struct build_session *session = data;
    struct pollfd fd = {.fd = session->cancel_fd, .events = POLLIN};
    return poll(&fd, 1, 0) > 0;
}

/* ---- caches ---- */

static int read_target(const struct session_cache *given, struct cache_target *ret, struct error *err)
{
    int r = cache_target_read(given->type, &given->attributes, ret, err);
    if (r == 0 && ret->kind == CACHE_LOCAL)
        r = error_set(err, ERROR_NOT_IMPLEMENTED, 0, "cache export of type local is not supported in a build session");
    return r;
}

/* Before anything is built. *ret: there is something to write. */
static int check_targets(const struct build_session *session, bool *ret, struct error *err)
{
    const struct session_cache *given = session->options.caches.items;
    int r = 0;
    *ret = false;
    for (size_t i = 0; i < session->options.caches.count && r == 0; i++) {
        CLEANUP_CACHE_TARGET struct cache_target target = {0};
        r = read_target(&given[i], &target, err);
        *ret = *ret || target.kind != CACHE_INLINE;
    }
    return r;
}

static int write_cache(struct build_session *session, struct cache_set *set, const struct cache_target *target,
                       struct error *err)
{
    CLEANUP_STRBUF struct strbuf manifest = STRBUF_INIT;
    struct reference ref = {0};
    struct cache_place *place = NULL;
    int r = reference_parse(target->where, &ref, err);
    const struct cache_registry_options where = {
        .ref = target->where,
        .registries = &session->parameters->registries,
        .push = true,
        .auth = r == 0 ? build_parameters_credentials(ref.domain, session->parameters) : NULL,
        .cancelled = is_cancelled,
        .data = session};
    if (r == 0)
        r = cache_registry_open(&where, &place, err);
    const struct cache_export how = {.place = place,
                                     .max = target->max,
                                     .docker_types = target->docker_types,
                                     .image_manifest = target->image_manifest,
                                     .cancelled = is_cancelled,
                                     .data = session};
    if (r == 0)
        r = cache_set_write(set, &how, &manifest, err);
    cache_place_free(place);
    reference_release(&ref);
    return r < 0 ? error_context(err, "cache to %s", target->where) : 0;
}

static int write_caches(struct build_session *session, struct cache_set *set, const struct build_events *events,
                        struct error *err)
{
    const struct session_cache *given = session->options.caches.items;
    int r = 0;
    for (size_t i = 0; i < session->options.caches.count && r == 0; i++) {
        CLEANUP_CACHE_TARGET struct cache_target target = {0};
        struct error error = {0};
        r = read_target(&given[i], &target, err);
        if (r < 0 || target.kind == CACHE_INLINE || write_cache(session, set, &target, &error) == 0)
            continue;
        if (target.ignore_error && error.kind != ERROR_CANCELLED)
            events->warning(NULL, error.message, session);
        else
            r = error_propagate(err, &error);
    }
    return r;
}

/* ---- several platforms ---- */

static int push_bundle(struct build_session *session, struct bundle *bundle, struct error *err)
{
    const struct build_options *o = &session->parameters->options;
    int r = 0;
    for (size_t i = 0; i < o->tag_count && r == 0; i++) {
        const struct image_push_options push = {
            .ref = &o->tags[i],
            .auth = build_parameters_credentials(o->tags[i].domain, session->parameters),
            .registries = &session->parameters->registries,
            .bundle = bundle,
            .gone = is_cancelled,
            .data = session};
        r = image_push(engine_images(session->engine), &push, err);
    }
    return r;
}

/* The names stand for all of them. */
static int name_all(struct build_session *session, char (*ids)[DIGEST_TEXT_MAX], size_t count, struct error *err)
{
    const struct build_options *o = &session->parameters->options;
    CLEANUP_BUNDLE struct bundle bundle = {0};
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++) {
        struct image *image = NULL;
        r = image_lookup(engine_images(session->engine), ids[i], &image, err);
        if (r == 0)
            bundle_add(&bundle, image);
    }
    if (r == 0 && session->options.push)
        r = push_bundle(session, &bundle, err);
    if (r == 0 && o->tag_count > 0)
        r = image_bundle_keep(engine_images(session->engine), &bundle, o->tags, o->tag_count, err);
    for (size_t i = 0; i < o->tag_count && r == 0; i++) {
        CLEANUP_FREE char *name = reference_familiar(&o->tags[i]);
        engine_image_event(session->engine, "tag", ids[0], name);
    }
    return r;
}

static int run_several(struct build_session *session, const struct build_events *events, struct build_result *result,
                       struct error *err)
{
    const struct strv *platforms = &session->options.platforms;
    struct build_options *o = &session->parameters->options;
    char(*ids)[DIGEST_TEXT_MAX] = xcalloc(platforms->count, sizeof(*ids));
    size_t tags = o->tag_count, warnings = 0;
    int r = 0;
    o->tag_count = 0; /* no one of them alone has the names */
    for (size_t i = 0; i < platforms->count && r == 0; i++) {
        o->platform = session->platform = platforms->items[i];
        session->steps_before = session->steps;
        CLEANUP_FREE char *directory = platform_directory(platforms->items[i]);
        o->tree_name = directory;
        r = build_run(session->engine, o, events, result, err);
        memcpy(ids[i], result->image_id, sizeof(*ids));
        warnings += result->warnings;
        if (r < 0)
            error_context(err, "%s", platforms->items[i]);
    }
    o->tag_count = tags;
    o->tree_name = NULL;
    if (r == 0 && !o->no_image)
        r = name_all(session, ids, platforms->count, err);
    memcpy(result->image_id, ids[0], sizeof(*ids));
    result->warnings = warnings;
    free(ids);
    return r;
}

/* Each is one, and none is there twice. */
static int check_platforms(const struct build_session *session, struct error *err)
{
    const struct strv *platforms = &session->options.platforms;
    if (platforms->count > SESSION_PLATFORMS_MAX)
        return error_set(err, ERROR_INVALID, 0, "more than %d platforms at once", SESSION_PLATFORMS_MAX);
    for (size_t i = 0; i < platforms->count; i++) {
        struct platform platform, other;
        int r = platform_parse(platforms->items[i], &platform, err);
        if (r < 0)
            return r;
        for (size_t k = 0; k < i; k++)
            if (platform_parse(platforms->items[k], &other, NULL) == 0 && platform_distance(&platform, &other) == 0 &&
                platform_distance(&other, &platform) == 0)
                return error_set(err, ERROR_INVALID, 0, "platform %s is given twice", platforms->items[i]);
    }
    return 0;
}

int build_session_run(struct build_session *session, const struct build_events *events, struct build_result *result,
                      struct error *err)
{
    struct build_options *o = &session->parameters->options;
    bool writes = false;
    int r = check_platforms(session, err);
    if (r == 0)
        r = check_targets(session, &writes, err);
    if (r < 0)
        return r;
    struct cache_set *set = writes && !o->check_only ? cache_set_new(session->engine) : NULL;
    o->used = set;
    if (session->options.platforms.count == 1)
        o->platform = session->options.platforms.items[0];
    r = session->options.platforms.count > 1 && !o->check_only ? run_several(session, events, result, err)
                                                               : build_run(session->engine, o, events, result, err);
    if (r == 0 && set)
        r = write_caches(session, set, events, err);
    cache_set_free(set);
    return r;
}
