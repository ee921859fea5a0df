/* Writing to a registry (OCI distribution-spec, "Push"). */
#include <errno.h>

#include "base/memory.h"
#include "image/digest.h"
#include "image/registry.h"
#include "image/registry_session.h"

#define ANSWER_MAX (64 * 1024)

static int push_failure(const struct http_response *response, struct error *err)
{
    CLEANUP_REGISTRY_FAILURE struct registry_failure failure = {0};
    registry_failure_of(response, &failure);
    bool denied = response->status == 401 || response->status == 403;
    enum error_kind kind = denied                        ? ERROR_UNAUTHORIZED
                           : response->status / 100 == 4 ? ERROR_INVALID
                                                         : ERROR_UNAVAILABLE;
    return error_set(err, kind, 0, "%s", failure.message);
}

/* With attempts, for requests that may be sent again. */
static int ask(struct registry *registry, struct http_client *client, const struct http_request *request,
               struct http_response *response, struct error *err)
{
    for (int attempt = 0;; attempt++) {
        struct error failure = {0};
        http_response_release(response);
        int rc = registry_request(registry, client, request, response, &failure);
        if (rc == 0 && response->status / 100 == 2)
            return 0;
        if (registry_wait_for_retry(registry, attempt, rc, response, NULL, NULL, &failure))
            continue;
        if (rc < 0 || failure.kind == ERROR_CANCELLED)
            return error_propagate(err, &failure);
        return 0;
    }
}

/* Where an upload goes is the registry's word. Another origin is told no credentials. */
static int ask_at(struct registry *registry, struct http_client *client, struct http_request *request,
                  struct http_response *response, struct error *err)
{
    http_response_release(response);
    if (http_same_origin(client, request->url, registry->options.endpoint->url))
        return registry_request(registry, client, request, response, err);
    request->cancelled = registry->options.cancelled;
    request->cancel_data = registry->options.data;
    return http_perform(client, request, response, err);
}

static char *repository_url(const struct registry *registry, const char *rest)
{
    return xasprintf("%s/v2/%s/%s", registry->options.endpoint->url, registry->options.ref->path, rest);
}

int registry_has_blob(struct registry *registry, struct http_client *client, const char *digest, int64_t *ret_size,
                      struct error *err)
{
    CLEANUP_FREE char *rest = xasprintf("blobs/%s", digest);
    CLEANUP_FREE char *url = repository_url(registry, rest);
    CLEANUP_HTTP_RESPONSE struct http_response response = {0};
    struct http_request request = {.method = "HEAD", .url = url, .limit = ANSWER_MAX};
    int rc = ask(registry, client, &request, &response, err);
    if (rc < 0)
        return rc;
    if (response.status == 404)
        return 0;
    if (response.status != 200)
        return push_failure(&response, err);
    *ret_size = response.content_length;
    return response.content_length >= 0;
}

/* POST: 201 when it was mounted, else where the bytes go. */
static int begin_upload(struct registry *registry, struct http_client *client, const char *mount, const char *from,
                        struct http_response *response, struct error *err)
{
    CLEANUP_STRBUF struct strbuf rest = STRBUF_INIT;
    strbuf_adds(&rest, "blobs/uploads/");
    if (mount) {
        http_add_parameter(&rest, '?', "mount", mount);
        http_add_parameter(&rest, '&', "from", from);
    }
    CLEANUP_FREE char *url = repository_url(registry, strbuf_str(&rest));
    struct http_request request = {.method = "POST", .url = url, .body = "", .limit = ANSWER_MAX};
    int rc = ask(registry, client, &request, response, err);
    if (rc < 0)
        return rc;
    if (response->status == 201 && mount)
        return 1;
    if (response->status != 202)
        return push_failure(response, err);
    return response->location ? 0
                              : error_set(err, ERROR_UNAVAILABLE, EPROTO,
                                          "the registry does not say where the upload goes (no Location)");
}

