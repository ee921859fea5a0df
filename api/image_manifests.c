/* Descriptor and Manifests of an image, as the API shows them since 1.48 (OCI image-spec, descriptor.md). */
#include "api/images.h"

#include <string.h>

#include "base/log.h"
#include "daemon/engine.h"
#include "image/manifests.h"

int images_manifests(struct engine *engine, const struct image *image, const char *name, bool alone,
                     struct image_manifests *ret, struct error *err)
{
    struct error failure = {0};
    int r = image_manifests_get(engine_images(engine), image, name, alone, ret, &failure);

    if (r < 0 && failure.kind == ERROR_NOT_FOUND)
        return error_propagate(err, &failure);
    if (r < 0) {
        log_warn("image %s is shown without its manifests: %s", image->id, failure.message);
        image_manifests_release(ret);
    }
    return 0;
}

/* ---- descriptors ---- */

/* Members of a descriptor that are texts, and those of its platform. */
static const char *const platform_texts[] = {"architecture", "os", "os.version", "variant"};

static void write_texts(struct json_writer *w, const struct json *from, const char *const *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *text = json_get_string(from, keys[i]);

        if (text && *text)
            json_member_string(w, keys[i], text);
    }
}

static void write_list(struct json_writer *w, const char *key, const struct json *from)
{
    if (json_count(from) == 0)
        return;
    json_key(w, key);
    json_begin_array(w);
    for (size_t i = 0; i < json_count(from); i++) {
        if (json_string(json_at(from, i)))
            json_put_string(w, json_string(json_at(from, i)));
    }
    json_end_array(w);
}

static void write_annotations(struct json_writer *w, const struct json *annotations)
{
    if (!annotations || annotations->kind != JSON_OBJECT || annotations->object.count == 0)
        return;
    json_key(w, "annotations");
    json_begin_object(w);
    for (size_t i = 0; i < annotations->object.count; i++) {
        const char *value = json_string(&annotations->object.values[i]);

        if (value)
            json_member_string(w, annotations->object.keys[i], value);
    }
    json_end_object(w);
}

static void write_platform(struct json_writer *w, const char *key, const struct json *platform)
{
    json_key(w, key);
    json_begin_object(w);
    write_texts(w, platform, platform_texts, ARRAY_SIZE(platform_texts));
    write_list(w, "os.features", json_get(platform, "os.features"));
    json_end_object(w);
}

/* item: what an index says of it beyond that, or NULL. What is not of its type there is left out. */
static void write_descriptor(struct json_writer *w, const char *key, const char *media_type, const char *digest,
                             int64_t size, const struct json *item)
{
    static const char *const texts[] = {"data", "artifactType"};
    const struct json *platform = json_get(item, "platform");

    json_key(w, key);
    json_begin_object(w);
    json_member_string(w, "mediaType", media_type);
    json_member_string(w, "digest", digest);
    json_member_int(w, "size", size);
    write_list(w, "urls", json_get(item, "urls"));
    write_annotations(w, json_get(item, "annotations"));
    if (platform && platform->kind == JSON_OBJECT)
        write_platform(w, "platform", platform);
    write_texts(w, item, texts, ARRAY_SIZE(texts));
    json_end_object(w);
}

void images_write_descriptor(struct json_writer *w, const struct image_manifests *manifests)
{
    if (manifests->digest[0])
        write_descriptor(w, "Descriptor", manifests->media_type, manifests->digest, manifests->size,
                         manifests->count == 1 && strcmp(manifests->digest, manifests->items[0].digest) == 0
                             ? manifests->items[0].item
                             : NULL);
}

void images_write_instead(struct json_writer *w, const struct image_pushed_instead *what)
{
    const struct image_manifests *index = what->index;

    json_begin_object(w);
    json_member_bool(w, "manifestPushedInsteadOfIndex", true);
    write_descriptor(w, "originalIndex", index->media_type, index->digest, index->size, NULL);
    write_descriptor(w, "selectedManifest", what->media_type, what->digest, what->size, what->item);
    json_end_object(w);
}

/* ---- manifests ---- */

/* The manifest that an attestation of BuildKit's is for; NULL: it is none. */
static const char *attested(const struct json *item)
{
    const struct json *annotations = json_get(item, "annotations");
    const char *type = json_get_string(annotations, "vnd.docker.reference.type");

    return type && strcmp(type, "attestation-manifest") == 0
               ? json_get_string(annotations, "vnd.docker.reference.digest")
               : NULL;
}

