/*
 * docker push. Blobs that the repository has are not sent, those that another repository of the registry has are
 * mounted from there; the rest is compressed anew while it is sent. An image whose layers are all there in the form in
 * which it was pulled keeps its manifest, and with it its digest.
 */
#include <errno.h>
#include <malloc.h>

#include "base/memory.h"
#include "base/timestamp.h"
#include "image/layer_gzip.h"
#include "image/push_layers.h"
#include "image/store.h"

#define MEDIA_DOCKER_CONFIG "application/vnd.docker.container.image.v1+json"

static bool is_cancelled(void *data)
{
    struct push *push = data;
    const struct image_push_options *options = push->options;
    if (!push->cancelled && options->gone && options->gone(options->data))
        push->cancelled = true;
    return push->cancelled || push->stopping;
}

void push_progress(struct push *push, const char *id, const char *status, int64_t current, int64_t total)
{
    const struct image_push_options *options = push->options;
    if (!options->progress)
        return;
    pthread_mutex_lock(&push->progress_mutex);
    if (!push->cancelled && options->progress(id, status, current, total, options->data) != 0)
        push->cancelled = true;
    pthread_mutex_unlock(&push->progress_mutex);
}

/* ---- the manifest ---- */

static bool is_oci(const struct push_layer *layers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(layers[i].media_type, PUSH_MEDIA_GZIP) != 0)
            return true;
    return false;
}

static void write_descriptor(struct json_writer *w, const char *media_type, const char *digest, int64_t size)
{
    json_begin_object(w);
    json_member_string(w, "mediaType", media_type);
    json_member_int(w, "size", size);
    json_member_string(w, "digest", digest);
    json_end_object(w);
}

static const char *write_manifest(const struct image *image, const struct push_layer *layers, size_t count,
                                  struct strbuf *out)
{
    bool oci = is_oci(layers, count);
    const char *media_type = oci ? MEDIA_OCI_MANIFEST : MEDIA_DOCKER_MANIFEST;
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_member_int(&w, "schemaVersion", 2);
    json_member_string(&w, "mediaType", media_type);
    json_key(&w, "config");
    write_descriptor(&w, oci ? MEDIA_OCI_CONFIG : MEDIA_DOCKER_CONFIG, image->id, (int64_t)strlen(image->config_text));
    json_key(&w, "layers");
    json_begin_array(&w);
    for (size_t i = 0; i < count; i++)
        write_descriptor(
            &w, oci && strcmp(layers[i].media_type, PUSH_MEDIA_GZIP) == 0 ? PUSH_MEDIA_OCI_GZIP : layers[i].media_type,
            layers[i].digest, layers[i].size);
    json_end_array(&w);
    json_end_object(&w);
    return media_type;
}

/* Are the layers the ones that this manifest of the image names? */
static bool manifest_fits(const struct push_manifest *known, const struct image *image, const struct push_layer *layers,
                          size_t count)
{
    const struct manifest *m = &known->manifest;
    bool fits = m->kind == MANIFEST_IMAGE && m->count == count && strcmp(m->config.digest, image->id) == 0;
    for (size_t i = 0; fits && i < count; i++)
        fits = strcmp(m->items[i].digest, layers[i].digest) == 0;
    return fits;
}

void pushed_manifest_release(struct pushed_manifest *manifest)
{
    free(manifest->media_type);
    free(manifest->text);
    *manifest = (struct pushed_manifest){0};
}

/* The one that the image came with, if its layers are the ones that are there now. */
static void choose_manifest(const struct push_layers *layers, struct pushed_manifest *ret)
{
    CLEANUP_STRBUF struct strbuf made = STRBUF_INIT;
    const struct push_manifest *known = NULL;
    for (size_t i = 0; !known && i < layers->known_count; i++)
        if (manifest_fits(&layers->known[i], layers->image, layers->items, layers->count))
            known = &layers->known[i];
    if (known) {
        ret->media_type = xstrdup(known->manifest.media_type);
        ret->text = xstrndup(known->text, known->size);
        ret->size = known->size;
    } else {
        ret->media_type = xstrdup(write_manifest(layers->image, layers->items, layers->count, &made));
        ret->size = made.size;
        ret->text = strbuf_take(&made);
    }
    digest_of(ret->text, ret->size, ret->digest);
}

