#include "image/pull.h"

#include <errno.h>
#include <malloc.h>

#include "base/json.h"
#include "base/memory.h"
#include "image/digest.h"

/* With an alternative at hand (a mirror) it is not worth insisting. */
#define ATTEMPTS_OF_MIRROR 2

/* ---- progress ---- */

void pull_progress(struct pull *pull, const char *id, const char *status, int64_t current, int64_t total)
{
    if (!pull->options->progress)
        return;
    pthread_mutex_lock(&pull->progress_mutex);
    if (!pull->cancelled && pull->options->progress(id, status, current, total, pull->options->data) != 0)
        pull->cancelled = true;
    pthread_mutex_unlock(&pull->progress_mutex);
}

bool pull_is_over(struct pull *pull)
{
    const struct image_pull_options *options = pull->options;
    if (!pull->cancelled && options->gone && options->gone(options->data))
        pull->cancelled = true;
    return pull->cancelled || pull->stopping;
}

static bool is_cancelled(void *data)
{
    return pull_is_over(data);
}

/* ---- manifests ---- */

struct found {
    struct registry_manifest document; /* of the image, not of the list */
    struct manifest manifest;
    struct registry_manifest index;   /* the list, if there is one */
    char top_digest[DIGEST_TEXT_MAX]; /* what the tag points at: the list's digest if there is one */
};

static void found_release(struct found *found)
{
    registry_manifest_release(&found->document);
    registry_manifest_release(&found->index);
    manifest_release(&found->manifest);
}

static int get_manifest(struct pull *pull, struct http_client *client, const char *tag_or_digest, struct found *found,
                        struct error *err)
{
    int rc = registry_get_manifest(pull->registry, client, tag_or_digest, &found->document, err);
    if (rc < 0)
        return rc;
    return manifest_parse(found->document.content_type, found->document.text, found->document.size, &found->manifest,
                          err);
}

/* From the list to the image of our platform. */
static int choose_from_list(struct pull *pull, struct http_client *client, struct found *found, struct error *err)
{
    const struct descriptor *chosen;
    int rc = manifest_choose(&found->manifest, &pull->platform, &chosen, err);
    if (rc < 0)
        return rc;
    CLEANUP_FREE char *media_type = xstrdup(chosen->media_type);
    char digest[DIGEST_TEXT_MAX];
    memcpy(digest, chosen->digest, sizeof digest);
    int64_t size = chosen->size;
    found->index = found->document;
    found->document = (struct registry_manifest){0};
    manifest_release(&found->manifest);
    rc = get_manifest(pull, client, digest, found, err);
    if (rc < 0)
        return rc;
    if ((int64_t)found->document.size != size)
        return error_set(err, ERROR_INVALID, 0, "manifest verification failed for digest %s", digest);
    if (media_type[0] && strcmp(media_type, found->manifest.media_type) != 0)
        return error_set(err, ERROR_INVALID, 0, "mediaType in manifest should be '%s' not '%s'", media_type,
                         found->manifest.media_type);
    if (found->manifest.kind != MANIFEST_IMAGE)
        return error_set(err, ERROR_INVALID, 0, "unsupported manifest format: a manifest list inside a manifest list");
    return 0;
}

static int find_manifest(struct pull *pull, struct http_client *client, struct found *found, struct error *err)
{
    const struct reference *ref = pull->options->ref;
    const char *tag_or_digest = ref->digest ? ref->digest : ref->tag;
    int rc = get_manifest(pull, client, tag_or_digest, found, err);
    if (rc < 0)
        return rc;
    memcpy(found->top_digest, found->document.digest, sizeof found->top_digest);
    CLEANUP_FREE char *text = xasprintf("Pulling from %s", ref->path);
    pull_progress(pull, tag_or_digest, text, -1, -1);
    return found->manifest.kind == MANIFEST_LIST ? choose_from_list(pull, client, found, err) : 0;
}

/* ---- the config ---- */

static int add_to_buffer(const void *data, size_t size, void *buffer, struct error *err)
{
    (void)err;
    strbuf_add(buffer, data, size);
    return 0;
}

/* The rest of the config is the store's to check; a foreign system must be known before gigabytes are fetched. */
static int check_config(const struct strbuf *config, const struct manifest *manifest, struct error *err)
{
    CLEANUP_JSON struct json *root = NULL;
    int rc = json_parse(strbuf_str(config), config->size, &root, err);
    if (rc < 0)
        return rc;
    const char *os = json_get_string(root, "os");
    if (os && *os && strcmp(os, "linux") != 0)
        return error_set(err, ERROR_INVALID, 0, "image operating system \"%s\" cannot be used on this platform", os);
    if (json_count(json_get(json_get(root, "rootfs"), "diff_ids")) != manifest->count)
        return error_set(err, ERROR_INVALID, 0, "layers from manifest don't match image configuration");
    return 0;
}

