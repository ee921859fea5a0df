#include "cmd/dory/manifest_remote.h"

#include <stdio.h>
#include <string.h>

#include "api/client.h"
#include "base/base64.h"
#include "base/json_edit.h"
#include "cmd/dory/container_create.h"

#define MEDIA_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define MEDIA_DOCKER_LIST "application/vnd.docker.distribution.manifest.list.v2+json"

void manifest_remote_release(struct manifest_remote *remote)
{
    json_free(remote->entry);
    json_free(remote->document);
    *remote = (struct manifest_remote){0};
}

static void path_of(const char *name, bool insecure, struct strbuf *path)
{
    strbuf_adds(path, "/distribution/");
    client_path_escape(path, name);
    strbuf_adds(path, "/manifest");
    client_query_add(path, "insecure", insecure ? "1" : NULL);
}

/* What the daemon says of it, as docker keeps it in a file. */
static int make_entry(const struct json *answer, const char *name, struct manifest_remote *ret, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    const struct json *descriptor = json_get(answer, "Descriptor");
    const char *raw = json_get_string(answer, "Raw"), *type = json_get_string(descriptor, "mediaType");
    if (!raw || !type || base64_decode(raw, &text) < 0)
        return error_set(err, ERROR_INVALID, 0, "the daemon's answer about manifest %s makes no sense", name);
    int r = json_parse(text.data ? text.data : "", text.size, &ret->document, err);
    if (r < 0)
        return error_context(err, "manifest %s", name);
    ret->is_list = json_get_bool(answer, "List", false);
    ret->entry = json_new_object();
    json_set(ret->entry, "Ref", json_new_string(name));
    json_set(ret->entry, "Descriptor", json_copy(descriptor));
    json_set(ret->entry, "Raw", json_new_string(raw));
    json_set(ret->entry, strcmp(type, MEDIA_DOCKER_MANIFEST) == 0 ? "SchemaV2Manifest" : "OCIManifest",
             json_copy(ret->document));
    return 0;
}

int manifest_remote_get(struct cli *cli, const struct reference *ref, bool insecure, struct manifest_remote *ret,
                        struct error *err)
{
    CLEANUP_FREE char *name = reference_full(ref);
    CLEANUP_FREE char *familiar = reference_familiar(ref);
    CLEANUP_FREE char *auth = registry_auth_header(cli, familiar);
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_JSON struct json *answer = NULL;
    struct error failure = {0};
    path_of(name, insecure, &path);
    const char *const headers[] = {auth, NULL};
    struct client_request request = {.path = strbuf_str(&path), .headers = headers};
    int r = client_json(cli_client(cli), &request, &answer, &failure);
    if (r < 0 && failure.kind == ERROR_NOT_FOUND)
        return error_set(err, ERROR_NOT_FOUND, 0, "no such manifest: %s", name);
    return r < 0 ? error_propagate(err, &failure) : make_entry(answer, name, ret, err);
}

int manifest_remote_put(struct cli *cli, const char *where, const char *media_type, const char *raw, const char *from,
                        bool insecure, char **ret_digest, struct error *err)
{
    CLEANUP_FREE char *auth = registry_auth_header(cli, where);
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT, body = STRBUF_INIT;
    CLEANUP_JSON struct json *answer = NULL;
    struct json_writer w;
    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_member_string(&w, "MediaType", media_type);
    json_member_string(&w, "Raw", raw);
    json_member_string(&w, "From", from);
    json_end_object(&w);
    path_of(where, insecure, &path);
    const char *const headers[] = {auth, NULL};
    struct client_request request = {
        .method = "POST", .path = strbuf_str(&path), .headers = headers, .body = body.data, .body_size = body.size};
    int r = client_json(cli_client(cli), &request, &answer, err);
    const char *digest = json_get_string(answer, "Digest");
    *ret_digest = r == 0 ? xstrdup(digest ? digest : "") : NULL;
    return r;
}

/* ---- lists ---- */

static void write_member(struct json_writer *w, const struct json *descriptor)
{
    json_begin_object(w);
    json_member_string(w, "mediaType", json_get_string(descriptor, "mediaType"));
    json_member_int(w, "size", json_get_int(descriptor, "size", 0));
    json_member_string(w, "digest", json_get_string(descriptor, "digest"));
    const struct json *platform = json_get(descriptor, "platform");
    static const char *const texts[] = {"architecture", "os", "os.version", NULL, "variant"};
    json_key(w, "platform");
    json_begin_object(w);
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        const char *text = texts[i] ? json_get_string(platform, texts[i]) : NULL;
        const struct json *features = json_get(platform, "os.features");
        if (!texts[i] && json_count(features) > 0) {
            json_key(w, "os.features");
            json_put_value(w, features);
        } else if (text && (*text || i < 2)) {
            json_member_string(w, texts[i], text);
        } else if (i < 2) {
            json_member_string(w, texts[i], "");
        }
    }
    json_end_object(w);
    json_end_object(w);
}

void manifest_list_write(const struct manifest_list *list, struct strbuf *out)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    CLEANUP_JSON struct json *tree = NULL;
    struct json_writer w;
    json_writer_init(&w, &text);
    json_begin_object(&w);
    json_member_int(&w, "schemaVersion", 2);
    json_member_string(&w, "mediaType", MEDIA_DOCKER_LIST);
    json_key(&w, "manifests");
    json_begin_array(&w);
    for (size_t i = 0; i < list->count; i++)
        write_member(&w, json_get(list->items[i], "Descriptor"));
    json_end_array(&w);
    json_end_object(&w);
    if (json_parse(text.data, text.size, &tree, NULL) == 0)
        json_print(tree, "   ", 0, out);
}
