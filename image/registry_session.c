#include "image/registry_session.h"

#include <errno.h>
#include <time.h>

#include "base/memory.h"
#include "base/timestamp.h"

#define CLIENT_ID "dory"
#define ATTEMPTS_DEFAULT 6
#define RETRY_AFTER_MAX 60
#define SLICE_MS 100

bool registry_cancelled(const struct registry *registry)
{
    return registry->options.cancelled && registry->options.cancelled(registry->options.data);
}

/* The credentials that may be shown to this endpoint; NULL: none. */
static const struct registry_auth *credentials(const struct registry *registry)
{
    return registry->options.endpoint->mirror ? NULL : registry->options.auth;
}

static bool is_set(const char *s)
{
    return s && *s;
}

void registry_failure_of(const struct http_response *response, struct registry_failure *ret)
{
    registry_failure_parse(response->status, response->same_origin ? &response->challenges : NULL, response->body.data,
                           response->body.size, ret);
}

/* ---- tokens ---- */

static int64_t now_seconds(void)
{
    return timestamp_monotonic() / 1000000000;
}

/* A password over plain HTTP, at the word of a registry that itself is reached over TLS: refused. */
static int check_realm(const struct registry *registry, const char *realm, struct error *err)
{
    const struct registry_endpoint *endpoint = registry->options.endpoint;
    if (endpoint->trust.insecure || strncmp(realm, "https://", 8) == 0)
        return 0;
    return error_set(err, ERROR_UNAUTHORIZED, 0, "refusing to send credentials to the token server \"%s\" without TLS",
                     realm);
}

/* GET realm?account=&scope=&service=, with the user's password when there is one. */
static int ask_by_get(struct registry *registry, struct http_client *client, const struct registry_auth *auth,
                      struct http_request *request, struct http_response *response, struct error *err)
{
    const struct registry_challenge *c = &registry->challenge;
    CLEANUP_STRBUF struct strbuf url = STRBUF_INIT;
    CLEANUP_FREE char *basic = NULL;
    strbuf_adds(&url, c->realm);
    char separator = strchr(c->realm, '?') ? '&' : '?';
    if (auth) {
        basic = http_basic(auth->username, auth->password);
        http_add_parameter(&url, separator, "account", auth->username);
        separator = '&';
    }
    for (size_t i = 0; i < registry->scopes.count; i++, separator = '&')
        http_add_parameter(&url, separator, "scope", registry->scopes.items[i]);
    if (registry->options.offline) {
        http_add_parameter(&url, separator, "client_id", CLIENT_ID);
        http_add_parameter(&url, '&', "offline_token", "true");
        separator = '&';
    }
    if (is_set(c->service))
        http_add_parameter(&url, separator, "service", c->service);
    request->url = strbuf_str(&url);
    request->authorization = basic;
    return http_perform(client, request, response, err);
}

/* POST of the identity ("refresh") token, RFC 6749 section 6. */
static int ask_by_post(struct registry *registry, struct http_client *client, const struct registry_auth *auth,
                       struct http_request *request, struct http_response *response, struct error *err)
{
    const struct registry_challenge *c = &registry->challenge;
    CLEANUP_STRBUF struct strbuf form = STRBUF_INIT;
    http_add_parameter(&form, 0, "grant_type", "refresh_token");
    http_add_parameter(&form, '&', "refresh_token", auth->identity_token);
    http_add_parameter(&form, '&', "client_id", CLIENT_ID);
    CLEANUP_FREE char *scopes = strv_join(&registry->scopes, " ");
    http_add_parameter(&form, '&', "scope", scopes);
    http_add_parameter(&form, '&', "service", c->service ? c->service : "");
    request->url = c->realm;
    request->form = strbuf_str(&form);
    return http_perform(client, request, response, err);
}

static int refused(const struct http_response *response, bool had_credentials, struct error *err)
{
    CLEANUP_REGISTRY_FAILURE struct registry_failure failure = {0};
    registry_failure_of(response, &failure);
    if (response->status == 401 && had_credentials &&
        strcmp(failure.message, "unauthorized: authentication required") == 0)
        return error_set(err, ERROR_UNAUTHORIZED, 0, "unauthorized: incorrect username or password");
    bool denied = response->status == 401 || response->status == 403;
    return error_set(err, denied ? ERROR_UNAUTHORIZED : ERROR_UNAVAILABLE, 0, "%s", failure.message);
}

/* Fetches a token into the registry. With the mutex held: the other threads need the same one. */
static int fetch_token(struct registry *registry, struct http_client *client, struct error *err)
{
    const struct registry_auth *auth = credentials(registry);
    bool by_identity = auth && is_set(auth->identity_token);
    bool by_password = auth && !by_identity && is_set(auth->username);
    if (by_identity || by_password) {
        int rc = check_realm(registry, registry->challenge.realm, err);
        if (rc < 0)
            return rc;
    }
    struct http_request request = {.limit = REGISTRY_TOKEN_SIZE_MAX,
                                   .cancelled = registry->options.cancelled,
                                   .cancel_data = registry->options.data};
    CLEANUP_HTTP_RESPONSE struct http_response response = {0};
    int rc = by_identity ? ask_by_post(registry, client, auth, &request, &response, err)
                         : ask_by_get(registry, client, by_password ? auth : NULL, &request, &response, err);
    if (rc < 0)
        return rc;
    if (response.status != 200)
        return refused(&response, by_identity || by_password, err);
    registry_token_release(&registry->token);
    return registry_token_parse(response.body.data, response.body.size, now_seconds(), &registry->token, err);
}