static int fetch_config(struct pull *pull, struct http_client *client, const struct manifest *manifest,
                        struct strbuf *config, struct error *err)
{
    struct registry_blob blob = {
        .descriptor = &manifest->config, .what = "image config", .sink = add_to_buffer, .sink_data = config};
    int rc = registry_get_blob(pull->registry, client, &blob, err);
    if (rc < 0)
        return rc;
    char digest[DIGEST_TEXT_MAX];
    digest_of(config->data, config->size, digest);
    if (strcmp(digest, manifest->config.digest) != 0)
        return error_set(err, ERROR_INVALID, 0, "image config verification failed for digest %s",
                         manifest->config.digest);
    return check_config(config, manifest, err);
}

/* ---- names ---- */

struct names {
    struct reference refs[2]; /* borrowed texts */
    size_t count;
};

/* What shall point at the image: NAME@DIGEST always, NAME:TAG unless the image was asked for by digest. */
static struct names names_of(const struct reference *ref, char *digest)
{
    struct names names = {.refs = {{.domain = ref->domain, .path = ref->path, .digest = digest}}, .count = 1};
    if (!ref->digest)
        names.refs[names.count++] = (struct reference){.domain = ref->domain, .path = ref->path, .tag = ref->tag};
    return names;
}

/* ---- the pull ---- */

/* What is known of the image beside its contents. */
static struct image_commit naming_of(const struct found *found, const struct names *names)
{
    return (struct image_commit){
        .manifest = found->document.text,
        .manifest_size = found->document.size,
        .index = found->index.text,
        .index_size = found->index.size,
        .refs = names->refs,
        .ref_count = names->count,
    };
}

static int commit(struct pull *pull, const struct found *found, const struct strbuf *config,
                  const struct pull_layers *layers, const struct names *names, struct error *err)
{
    struct image_commit_layer *commit_layers CLEANUP_FREE = xcalloc(layers->count + 1, sizeof *commit_layers);
    for (size_t i = 0; i < layers->count; i++) {
        const struct pull_layer *layer = &layers->items[i];
        if (layer->same_as)
            layer = layer->same_as;
        commit_layers[i].ingest = layer->download ? download_ingest(layer->download) : NULL;
        commit_layers[i].diff_id = layer->download ? NULL : layer->diff_id;
    }
    struct image_commit what = naming_of(found, names);
    what.config = strbuf_str(config);
    what.config_size = config->size;
    what.expected_id = found->manifest.config.digest;
    what.layers = commit_layers;
    what.layer_count = layers->count;
    return image_commit(pull->store, &what, NULL, err);
}

static int fetch_layers(struct pull *pull, struct http_client *client, const struct found *found,
                        const struct names *names, struct pull_layers *layers, struct error *err)
{
    CLEANUP_STRBUF struct strbuf config = STRBUF_INIT;
    int rc = pull_layers_start(layers, pull, &found->manifest, err);
    bool config_failed = false;
    if (rc == 0 && (rc = fetch_config(pull, client, &found->manifest, &config, err)) < 0) {
        config_failed = true;
        /* A failed layer ends the config, too; then its own failure is the one to tell. */
        if (err->kind != ERROR_CANCELLED)
            error_context(err, "error pulling image configuration");
    }
    struct error layer_error = {0};
    int layers_rc = pull_layers_wait(layers, rc < 0, &layer_error);
    if (rc < 0 && (!config_failed || err->kind != ERROR_CANCELLED))
        return rc;
    if (layers_rc < 0)
        return error_propagate(err, &layer_error);
    if (rc < 0)
        return rc;
    if (pull->cancelled)
        return error_set(err, ERROR_CANCELLED, 0, "context canceled");
    return commit(pull, found, &config, layers, names, err);
}

static int fetch_image(struct pull *pull, struct http_client *client, const struct found *found,
                       const struct names *names, struct error *err)
{
    struct pull_layers layers = {0};
    int rc = fetch_layers(pull, client, found, names, &layers, err);
    pull_layers_release(&layers, rc < 0 && (err->kind == ERROR_UNAVAILABLE || err->kind == ERROR_CANCELLED));
    return rc;
}

static bool have_image(struct pull *pull, const char *id)
{
    CLEANUP_IMAGE struct image *image = NULL;
    return image_lookup(pull->store, id, &image, NULL) == 0;
}

/* Did the name mean this image before, as its first choice or as one of its platforms? */
static bool stands_for(struct pull *pull, const struct reference *ref, const char *id)
{
    CLEANUP_IMAGE struct image *image = NULL;
    CLEANUP_FREE char *name = reference_familiar(ref);
    return image_lookup(pull->store, id, &image, NULL) == 0 &&
           (strv_contains(&image->repo_tags, name) || strv_contains(&image->repo_digests, name));
}

static void report_status(struct pull *pull, const char *digest, bool is_new)
{
    CLEANUP_FREE char *name = reference_familiar(pull->options->ref);
    CLEANUP_FREE char *line = xasprintf("Digest: %s", digest);
    CLEANUP_FREE char *status =
        xasprintf(is_new ? "Status: Downloaded newer image for %s" : "Status: Image is up to date for %s", name);
    pull_progress(pull, NULL, line, -1, -1);
    pull_progress(pull, NULL, status, -1, -1);
}