static int put_manifest(struct push *push, const struct push_layers *layers, const char *tag,
                        struct pushed_manifest *ret, struct error *err)
{
    choose_manifest(layers, ret);
    int rc = registry_put_manifest(push->registry, push->client, tag ? tag : ret->digest, ret->media_type, ret->text,
                                   ret->size, err);
    if (rc < 0)
        return rc;
    struct reference names[] = {
        {.domain = push->options->ref->domain, .path = push->options->ref->path, .digest = ret->digest}};
    const struct image_commit keep = {
        .manifest = ret->text, .manifest_size = ret->size, .refs = names, .ref_count = tag ? 1 : 0};
    return image_add_manifest(push->store, layers->image->id, &keep, err);
}

void push_report(struct push *push, const char *tag, const char *digest, size_t size)
{
    CLEANUP_FREE char *line = xasprintf("%s: digest: %s size: %zu", tag, digest, size);
    push_progress(push, NULL, line, -1, -1);
    if (push->options->pushed)
        push->options->pushed(tag, digest, (int64_t)size, push->options->data);
}

int push_config(struct push *push, const struct image *image, struct error *err)
{
    int64_t size;
    int rc = registry_has_blob(push->registry, push->client, image->id, &size, err);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    struct registry_upload upload = {.text = image->config_text, .size = strlen(image->config_text)};
    return registry_put_blob(push->registry, push->client, &upload, err);
}

/* ---- one tag ---- */

int push_image(struct push *push, const struct image *image, const char *tag, struct pushed_manifest *ret,
               struct error *err)
{
    struct push_layers layers CLEANUP(push_layers_release) = {.push = push, .image = image};
    int rc = push_layers_run(&layers, err);
    if (rc == 0)
        rc = push_config(push, image, err);
    if (rc == 0)
        rc = put_manifest(push, &layers, tag, ret, err);
    return rc;
}

static int push_tag(struct push *push, size_t n, struct error *err)
{
    CLEANUP_PUSHED_MANIFEST struct pushed_manifest pushed = {0};
    if (push->manifests[n].index)
        return push_index(push, n, err);
    int rc = push_image(push, push->images[n], push->tags.items[n], &pushed, err);
    if (rc == 0)
        push_report(push, push->tags.items[n], pushed.digest, pushed.size);
    return rc;
}

static int push_tags(struct push *push, struct error *err)
{
    int rc = registry_connect(push->registry, &push->client, err);
    if (rc == 0 && push->options->bundle)
        rc = push_bundle(push, err);
    for (size_t i = 0; rc == 0 && !push->options->bundle && i < push->tags.count; i++)
        rc = push_tag(push, i, err);
    http_client_free(push->client);
    push->client = NULL;
    return rc;
}

/* ---- which tags, from where to where ---- */

static void add_tag(struct push *push, struct image *image, const char *tag)
{
    push->images = xreallocarray(push->images, push->tags.count + 1, sizeof(*push->images));
    push->images[push->tags.count] = image_ref(image);
    push->manifests = xreallocarray(push->manifests, push->tags.count + 1, sizeof(*push->manifests));
    push->manifests[push->tags.count] = (struct image_manifests){0};
    strv_add(&push->tags, tag);
}

/* With the index that the name stands for, if it does. */
static int add_named(struct push *push, struct image *image, const char *name, const char *tag, struct error *err)
{
    add_tag(push, image, tag);
    return image_manifests_get(push->store, image, name, false, &push->manifests[push->tags.count - 1], err);
}

static int find_one(struct push *push, const struct reference *ref, struct error *err)
{
    CLEANUP_IMAGE struct image *image = NULL;
    CLEANUP_FREE char *name = reference_familiar(ref);
    const char *platform = push->options->platform;
    char id[DIGEST_TEXT_MAX];
    if (!image_resolve(push->store, ref, id))
        return error_set(err, ERROR_NOT_FOUND, 0, "An image does not exist locally with the tag: %s", name);
    int rc = image_lookup_platform(push->store, name, platform, true, &image, err);
    if (rc < 0 && err->kind == ERROR_NOT_FOUND && platform && *platform)
        return error_set(err, ERROR_NOT_FOUND, 0,
                         "image with reference %s was found but does not provide the specified platform (%s)", name,
                         platform);
    if (rc < 0)
        return rc;
    if (!platform || !*platform)
        return add_named(push, image, name, ref->tag, err);
    add_tag(push, image, ref->tag);
    return 0;
}