int registry_mount_blob(struct registry *registry, struct http_client *client, const char *digest, const char *from,
                        struct error *err)
{
    CLEANUP_HTTP_RESPONSE struct http_response response = {0};
    int rc = begin_upload(registry, client, digest, from, &response, err);
    if (rc == 0 && response.location) { /* an upload that nobody wants: the registry may forget it at once */
        CLEANUP_FREE char *url = TAKE_PTR(response.location);
        struct http_request request = {.method = "DELETE", .url = url, .body = "", .limit = ANSWER_MAX};
        struct error ignored = {0};
        (void)ask_at(registry, client, &request, &response, &ignored);
    }
    return rc;
}

/* PATCH of everything that the source has. The answer says where to go on. */
static int send_source(struct registry *registry, struct http_client *client, const struct registry_upload *upload,
                       struct http_response *response, struct error *err)
{
    CLEANUP_STRV struct strv headers = STRV_INIT;
    CLEANUP_FREE char *url = TAKE_PTR(response->location);
    strv_add(&headers, "Content-Type: application/octet-stream");
    struct http_request request = {.method = "PATCH",
                                   .url = url,
                                   .headers = &headers,
                                   .source = upload->source,
                                   .source_data = upload->data,
                                   .limit = ANSWER_MAX};
    int rc = ask_at(registry, client, &request, response, err);
    if (rc < 0)
        return rc;
    if (response->status / 100 != 2)
        return push_failure(response, err);
    return response->location ? 0
                              : error_set(err, ERROR_UNAVAILABLE, EPROTO, "the answer to an upload has no Location");
}

static int finish_upload(struct registry *registry, struct http_client *client, const char *digest, const void *text,
                         size_t size, struct http_response *response, struct error *err)
{
    CLEANUP_STRV struct strv headers = STRV_INIT;
    CLEANUP_STRBUF struct strbuf url = STRBUF_INIT;
    strbuf_adds(&url, response->location);
    http_add_parameter(&url, strchr(response->location, '?') ? '&' : '?', "digest", digest);
    strv_add(&headers, "Content-Type: application/octet-stream");
    struct http_request request = {.method = "PUT",
                                   .url = strbuf_str(&url),
                                   .headers = &headers,
                                   .body = size > 0 ? text : "",
                                   .body_size = size,
                                   .limit = ANSWER_MAX};
    int rc = ask_at(registry, client, &request, response, err);
    if (rc < 0)
        return rc;
    return response->status / 100 == 2 ? 0 : push_failure(response, err);
}

int registry_put_blob(struct registry *registry, struct http_client *client, const struct registry_upload *upload,
                      struct error *err)
{
    CLEANUP_HTTP_RESPONSE struct http_response response = {0};
    char digest[DIGEST_TEXT_MAX];
    int rc = begin_upload(registry, client, NULL, NULL, &response, err);
    if (rc == 0 && upload->source)
        rc = send_source(registry, client, upload, &response, err);
    if (rc < 0)
        return rc;
    if (upload->source)
        upload->digest(upload->data, digest);
    else
        digest_of(upload->text, upload->size, digest);
    return finish_upload(registry, client, digest, upload->text, upload->source ? 0 : upload->size, &response, err);
}

int registry_put_manifest(struct registry *registry, struct http_client *client, const char *tag_or_digest,
                          const char *media_type, const char *text, size_t size, struct error *err)
{
    CLEANUP_FREE char *rest = xasprintf("manifests/%s", tag_or_digest);
    CLEANUP_FREE char *url = repository_url(registry, rest);
    CLEANUP_STRV struct strv headers = STRV_INIT;
    CLEANUP_HTTP_RESPONSE struct http_response response = {0};
    strv_addf(&headers, "Content-Type: %s", media_type);
    struct http_request request = {
        .method = "PUT", .url = url, .headers = &headers, .body = text, .body_size = size, .limit = ANSWER_MAX};
    int rc = ask(registry, client, &request, &response, err);
    if (rc < 0)
        return rc;
    return response.status / 100 == 2 ? 0 : push_failure(&response, err);
}
