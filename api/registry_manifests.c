/*
 * GET and POST /distribution/{name}/manifest: a manifest or list of a registry, byte for byte. Endpoints of our own,
 * for `dory manifest`: docker's CLI talks to registries itself, ours leaves that to the daemon, which knows how each of
 * them is reached and trusted.
 */
#include <string.h>

#include "api/images.h"
#include "base/base64.h"
#include "daemon/engine.h"

/* Whom it is about and how to talk to them: read from the request, released in every case. */
struct question {
    struct reference ref;
    struct registry_auth auth;
    struct registry_config registries;
};

static int question_read(struct api_request *request, struct engine *engine, struct question *q, struct error *err)
{
    int r = images_reference(api_path(request, 0), NULL, &q->ref, err);

    if (r == 0)
        r = images_read_auth(request, &q->auth, err);
    images_copy_registries(engine, &q->registries);
    if (r == 0 && api_query_bool(request, "insecure", false))
        strv_add(&q->registries.insecure, q->ref.domain);
    return r;
}

static void question_release(struct question *q)
{
    images_release_registries(&q->registries);
    json_table_release(&images_auth_table, &q->auth);
    reference_release(&q->ref);
}

static void write_document(struct strbuf *out, const struct registry_document *document)
{
    CLEANUP_STRBUF struct strbuf raw = STRBUF_INIT;
    struct json_writer w;

    base64_encode(document->text, document->size, false, &raw);
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_key(&w, "Descriptor");
    json_begin_object(&w);
    json_member_string(&w, "mediaType", document->media_type);
    json_member_string(&w, "digest", document->digest);
    json_member_int(&w, "size", (int64_t)document->size);
    if (document->platform) {
        json_key(&w, "platform");
        json_put_value(&w, document->platform);
    }
    json_end_object(&w);
    json_member_bool(&w, "List", document->is_list);
    json_member_string(&w, "Raw", strbuf_str(&raw));
    json_end_object(&w);
}

static int get_manifest(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP(registry_document_release) struct registry_document document = {0};
    CLEANUP(question_release) struct question q = {0};
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    int r = question_read(request, engine, &q, err);

    if (r == 0)
        r = registry_get_document(&q.registries, &q.ref, &q.auth, &document, err);
    if (r < 0)
        return r;
    write_document(&out, &document);
    return api_reply_json(request, 200, &out);
}

static int put_manifest(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP(question_release) struct question q = {0};
    CLEANUP_STRBUF struct strbuf raw = STRBUF_INIT, out = STRBUF_INIT;
    const struct json *body = NULL;
    struct json_writer w;
    char digest[DIGEST_TEXT_MAX];
    int r = question_read(request, engine, &q, err);

    if (r == 0)
        r = api_body(request, &body, err);
    if (r < 0)
        return r;
    const char *text = json_get_string(body, "Raw"), *media_type = json_get_string(body, "MediaType");
    const char *from = json_get_string(body, "From");

    if (!text || !media_type || base64_decode(text, &raw) < 0 || raw.size == 0)
        return error_set(err, ERROR_INVALID, 0, "MediaType and Raw (a manifest in base64) are needed");
    const struct registry_put put = {
        .media_type = media_type, .text = raw.data, .size = raw.size, .from = from && *from ? from : NULL};

    r = registry_put_document(&q.registries, &q.ref, &q.auth, &put, digest, err);
    if (r < 0)
        return r;
    json_writer_init(&w, &out);
    json_begin_object(&w);
    json_member_string(&w, "Digest", digest);
    json_end_object(&w);
    return api_reply_json(request, 200, &out);
}

const struct api_route api_registry_manifest_routes[] = {
    {"GET", "/distribution/{*}/manifest", get_manifest, 0},
    {"POST", "/distribution/{*}/manifest", put_manifest, API_BODY_JSON},
    {0},
};