/* ---- the Authorization header ---- */

static int bearer(struct registry *registry, struct http_client *client, char **ret, struct error *err)
{
    const struct registry_auth *auth = credentials(registry);
    if (auth && is_set(auth->registry_token)) {
        *ret = xasprintf("Bearer %s", auth->registry_token);
        return 0;
    }
    if (!registry->token.text || now_seconds() >= registry->token.expires) {
        int rc = fetch_token(registry, client, err);
        if (rc < 0)
            return rc;
    }
    *ret = xasprintf("Bearer %s", registry->token.text);
    return 0;
}

static int authorization(struct registry *registry, struct http_client *client, const char *url, char **ret,
                         struct error *err)
{
    const struct registry_auth *auth = credentials(registry);
    *ret = NULL;
    switch (registry->challenge.scheme) {
    case CHALLENGE_NONE:
        return 0;
    case CHALLENGE_BEARER:
        return bearer(registry, client, ret, err);
    case CHALLENGE_BASIC:
        if (!auth || !is_set(auth->username))
            return error_set(err, ERROR_UNAUTHORIZED, 0, "Get \"%s\": no basic auth credentials", url);
        *ret = http_basic(auth->username, auth->password);
        return 0;
    }
    return -EINVAL;
}

/* A 401: the challenge may be new and the token stale. Whether trying again can change anything. */
static bool take_challenge(struct registry *registry, const struct http_response *response, const char *sent)
{
    CLEANUP_CHALLENGE struct registry_challenge c = {0};
    registry_challenge_parse(&response->challenges, &c);
    if (c.scheme == CHALLENGE_NONE)
        return false;
    pthread_mutex_lock(&registry->mutex);
    bool same_token =
        sent && registry->token.text && strncmp(sent, "Bearer ", 7) == 0 && strcmp(sent + 7, registry->token.text) == 0;
    if (same_token)
        registry_token_release(&registry->token);
    bool worth_it = !sent || c.scheme == CHALLENGE_BEARER;
    registry_challenge_release(&registry->challenge);
    registry->challenge = c;
    c = (struct registry_challenge){0};
    pthread_mutex_unlock(&registry->mutex);
    return worth_it;
}

int registry_request(struct registry *registry, struct http_client *client, const struct http_request *original,
                     struct http_response *response, struct error *err)
{
    struct http_request request = *original;
    request.cancelled = registry->options.cancelled;
    request.cancel_data = registry->options.data;
    for (int round = 0;; round++) {
        CLEANUP_FREE char *header = NULL;
        pthread_mutex_lock(&registry->mutex);
        int rc = authorization(registry, client, request.url, &header, err);
        pthread_mutex_unlock(&registry->mutex);
        if (rc < 0)
            return rc;
        request.authorization = header;
        rc = http_perform(client, &request, response, err);
        /* A challenge from behind a redirect is somebody else's and is not answered. */
        if (rc < 0 || response->status != 401 || round > 0 || !response->same_origin ||
            !take_challenge(registry, response, header))
            return rc;
    }
}

/* ---- attempts ---- */

static bool wait_ms(struct registry *registry, int64_t ms)
{
    int64_t end = timestamp_monotonic() + ms * 1000000;
    while (timestamp_monotonic() < end) {
        if (registry_cancelled(registry))
            return false;
        struct timespec slice = {.tv_nsec = SLICE_MS * 1000000L};
        nanosleep(&slice, NULL);
    }
    return true;
}

bool registry_wait_for_retry(struct registry *registry, int attempt, int rc, const struct http_response *response,
                             void (*retrying)(int seconds, void *data), void *data, struct error *err)
{
    static const int delays_ms[] = {200, 500, 1000, 2000, 4000};
    int attempts = registry->options.attempts > 0 ? registry->options.attempts : ATTEMPTS_DEFAULT;
    if (attempt + 1 >= attempts)
        return false;
    int64_t delay = delays_ms[attempt < (int)ARRAY_SIZE(delays_ms) ? attempt : (int)ARRAY_SIZE(delays_ms) - 1];
    if (rc < 0) {
        if (!err || err->kind != ERROR_UNAVAILABLE)
            return false;
    } else if (response->status == 429 || (response->status == 503 && response->retry_after >= 0)) {
        if (response->retry_after < 0 || response->retry_after > RETRY_AFTER_MAX)
            return false;
        delay = response->retry_after * 1000;
    } else if (response->status < 500 && response->status != 200 && response->status != 206) {
        return false;
    }
    if (retrying && delay >= 1000)
        retrying((int)((delay + 999) / 1000), data);
    if (wait_ms(registry, delay))
        return true;
    error_set(err, ERROR_CANCELLED, 0, "context canceled");
    return false;
}
