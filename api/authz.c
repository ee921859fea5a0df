#include "api/authz.h"

#include <errno.h>
#include <strings.h>

#include "api/client.h"
#include "api/plugin.h"
#include "api/request.h"
#include "base/base64.h"

#define PATIENCE_MS 30000
#define ANSWER_MAX ((size_t)1024 * 1024)
#define PLUGIN_TYPE "application/vnd.docker.plugins.v1.2+json"

/* POSTs to a plugin; *ret is its answer. */
static int call(const char *name, const char *method, const struct strbuf *body, struct json **ret, struct error *err)
{
    static const char *const headers[] = {"Accept: " PLUGIN_TYPE, NULL};
    CLEANUP_FREE char *host = NULL, *text = NULL;
    struct client *client = NULL;
    size_t size = 0;
    int r = plugin_find(name, &host, err);

    if (r == 0)
        r = client_new(host, NULL, &client, err);
    if (r == 0) {
        client_to_service(client, PATIENCE_MS);
        r = client_call(client,
                        &(struct client_request){.method = "POST",
                                                 .path = method,
                                                 .body = body ? strbuf_str(body) : NULL,
                                                 .body_size = body ? body->size : 0,
                                                 .content_type = PLUGIN_TYPE,
                                                 .headers = headers},
                        &text, &size, NULL, err);
    }
    client_free(client);
    if (r == 0 && size > ANSWER_MAX)
        r = error_set(err, ERROR_SYSTEM, EFBIG, "its answer is too long");
    return r < 0 ? r : json_parse(text, size, ret, err);
}

static int check_one(const char *name, struct error *err)
{
    CLEANUP_JSON struct json *answer = NULL;
    int r = call(name, "/Plugin.Activate", NULL, &answer, err);
    const struct json *list = r < 0 ? NULL : json_get(answer, "Implements");

    if (r < 0)
        return r;
    for (size_t i = 0; i < json_count(list); i++) {
        const char *kind = json_string(json_at(list, i));

        if (kind && strcasecmp(kind, "authz") == 0)
            return 0;
    }
    return error_set(err, ERROR_INVALID, 0, "plugin \"%s\" does not implement authz", name);
}

int authz_check(const struct strv *plugins, struct error *err)
{
    for (size_t i = 0; i < plugins->count; i++) {
        int r = check_one(plugins->items[i], err);

        if (r < 0)
            return error_context(err, "error validating authorization plugin: %s", plugins->items[i]);
    }
    return 0;
}

/* ---- what is told ---- */

static void put_headers(struct json_writer *w, const char *key, const struct strmap *headers)
{
    json_key(w, key);
    json_begin_object(w);
    for (size_t i = 0; i < headers->count; i++) {
        const char *name = headers->items[i].key;

        /* What is in these is nobody's to know. */
        if (strcasecmp(name, "X-Registry-Auth") != 0 && strcasecmp(name, "X-Registry-Config") != 0)
            json_member_string(w, name, headers->items[i].value);
    }
    json_end_object(w);
}

/*
 * But for what is said of passwords. The whole of it, however long and whatever its type is called: what a handler
 * reads is what the plugin has judged. (The limit of bodies is API_BODY_MAX; archives and streams are no such bodies.)
 */
static void put_body(struct json_writer *w, const char *key, const struct api_request *request,
                     const struct strbuf *body)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

    if (body->size == 0 || (request->target.path && strcmp(request->target.path, "/auth") == 0))
        return;
    base64_encode(body->data, body->size, false, &text);
    json_member_string(w, key, strbuf_str(&text));
}

static void put_request(struct json_writer *w, const struct api_request *request)
{
    json_member_string(w, "RequestMethod", request->method);
    json_member_string(w, "RequestUri", request->target_text);
    put_headers(w, "RequestHeaders", &request->headers);
    put_body(w, "RequestBody", request, &request->body);
}

static int ask(const char *name, const char *method, const struct strbuf *body, struct error *err)
{
    CLEANUP_JSON struct json *answer = NULL;
    struct error failure = {0};
    const char *why, *failed;

    if (call(name, method, body, &answer, &failure) < 0)
        return error_set(err, ERROR_SYSTEM, EIO, "plugin %s failed with error: %s", name, failure.message);
    why = json_get_string(answer, "Msg");
    failed = json_get_string(answer, "Err");
    if (json_get_bool(answer, "Allow", false) && (!failed || !*failed))
        return 0;
    why = why && *why ? why : failed;
    return error_set(err, ERROR_FORBIDDEN, EACCES, "authorization denied by plugin %s: %s", name, why ? why : "");
}

int authz_request(const struct api_request *request, const struct strv *plugins, struct error *err)
{
    CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
    struct json_writer w;
    int r = 0;

    json_writer_init(&w, &body);
    json_begin_object(&w);
    put_request(&w, request);
    json_end_object(&w);
    for (size_t i = 0; r == 0 && i < plugins->count; i++)
        r = ask(plugins->items[i], "/AuthZPlugin.AuthZReq", &body, err);
    return r;
}

int authz_response(const struct api_request *request, const struct strv *plugins, struct error *err)
{
    CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
    struct json_writer w;
    int r = 0;

    json_writer_init(&w, &body);
    json_begin_object(&w);
    put_request(&w, request);
    json_member_int(&w, "ResponseStatusCode", request->status ? request->status : 101);
    put_headers(&w, "ResponseHeaders", &request->reply_headers);
    put_body(&w, "ResponseBody", request, &request->reply_body);
    json_end_object(&w);
    for (size_t i = plugins->count; r == 0 && i > 0; i--) /* from the last to the first */
        r = ask(plugins->items[i - 1], "/AuthZPlugin.AuthZRes", &body, err);
    return r;
}
