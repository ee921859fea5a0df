#include "image/registry.h"

#include <errno.h>

#include "base/memory.h"
#include "image/digest.h"
#include "image/registry_session.h"

#define ERROR_BODY_MAX (64 * 1024)

static const char *const accepted[] = {MEDIA_DOCKER_MANIFEST, MEDIA_DOCKER_LIST, MEDIA_OCI_MANIFEST, MEDIA_OCI_INDEX};

/* ---- life ---- */

static int ping(struct registry *registry, struct error *err)
{
    int rc = http_client_new(&registry->options.endpoint->trust, &registry->idle, err);
    if (rc < 0)
        return rc;
    CLEANUP_FREE char *url = xasprintf("%s/v2/", registry->options.endpoint->url);
    struct http_request request = {.url = url,
                                   .limit = ERROR_BODY_MAX,
                                   .cancelled = registry->options.cancelled,
                                   .cancel_data = registry->options.data};
    CLEANUP_HTTP_RESPONSE struct http_response response = {0};
    rc = http_perform(registry->idle, &request, &response, err);
    if (rc < 0)
        return rc;
    if (response.status == 401) {
        if (response.same_origin)
            registry_challenge_parse(&response.challenges, &registry->challenge);
        return 0;
    }
    if (response.status / 100 == 2)
        return 0;
    CLEANUP_REGISTRY_FAILURE struct registry_failure failure = {0};
    registry_failure_of(&response, &failure);
    return error_set(err, ERROR_UNAVAILABLE, 0, "%s", failure.message);
}

int registry_open(const struct registry_options *options, struct registry **ret, struct error *err)
{
    CLEANUP_REGISTRY struct registry *registry = xcalloc(1, sizeof *registry);
    registry->options = *options;
    if (options->ref)
        strv_addf(&registry->scopes, "repository:%s:pull%s", options->ref->path, options->push ? ",push" : "");
    else if (options->catalog)
        strv_add(&registry->scopes, "registry:catalog:*");
    for (size_t i = 0; options->mount_from && i < options->mount_from->count; i++)
        strv_addf(&registry->scopes, "repository:%s:pull", options->mount_from->items[i]);
    pthread_mutex_init(&registry->mutex, NULL);
    int rc = ping(registry, err);
    if (rc < 0)
        return rc;
    *ret = TAKE_PTR(registry);
    return 0;
}

void registry_free(struct registry *registry)
{
    if (!registry)
        return;
    registry_challenge_release(&registry->challenge);
    pthread_mutex_destroy(&registry->mutex);
    http_client_free(registry->idle);
    strv_release(&registry->scopes);
    registry_token_release(&registry->token);
    free(registry);
}

void registry_free_ptr(struct registry **registry)
{
    registry_free(*registry);
}

const char *registry_refresh_token(const struct registry *registry)
{
    return registry->token.refresh;
}

int registry_connect(struct registry *registry, struct http_client **ret, struct error *err)
{
    pthread_mutex_lock(&registry->mutex);
    *ret = TAKE_PTR(registry->idle);
    pthread_mutex_unlock(&registry->mutex);
    return *ret ? 0 : http_client_new(&registry->options.endpoint->trust, ret, err);
}

/* ---- manifests ---- */

void registry_manifest_release(struct registry_manifest *manifest)
{
    free(manifest->text);
    free(manifest->content_type);
    *manifest = (struct registry_manifest){0};
}

static int plain_failure(const struct reference *ref, const struct http_response *response, struct error *err)
{
    CLEANUP_REGISTRY_FAILURE struct registry_failure failure = {0};
    registry_failure_of(response, &failure);
    bool denied = failure.code && strcmp(failure.code, "DENIED") == 0;
    enum error_kind kind = denied && ref                                        ? ERROR_FORBIDDEN
                           : response->status == 401 || response->status == 403 ? ERROR_UNAUTHORIZED
                           : response->status == 404                            ? ERROR_NOT_FOUND
                                                                                : ERROR_UNAVAILABLE;
    return error_set(err, kind, 0, "%s", failure.message);
}

/* Docker's sentences for what a registry answers to a pull. */
static int pull_failure(const struct reference *ref, const struct http_response *response, struct error *err)
{
    CLEANUP_REGISTRY_FAILURE struct registry_failure failure = {0};
    registry_failure_of(response, &failure);
    CLEANUP_FREE char *name = reference_familiar_name(ref);
    CLEANUP_FREE char *full = reference_familiar(ref);
    const char *code = failure.code ? failure.code : "";
    if (strcmp(code, "DENIED") == 0)
        return error_set(err, ERROR_NOT_FOUND, 0,
                         "pull access denied for %s, repository does not exist or may require 'docker login': %s", name,
                         failure.message);
    if (strcmp(code, "MANIFEST_UNKNOWN") == 0)
        return error_set(err, ERROR_NOT_FOUND, 0, "manifest for %s not found: %s", full, failure.message);
    if (strcmp(code, "NAME_UNKNOWN") == 0)
        return error_set(err, ERROR_NOT_FOUND, 0, "repository %s not found: %s", name, failure.message);
    if (strcmp(code, "UNAUTHORIZED") == 0)
        return error_set(err, ERROR_UNAUTHORIZED, 0, "%s", failure.message);
    if (response->status == 404 && !failure.code)
        return error_set(err, ERROR_NOT_FOUND, 0, "manifest for %s not found: %s", full, failure.message);
    return error_set(err, ERROR_UNAVAILABLE, 0, "%s", failure.message);
}

