#include "image/manifest.h"

#include "base/json.h"

static const struct {
    const char *media_type;
    enum manifest_kind kind;
} manifest_types[] = {
    {MEDIA_DOCKER_MANIFEST, MANIFEST_IMAGE},
    {MEDIA_OCI_MANIFEST, MANIFEST_IMAGE},
    {MEDIA_DOCKER_LIST, MANIFEST_LIST},
    {MEDIA_OCI_INDEX, MANIFEST_LIST},
};

/* What servers say that do not know the type of what they serve. */
static const char *const general_types[] = {"", "application/json", "application/octet-stream", "text/plain",
                                            "binary/octet-stream"};

/* The last four are what some old registries and tools wrote; docker takes them for images too. */
static const char *const config_types[] = {
    "application/vnd.docker.container.image.v1+json",
    "application/vnd.oci.image.config.v1+json",
    "application/octet-stream",
    "application/json",
    "text/html",
    "",
};

static const struct {
    const char *media_type;
    bool foreign;
} layer_types[] = {
    {"application/vnd.docker.image.rootfs.diff.tar.gzip", false},
    {"application/vnd.docker.image.rootfs.diff.tar.zstd", false},
    {"application/vnd.docker.image.rootfs.diff.tar", false},
    {"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", true},
    {"application/vnd.docker.image.rootfs.foreign.diff.tar.zstd", true},
    {"application/vnd.docker.image.rootfs.foreign.diff.tar", true},
    {"application/vnd.oci.image.layer.v1.tar+gzip", false},
    {"application/vnd.oci.image.layer.v1.tar+zstd", false},
    {"application/vnd.oci.image.layer.v1.tar", false},
    {"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", true},
    {"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", true},
    {"application/vnd.oci.image.layer.nondistributable.v1.tar", true},
};

static bool is_one_of(const char *s, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(s, names[i]) == 0)
            return true;
    return false;
}

static int unsupported(const char *media_type, struct error *err)
{
    return error_set(err, ERROR_INVALID, 0, "unsupported media type %s", media_type);
}

static int schema1(struct error *err)
{
    return error_set(err, ERROR_INVALID, 0,
                     "Docker Image manifest version 2, schema 1 is not supported: the image must be pushed again in "
                     "the OCI format or as Docker Image manifest version 2, schema 2");
}

static void descriptor_release(struct descriptor *d)
{
    free(d->media_type);
    strv_release(&d->urls);
}

void manifest_release(struct manifest *manifest)
{
    free(manifest->media_type);
    descriptor_release(&manifest->config);
    for (size_t i = 0; i < manifest->count; i++)
        descriptor_release(&manifest->items[i]);
    free(manifest->items);
    *manifest = (struct manifest){0};
}

static int parse_urls(const struct json *value, struct strv *ret, struct error *err)
{
    for (size_t i = 0; i < json_count(value); i++) {
        const char *url = json_string(json_at(value, i));
        if (!url || i >= 16)
            return error_set(err, ERROR_INVALID, 0, "invalid manifest: the urls of a descriptor are malformed");
        strv_add(ret, url);
    }
    return 0;
}