static int pull_from_registry(struct pull *pull, struct error *err)
{
    struct http_client *client CLEANUP(http_client_free_ptr) = NULL;
    struct found found CLEANUP(found_release) = {0};
    int rc = registry_connect(pull->registry, &client, err);
    if (rc < 0 || (rc = find_manifest(pull, client, &found, err)) < 0)
        return rc;
    if (pull->options->config)
        return fetch_config(pull, client, &found.manifest, pull->options->config, err);
    const char *id = found.manifest.config.digest;
    struct names names = names_of(pull->options->ref, found.top_digest);
    bool same = stands_for(pull, &names.refs[names.count - 1], id);
    const struct image_commit naming = naming_of(&found, &names);
    rc = have_image(pull, id) ? image_add_manifest(pull->store, id, &naming, err)
                              : fetch_image(pull, client, &found, &names, err);
    if (rc == 0)
        report_status(pull, found.top_digest, !same);
    return rc;
}

/* One after the other; the first failure ends it. */
static int pull_all_tags(struct pull *pull, struct error *err)
{
    struct http_client *client CLEANUP(http_client_free_ptr) = NULL;
    CLEANUP_STRV struct strv tags = STRV_INIT;
    const struct image_pull_options *options = pull->options;
    CLEANUP_FREE char *path = xasprintf("/v2/%s/tags/list", options->ref->path);
    int rc = registry_connect(pull->registry, &client, err);
    if (rc == 0)
        rc = registry_list_names(pull->registry, client, path, "tags", &tags, err);
    for (size_t i = 0; rc == 0 && i < tags.count; i++) {
        struct reference ref = *options->ref;
        struct image_pull_options one = *options;
        ref.tag = tags.items[i];
        one.ref = &ref;
        pull->options = &one;
        rc = pull_from_registry(pull, err);
        pull->options = options;
    }
    return rc;
}

/* One endpoint. *ret_answered: it is there, whatever came of it. */
static int pull_from_endpoint(struct pull *pull, const struct registry_endpoint *endpoint, bool *ret_answered,
                              struct error *err)
{
    struct registry_options options = {
        .endpoint = endpoint,
        .ref = pull->options->ref,
        .auth = pull->options->auth,
        .attempts = endpoint->mirror ? ATTEMPTS_OF_MIRROR : pull->options->attempts,
        .cancelled = is_cancelled,
        .data = pull,
    };
    CLEANUP_REGISTRY struct registry *registry = NULL;
    int rc = registry_open(&options, &registry, err);
    *ret_answered = rc == 0;
    if (rc < 0)
        return rc;
    pull->registry = registry;
    pull->stopping = false;
    rc = pull->options->all_tags ? pull_all_tags(pull, err) : pull_from_registry(pull, err);
    pull->registry = NULL;
    return rc;
}

static int pull_from_any(struct pull *pull, const struct registry_endpoints *endpoints, struct error *err)
{
    bool answered = false;
    int rc = 0;
    for (size_t i = 0; i < endpoints->count; i++) {
        const struct registry_endpoint *endpoint = &endpoints->items[i];
        if (endpoint->plain_http && answered)
            break;
        error_clear(err);
        rc = pull_from_endpoint(pull, endpoint, &answered, err);
        /* What this machine lacks (disk, memory) another server cannot give. */
        if (rc == 0 || pull->cancelled || (answered && !endpoint->mirror) || err->kind == ERROR_SYSTEM)
            break;
    }
    return rc;
}

int image_pull(struct image_store *store, const struct image_pull_options *options, struct error *err)
{
    struct error local = {0};
    struct image_pull_options with_tag = *options;
    struct reference ref = *options->ref;
    char latest[] = "latest";
    if (!ref.tag && !ref.digest && !options->all_tags)
        ref.tag = latest;
    with_tag.ref = &ref;
    struct pull pull = {.store = store, .options = &with_tag};
    int rc = 0;
    if (options->platform && *options->platform)
        rc = platform_parse(options->platform, &pull.platform, &local);
    else
        platform_host(&pull.platform);
    CLEANUP_REGISTRY_ENDPOINTS struct registry_endpoints endpoints = {0};
    if (rc == 0)
        rc = registry_endpoints_find(ref.domain, options->registries, &endpoints, &local);
    if (rc == 0) {
        pthread_mutex_init(&pull.progress_mutex, NULL);
        rc = pull_from_any(&pull, &endpoints, &local);
        pthread_mutex_destroy(&pull.progress_mutex);
        if (pull.cancelled && rc < 0)
            rc = error_set(&local, ERROR_CANCELLED, 0, "context canceled");
    }
    /* The threads' arenas and what OpenSSL had: the daemon is idle most of its life. */
    malloc_trim(0);
    return rc < 0 ? error_propagate(err, &local) : 0;
}