static int manifest_failure(const struct registry *registry, const struct http_response *response, struct error *err)
{
    const struct reference *ref = registry->options.ref;
    return ref && !registry->options.plain ? pull_failure(ref, response, err) : plain_failure(ref, response, err);
}

static int request_manifest(struct registry *registry, struct http_client *client, const char *tag_or_digest,
                            struct http_response *response, struct error *err)
{
    CLEANUP_FREE char *url =
        xasprintf("%s/v2/%s/manifests/%s", registry->options.endpoint->url, registry->options.ref->path, tag_or_digest);
    CLEANUP_STRV struct strv headers = STRV_INIT;
    for (size_t i = 0; i < ARRAY_SIZE(accepted); i++)
        strv_addf(&headers, "Accept: %s", accepted[i]);
    struct http_request request = {.url = url, .headers = &headers, .limit = MANIFEST_SIZE_MAX};
    for (int attempt = 0;; attempt++) {
        http_response_release(response);
        int rc = registry_request(registry, client, &request, response, err);
        if (rc == 0 && response->status == 200)
            return 0;
        if (registry_wait_for_retry(registry, attempt, rc, response, NULL, NULL, err))
            continue;
        if (rc < 0 || (err && err->kind == ERROR_CANCELLED))
            return rc < 0 ? rc : -ECANCELED;
        return manifest_failure(registry, response, err);
    }
}

int registry_get_manifest(struct registry *registry, struct http_client *client, const char *tag_or_digest,
                          struct registry_manifest *ret, struct error *err)
{
    CLEANUP_HTTP_RESPONSE struct http_response response = {0};
    int rc = request_manifest(registry, client, tag_or_digest, &response, err);
    if (rc < 0)
        return rc;
    char digest[DIGEST_TEXT_MAX];
    digest_of(response.body.data, response.body.size, digest);
    const char *claimed = digest_is_valid(tag_or_digest) ? tag_or_digest : response.content_digest;
    if (digest_is_valid(claimed) && strcmp(claimed, digest) != 0)
        return error_set(err, ERROR_INVALID, 0, "manifest verification failed for digest %s", claimed);
    *ret = (struct registry_manifest){.size = response.body.size, .content_type = TAKE_PTR(response.content_type)};
    memcpy(ret->digest, digest, sizeof digest);
    ret->text = strbuf_take(&response.body);
    return 0;
}

/* ---- lists ---- */

int registry_get_json(struct registry *registry, struct http_client *client, const char *path, struct json **ret,
                      int *ret_status, struct error *err)
{
    CLEANUP_FREE char *url = xasprintf("%s%s", registry->options.endpoint->url, path);
    CLEANUP_HTTP_RESPONSE struct http_response response = {0};
    struct http_request request = {.url = url, .limit = MANIFEST_SIZE_MAX};
    for (int attempt = 0;; attempt++) {
        http_response_release(&response);
        int rc = registry_request(registry, client, &request, &response, err);
        if (rc == 0 && response.status == 200)
            break;
        if (registry_wait_for_retry(registry, attempt, rc, &response, NULL, NULL, err))
            continue;
        if (rc < 0 || (err && err->kind == ERROR_CANCELLED))
            return rc < 0 ? rc : -ECANCELED;
        *ret_status = response.status;
        return manifest_failure(registry, &response, err);
    }
    *ret_status = response.status;
    return json_parse(response.body.data, response.body.size, ret, err);
}

/* The names behind `last`; *ret_new tells how many of them were new. */
static int add_names(const struct json *list, struct strv *ret, size_t *ret_new)
{
    *ret_new = 0;
    for (size_t i = 0; i < json_count(list); i++) {
        const char *name = json_string(json_at(list, i));
        if (name && !strv_contains(ret, name)) {
            strv_add(ret, name);
            (*ret_new)++;
        }
    }
    return ret->count > REGISTRY_NAMES_MAX ? -EFBIG : 0;
}

int registry_list_names(struct registry *registry, struct http_client *client, const char *path, const char *member,
                        struct strv *ret, struct error *err)
{
    size_t added;
    int status;
    /* Asked on until nothing new comes: registries limit a page as they like, some ignore `last`. */
    do {
        CLEANUP_JSON struct json *tree = NULL;
        CLEANUP_STRBUF struct strbuf page = STRBUF_INIT;
        strbuf_addf(&page, "%s?n=1000", path);
        if (ret->count > 0)
            http_add_parameter(&page, '&', "last", ret->items[ret->count - 1]);
        int rc = registry_get_json(registry, client, strbuf_str(&page), &tree, &status, err);
        if (rc < 0)
            return rc;
        if (add_names(json_get(tree, member), ret, &added) < 0)
            return error_set(err, ERROR_INVALID, EFBIG, "the registry's list %s is too long", path);
    } while (added > 0);
    return 0;
}
