/* Manifests and lists as they are, to and from a registry, without an image of the store: for `manifest`. */
#include <errno.h>

#include "base/memory.h"
#include "image/ask_registry.h"
#include "image/digest.h"

/* ---- getting one ---- */

struct get_job {
    const struct reference *ref;
    struct registry_document *ret;
};

void registry_document_release(struct registry_document *document)
{
    free(document->media_type);
    free(document->text);
    json_free(document->platform);
    *document = (struct registry_document){0};
}

/* An artifact's config, if it is one at all, tells no platform. */
static bool is_image_config(const char *media_type)
{
    return strcmp(media_type, "application/vnd.docker.container.image.v1+json") == 0 ||
           strcmp(media_type, "application/vnd.oci.image.config.v1+json") == 0;
}

static int ask_document(struct registry *registry, struct http_client *client, void *data, struct error *err)
{
    const struct get_job *job = data;
    CLEANUP_REGISTRY_MANIFEST struct registry_manifest found = {0};
    CLEANUP_MANIFEST struct manifest manifest = {0};
    CLEANUP_STRBUF struct strbuf platform = STRBUF_INIT;
    const char *wanted = job->ref->digest ? job->ref->digest : job->ref->tag;
    int rc = registry_get_manifest(registry, client, wanted, &found, err);
    if (rc == 0)
        rc = manifest_parse_loose(found.content_type, found.text, found.size, &manifest, err);
    if (rc == 0 && manifest.kind == MANIFEST_IMAGE && is_image_config(manifest.config.media_type)) {
        struct json_writer w;
        json_writer_init(&w, &platform);
        rc = ask_config_platform(registry, client, &manifest.config, &w, err);
        if (rc == 0)
            rc = json_parse(platform.data, platform.size, &job->ret->platform, err);
    }
    if (rc < 0)
        return rc;
    job->ret->media_type = xstrdup(manifest.media_type);
    job->ret->is_list = manifest.kind == MANIFEST_LIST;
    memcpy(job->ret->digest, found.digest, sizeof(job->ret->digest));
    job->ret->text = TAKE_PTR(found.text);
    job->ret->size = found.size;
    return 0;
}

int registry_get_document(const struct registry_config *config, const struct reference *ref,
                          const struct registry_auth *auth, struct registry_document *ret, struct error *err)
{
    struct registry_options options = {.ref = ref, .auth = auth};
    struct get_job job = {.ref = ref, .ret = ret};
    return ask_registry(config, ref->domain, &options, ask_document, &job, err);
}

/* ---- putting one ---- */

struct put_job {
    const struct reference *ref;
    const struct registry_put *put;
    const struct manifest *manifest;
};

/* What the manifest names must be in its repository before it is taken. */
static int bring_blob(struct registry *registry, struct http_client *client, const struct put_job *job,
                      const struct descriptor *blob, struct error *err)
{
    int64_t size;
    int rc = registry_has_blob(registry, client, blob->digest, &size, err);
    if (rc != 0 || !job->put->from)
        return rc < 0 ? rc : 0; /* without a source the registry says what it misses */
    rc = registry_mount_blob(registry, client, blob->digest, job->put->from, err);
    if (rc == 0)
        return error_set(err, ERROR_UNAVAILABLE, 0, "the registry does not mount blob %s from %s into %s", blob->digest,
                         job->put->from, job->ref->path);
    return rc < 0 ? rc : 0;
}

static int put_document(struct registry *registry, struct http_client *client, void *data, struct error *err)
{
    const struct put_job *job = data;
    const struct manifest *m = job->manifest;
    const struct registry_put *put = job->put;
    int rc = 0;
    if (m->kind == MANIFEST_IMAGE) {
        rc = bring_blob(registry, client, job, &m->config, err);
        for (size_t i = 0; rc == 0 && i < m->count; i++)
            if (!descriptor_is_foreign(&m->items[i]))
                rc = bring_blob(registry, client, job, &m->items[i], err);
    }
    const char *where = job->ref->digest ? job->ref->digest : job->ref->tag;
    return rc < 0 ? rc : registry_put_manifest(registry, client, where, m->media_type, put->text, put->size, err);
}

int registry_put_document(const struct registry_config *config, const struct reference *ref,
                          const struct registry_auth *auth, const struct registry_put *put,
                          char ret_digest[DIGEST_TEXT_MAX], struct error *err)
{
    CLEANUP_MANIFEST struct manifest manifest = {0};
    CLEANUP_STRV struct strv from = STRV_INIT;
    struct registry_options options = {.ref = ref, .auth = auth, .push = true, .mount_from = &from};
    struct put_job job = {.ref = ref, .put = put, .manifest = &manifest};
    if (put->from)
        strv_add(&from, put->from);
    digest_of(put->text, put->size, ret_digest);
    if (ref->digest && strcmp(ref->digest, ret_digest) != 0)
        return error_set(err, ERROR_INVALID, 0, "the manifest's digest is %s, not %s", ret_digest, ref->digest);
    int rc = manifest_parse_loose(put->media_type, put->text, put->size, &manifest, err);
    return rc < 0 ? rc : ask_registry(config, ref->domain, &options, put_document, &job, err);
}