static int find_bundle(struct push *push)
{
    const struct bundle *bundle = push->options->bundle;
    for (size_t i = 0; i < bundle->count; i++)
        add_tag(push, bundle->items[i].image, push->options->ref->tag ? push->options->ref->tag : "latest");
    return 0;
}

static int find_all(struct push *push, const struct reference *ref, struct error *err)
{
    struct image **images = NULL;
    size_t count = 0;
    int rc = image_list(push->store, &images, &count, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        for (size_t k = 0; rc == 0 && k < images[i]->repo_tags.count; k++) {
            struct reference tag = {0};
            if (!strv_contains(&images[i]->second_names, images[i]->repo_tags.items[k]) &&
                reference_parse(images[i]->repo_tags.items[k], &tag, NULL) == 0 &&
                strcmp(tag.domain, ref->domain) == 0 && strcmp(tag.path, ref->path) == 0)
                rc = add_named(push, images[i], images[i]->repo_tags.items[k], tag.tag, err);
            reference_release(&tag);
        }
    }
    for (size_t i = 0; i < count; i++)
        image_unref(images[i]);
    free(images);
    CLEANUP_FREE char *name = reference_familiar_name(ref);
    return rc < 0 || push->tags.count > 0
               ? rc
               : error_set(err, ERROR_NOT_FOUND, 0, "An image does not exist locally with the tag: %s", name);
}

static int push_to_endpoint(struct push *push, const struct registry_endpoint *endpoint, bool *ret_answered,
                            struct error *err)
{
    CLEANUP_STRV struct strv from = STRV_INIT;
    struct registry_options options = {.endpoint = endpoint,
                                       .ref = push->options->ref,
                                       .auth = push->options->auth,
                                       .push = true,
                                       .mount_from = &from,
                                       .cancelled = is_cancelled,
                                       .data = push};
    CLEANUP_REGISTRY struct registry *registry = NULL;
    int rc = push_mount_sources(push, &from, err);
    if (rc == 0)
        rc = registry_open(&options, &registry, err);
    *ret_answered = rc == 0;
    if (rc < 0)
        return rc;
    push->registry = registry;
    push->stopping = false;
    push->mount_from = &from;
    rc = push_tags(push, err);
    push->mount_from = NULL;
    push->registry = NULL;
    return rc;
}

static int push_to_any(struct push *push, const struct registry_endpoints *endpoints, struct error *err)
{
    bool answered = false;
    int rc = 0;
    for (size_t i = 0; i < endpoints->count; i++) {
        const struct registry_endpoint *endpoint = &endpoints->items[i];
        if (endpoint->mirror || (endpoint->plain_http && answered))
            continue;
        error_clear(err);
        rc = push_to_endpoint(push, endpoint, &answered, err);
        if (rc == 0 || answered || push->cancelled)
            break;
    }
    return rc;
}

int image_push(struct image_store *store, const struct image_push_options *options, struct error *err)
{
    struct push push = {.store = store, .options = options};
    struct error local = {0};
    const struct reference *ref = options->ref;
    CLEANUP_REGISTRY_ENDPOINTS struct registry_endpoints endpoints = {0};
    pthread_mutex_init(&push.progress_mutex, NULL);
    bool one = options->platform && *options->platform;
    int rc = ref->digest        ? error_set(&local, ERROR_INVALID, 0, "cannot push a digest reference")
             : one && !ref->tag ? error_set(&local, ERROR_INVALID, 0, "a platform can be chosen of one tag only")
             : options->bundle  ? find_bundle(&push)
             : ref->tag         ? find_one(&push, ref, &local)
                                : find_all(&push, ref, &local);
    if (rc == 0)
        rc = registry_endpoints_find(ref->domain, options->registries, &endpoints, &local);
    if (rc == 0) {
        CLEANUP_FREE char *name = reference_full_name(ref);
        CLEANUP_FREE char *line = xasprintf("The push refers to repository [%s]", name);
        push_progress(&push, NULL, line, -1, -1);
        rc = push_to_any(&push, &endpoints, &local);
        if (rc < 0 && push.cancelled)
            rc = error_set(&local, ERROR_CANCELLED, 0, "context canceled");
    }
    for (size_t i = 0; i < push.tags.count; i++) {
        image_unref(push.images[i]);
        image_manifests_release(&push.manifests[i]);
    }
    free(push.images);
    free(push.manifests);
    strv_release(&push.tags);
    pthread_mutex_destroy(&push.progress_mutex);
    malloc_trim(0);
    return rc < 0 ? error_propagate(err, &local) : 0;
}