static bool is_unknown(const struct json *platform)
{
    const char *os = json_get_string(platform, "os");

    return os && strcmp(os, "unknown") == 0;
}

static void write_image_data(struct json_writer *w, const struct image_manifest *manifest, struct engine *engine)
{
    const struct json *platform = json_get(manifest->item, "platform");
    CLEANUP_STRV struct strv containers = STRV_INIT;

    json_key(w, "ImageData");
    json_begin_object(w);
    if (platform && platform->kind == JSON_OBJECT) {
        write_platform(w, "Platform", platform);
    } else {
        json_key(w, "Platform");
        json_begin_object(w);
        json_member_string(w, "architecture", manifest->image ? manifest->image->architecture : "");
        json_member_string(w, "os", manifest->image ? manifest->image->os : "");
        if (manifest->image && manifest->image->variant && *manifest->image->variant)
            json_member_string(w, "variant", manifest->image->variant);
        json_end_object(w);
    }
    if (manifest->image)
        engine_image_users(engine, manifest->image->id, &containers);
    json_key(w, "Containers");
    json_begin_array(w);
    for (size_t i = 0; i < containers.count; i++)
        json_put_string(w, containers.items[i]);
    json_end_array(w);
    json_key(w, "Size");
    json_begin_object(w);
    json_member_int(w, "Unpacked", manifest->image ? manifest->image->size : 0);
    json_end_object(w);
    json_end_object(w);
}

static void write_manifest(struct json_writer *w, const struct image_manifest *manifest, struct engine *engine)
{
    const char *attests = attested(manifest->item);
    bool image = !attests && !is_unknown(json_get(manifest->item, "platform"));

    json_begin_object(w);
    json_member_string(w, "ID", manifest->digest);
    write_descriptor(w, "Descriptor", manifest->media_type, manifest->digest, manifest->size, manifest->item);
    json_member_bool(w, "Available", manifest->image != NULL);
    json_key(w, "Size");
    json_begin_object(w);
    json_member_int(w, "Content", manifest->content);
    json_member_int(w, "Total", manifest->content + (manifest->image ? manifest->image->size : 0));
    json_end_object(w);
    json_member_string(w, "Kind", attests ? "attestation" : image ? "image" : "unknown");
    if (image)
        write_image_data(w, manifest, engine);
    if (attests) {
        json_key(w, "AttestationData");
        json_begin_object(w);
        json_member_string(w, "For", attests);
        json_end_object(w);
    }
    json_end_object(w);
}

void images_write_manifests(struct json_writer *w, const struct image_manifests *manifests, struct engine *engine)
{
    json_key(w, "Manifests");
    json_begin_array(w);
    for (size_t i = 0; i < manifests->count; i++)
        write_manifest(w, &manifests->items[i], engine);
    json_end_array(w);
}

/* ---- the whole of it ---- */

/* The image itself first, and each platform once. The caller frees the array alone. */
static struct image **parts_of(const struct image *image, const struct image_manifests *manifests, size_t *ret_count)
{
    struct image **parts = xcalloc(manifests->count + 1, sizeof(*parts));
    size_t count = 0;

    parts[count++] = (struct image *)image;
    for (size_t i = 0; i < manifests->count; i++) {
        struct image *part = manifests->items[i].image;
        size_t k = 0;

        while (part && k < count && strcmp(parts[k]->id, part->id) != 0)
            k++;
        if (part && k == count)
            parts[count++] = part;
    }
    *ret_count = count;
    return parts;
}

int64_t images_whole_size(const struct image *image, const struct image_manifests *manifests)
{
    size_t count;
    CLEANUP_FREE struct image **parts = parts_of(image, manifests, &count);

    return count == 1 ? image->size : images_layers_size(parts, count);
}

int64_t images_whole_containers(struct engine *engine, const struct image *image,
                                const struct image_manifests *manifests)
{
    size_t count;
    CLEANUP_FREE struct image **parts = parts_of(image, manifests, &count);
    int64_t n = 0;

    for (size_t i = 0; i < count; i++)
        n += engine_image_containers(engine, parts[i]->id);
    return n;
}