static int parse_descriptor(const struct json *value, const char *what, struct descriptor *ret, struct error *err)
{
    const char *digest = json_get_string(value, "digest"), *type = json_get_string(value, "mediaType");
    int64_t size = json_get_int(value, "size", -1);
    if (!digest_is_valid(digest))
        return error_set(err, ERROR_INVALID, 0, "invalid manifest: %s has no valid digest", what);
    if (size < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid manifest: %s has no valid size", what);
    if (!type && json_get(value, "mediaType"))
        return error_set(err, ERROR_INVALID, 0, "invalid manifest: %s has no valid media type", what);
    ret->media_type = xstrdup(type ? type : "");
    memcpy(ret->digest, digest, strlen(digest) + 1);
    ret->size = size;
    const struct json *platform = json_get(value, "platform");
    const char *os = json_get_string(platform, "os"), *architecture = json_get_string(platform, "architecture");
    ret->has_platform = (os && *os) || (architecture && *architecture);
    platform_set(&ret->platform, os, architecture, json_get_string(platform, "variant"));
    return parse_urls(json_get(value, "urls"), &ret->urls, err);
}

static int parse_items(const struct json *array, const char *name, const char *what, size_t limit, struct manifest *ret,
                       struct error *err)
{
    if (!array || array->kind != JSON_ARRAY)
        return error_set(err, ERROR_INVALID, 0, "invalid manifest: \"%s\" is missing", name);
    size_t count = json_count(array);
    if (count > limit)
        return error_set(err, ERROR_INVALID, 0, "invalid manifest: %zu entries in \"%s\", at most %zu are allowed",
                         count, name, limit);
    ret->items = xcalloc(count ? count : 1, sizeof *ret->items);
    for (size_t i = 0; i < count; i++) {
        ret->count = i + 1;
        int rc = parse_descriptor(json_at(array, i), what, &ret->items[i], err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int check_layer_type(const struct descriptor *layer, struct error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(layer_types); i++)
        if (strcmp(layer->media_type, layer_types[i].media_type) == 0)
            return 0;
    return unsupported(layer->media_type[0] ? layer->media_type : "\"\" of a layer", err);
}

bool descriptor_is_foreign(const struct descriptor *layer)
{
    for (size_t i = 0; i < ARRAY_SIZE(layer_types); i++)
        if (strcmp(layer->media_type, layer_types[i].media_type) == 0)
            return layer_types[i].foreign;
    return false;
}

static int parse_image(const struct json *root, bool loose, struct manifest *ret, struct error *err)
{
    if (json_get(root, "manifests"))
        return error_set(err, ERROR_INVALID, 0, "invalid manifest: expected a manifest but found 'manifests'");
    const char *artifact = json_get_string(root, "artifactType");
    int rc = parse_descriptor(json_get(root, "config"), "the config", &ret->config, err);
    if (rc < 0)
        return rc;
    const char *type = ret->config.media_type;
    if (strcmp(type, "application/vnd.docker.plugin.v1+json") == 0)
        return error_set(err, ERROR_INVALID, 0, "Encountered remote \"%s\"(plugin) when fetching", type);
    if (!loose && !is_one_of(type, config_types, ARRAY_SIZE(config_types)))
        return unsupported(type, err);
    if (!loose && artifact && *artifact && strcmp(artifact, config_types[1]) != 0)
        return unsupported(artifact, err);
    if (ret->config.size > MANIFEST_CONFIG_SIZE_MAX)
        return error_set(err, ERROR_INVALID, 0, "invalid manifest: the config is larger than %d bytes",
                         MANIFEST_CONFIG_SIZE_MAX);
    rc = parse_items(json_get(root, "layers"), "layers", "a layer", MANIFEST_LAYERS_MAX, ret, err);
    for (size_t i = 0; !loose && rc == 0 && i < ret->count; i++)
        rc = check_layer_type(&ret->items[i], err);
    return rc;
}

static int parse_list(const struct json *root, struct manifest *ret, struct error *err)
{
    if (json_get(root, "config") || json_get(root, "layers") || json_get(root, "fsLayers"))
        return error_set(err, ERROR_INVALID, 0, "invalid manifest: expected index but found image");
    return parse_items(json_get(root, "manifests"), "manifests", "an entry", MANIFEST_LIST_MAX, ret, err);
}

/* Media type of a Content-Type header, without parameters. The caller frees. */
static char *media_type_of(const char *content_type)
{
    if (!content_type)
        content_type = "";
    content_type += strspn(content_type, " \t");
    return xstrndup(content_type, strcspn(content_type, "; \t"));
}

/* What the document is, by the header and by itself; both must agree. */
static int settle_type(const char *content_type, const struct json *root, char **ret, struct error *err)
{
    CLEANUP_FREE char *outer = media_type_of(content_type);
    const char *inner = json_get_string(root, "mediaType");
    if (strcmp(outer, MEDIA_DOCKER_SCHEMA1) == 0 || strcmp(outer, MEDIA_DOCKER_SCHEMA1_SIGNED) == 0 ||
        json_get_int(root, "schemaVersion", 2) == 1)
        return schema1(err);
    if (is_one_of(outer, general_types, ARRAY_SIZE(general_types))) {
        if (!inner)
            return error_set(err, ERROR_INVALID, 0, "unsupported manifest media type and no default available: %s",
                             outer);
        *ret = xstrdup(inner);
        return 0;
    }
    if (inner ? strcmp(inner, outer) != 0 : strstr(outer, "vnd.docker.") != NULL)
        return error_set(err, ERROR_INVALID, 0, "mediaType in manifest should be '%s' not '%s'", outer,
                         inner ? inner : "");
    *ret = TAKE_PTR(outer);
    return 0;
}

static int parse_root(const char *content_type, const struct json *root, bool loose, struct manifest *ret,
                      struct error *err)
{
    if (root->kind != JSON_OBJECT)
        return error_set(err, ERROR_INVALID, 0, "invalid manifest: not a JSON object");
    int rc = settle_type(content_type, root, &ret->media_type, err);
    if (rc < 0)
        return rc;
    if (json_get_int(root, "schemaVersion", 0) != 2)
        return error_set(err, ERROR_INVALID, 0, "unrecognized manifest schema version %lld",
                         (long long)json_get_int(root, "schemaVersion", 0));
    for (size_t i = 0; i < ARRAY_SIZE(manifest_types); i++)
        if (strcmp(ret->media_type, manifest_types[i].media_type) == 0) {
            ret->kind = manifest_types[i].kind;
            return ret->kind == MANIFEST_LIST ? parse_list(root, ret, err) : parse_image(root, loose, ret, err);
        }
    return unsupported(ret->media_type, err);
}

static int parse(const char *content_type, const char *text, size_t size, bool loose, struct manifest *ret,
                 struct error *err)
{
    if (size > MANIFEST_SIZE_MAX)
        return error_set(err, ERROR_INVALID, 0, "invalid manifest: larger than %d bytes", MANIFEST_SIZE_MAX);
    CLEANUP_JSON struct json *root = NULL;
    if (json_parse(text, size, &root, err) < 0)
        return error_context(err, "invalid manifest");
    CLEANUP_MANIFEST struct manifest manifest = {0};
    int rc = parse_root(content_type, root, loose, &manifest, err);
    if (rc < 0)
        return rc;
    *ret = manifest;
    manifest = (struct manifest){0};
    return 0;
}

int manifest_parse(const char *content_type, const char *text, size_t size, struct manifest *ret, struct error *err)
{
    return parse(content_type, text, size, false, ret, err);
}

int manifest_parse_loose(const char *content_type, const char *text, size_t size, struct manifest *ret,
                         struct error *err)
{
    return parse(content_type, text, size, true, ret, err);
}

int manifest_choose(const struct manifest *list, const struct platform *platform, const struct descriptor **ret,
                    struct error *err)
{
    enum { NO_PLATFORM = 1000 };
    const struct descriptor *best = NULL;
    int best_distance = -1;
    for (size_t i = 0; i < list->count; i++) {
        const struct descriptor *item = &list->items[i];
        int distance = item->has_platform ? platform_distance(platform, &item->platform) : NO_PLATFORM;
        if (distance >= 0 && (!best || distance < best_distance)) {
            best = item;
            best_distance = distance;
        }
    }
    if (!best) {
        char text[PLATFORM_TEXT_MAX];
        platform_format(platform, text);
        return error_set(err, ERROR_NOT_FOUND, 0, "no matching manifest for %s in the manifest list entries", text);
    }
    *ret = best;
    return 0;
}
