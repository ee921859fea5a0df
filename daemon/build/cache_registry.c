/* A cache in a repository of a registry. */
#include "base/memory.h"
#include "daemon/build/cache_place.h"

struct cache_registry {
    struct cache_place place;
    struct reference ref;
    struct registry_endpoints endpoints;
    struct registry *registry;
};

static void registry_place_free(struct cache_place *place)
{
    struct cache_registry *c = (struct cache_registry *)place;
    registry_free(c->registry);
    registry_endpoints_release(&c->endpoints);
    reference_release(&c->ref);
    free(c);
}

/* What all that is asked has in common: a connection of its own, since any thread asks. */
static int connect_to(struct cache_place *place, struct registry **ret, struct http_client **ret_client,
                      struct error *err)
{
    *ret = ((struct cache_registry *)place)->registry;
    return registry_connect(*ret, ret_client, err);
}

static int get_manifest(struct cache_place *place, struct registry_manifest *ret, struct error *err)
{
    const struct reference *ref = &((struct cache_registry *)place)->ref;
    struct http_client *client CLEANUP(http_client_free_ptr) = NULL;
    struct registry *registry;
    int r = connect_to(place, &registry, &client, err);
    return r < 0 ? r : registry_get_manifest(registry, client, ref->digest ? ref->digest : ref->tag, ret, err);
}

static int read_blob(struct cache_place *place, const struct descriptor *descriptor, cache_sink sink, void *sink_data,
                     struct error *err)
{
    const struct registry_blob blob = {
        .descriptor = descriptor, .what = "build cache", .sink = sink, .sink_data = sink_data};
    struct http_client *client CLEANUP(http_client_free_ptr) = NULL;
    struct registry *registry;
    int r = connect_to(place, &registry, &client, err);
    return r < 0 ? r : registry_get_blob(registry, client, &blob, err);
}

static int has_blob(struct cache_place *place, const char *digest, int64_t *ret_size, struct error *err)
{
    struct http_client *client CLEANUP(http_client_free_ptr) = NULL;
    struct registry *registry;
    int r = connect_to(place, &registry, &client, err);
    return r < 0 ? r : registry_has_blob(registry, client, digest, ret_size, err);
}

static int write_blob(struct cache_place *place, const struct registry_upload *upload, struct error *err)
{
    struct http_client *client CLEANUP(http_client_free_ptr) = NULL;
    struct registry *registry;
    int r = connect_to(place, &registry, &client, err);
    return r < 0 ? r : registry_put_blob(registry, client, upload, err);
}

static int put_manifest(struct cache_place *place, const char *media_type, const char *text, size_t size,
                        struct error *err)
{
    const struct reference *ref = &((struct cache_registry *)place)->ref;
    struct http_client *client CLEANUP(http_client_free_ptr) = NULL;
    struct registry *registry;
    int r = connect_to(place, &registry, &client, err);
    return r < 0 ? r : registry_put_manifest(registry, client, ref->tag, media_type, text, size, err);
}

static const struct cache_place_ops ops = {
    .get_manifest = get_manifest,
    .read = read_blob,
    .has = has_blob,
    .write = write_blob,
    .put_manifest = put_manifest,
    .free = registry_place_free,
};

/* The plain endpoint of an insecure registry is only asked where the one before it did not answer, which is so when it
 * is its turn. */
static int open_any(struct cache_registry *c, const struct cache_registry_options *options, struct error *err)
{
    int r = 0;
    for (size_t i = 0; i < c->endpoints.count; i++) {
        const struct registry_endpoint *endpoint = &c->endpoints.items[i];
        struct registry_options how = {.endpoint = endpoint,
                                       .ref = &c->ref,
                                       .auth = options->auth,
                                       .push = options->push,
                                       .cancelled = options->cancelled,
                                       .data = options->data};
        if (endpoint->mirror)
            continue;
        error_clear(err);
        r = registry_open(&how, &c->registry, err);
        if (r == 0)
            return 0;
    }
    return r < 0 ? r : error_set(err, ERROR_UNAVAILABLE, 0, "%s: no endpoint to ask", c->ref.domain);
}

int cache_registry_open(const struct cache_registry_options *options, struct cache_place **ret, struct error *err)
{
    struct cache_registry *c = xcalloc(1, sizeof(*c));
    struct error local = {0};
    c->place.ops = &ops;
    int r = reference_parse(options->ref, &c->ref, &local);
    if (r == 0 && options->push && c->ref.digest)
        r = error_set(&local, ERROR_INVALID, 0, "%s: a name with a digest cannot be written to", options->ref);
    if (r == 0) {
        if (!c->ref.digest)
            reference_default_tag(&c->ref);
        r = registry_endpoints_find(c->ref.domain, options->registries, &c->endpoints, &local);
    }
    if (r == 0)
        r = open_any(c, options, &local);
    if (r < 0) {
        registry_place_free(&c->place);
        return error_propagate(err, &local);
    }
    *ret = &c->place;
    return 0;
}
