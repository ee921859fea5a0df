#include "image/http.h"

#include <ctype.h>
#include <errno.h>

#include "base/memory.h"
#include "base/parse.h"
#include "image/http_transfer.h"

#define REDIRECTS_MAX 10

void http_trust_release(struct http_trust *trust)
{
    free(trust->ca_pem);
    free(trust->cert_path);
    free(trust->key_path);
    *trust = (struct http_trust){0};
}

void http_response_release(struct http_response *response)
{
    free(response->url);
    free(response->content_type);
    free(response->content_digest);
    free(response->location);
    strv_release(&response->challenges);
    strbuf_release(&response->body);
    *response = (struct http_response){0};
}

int http_client_new(const struct http_trust *trust, struct http_client **ret, struct error *err)
{
    const struct curl_library *curl;
    int rc = curl_library_get(&curl, err);
    if (rc < 0)
        return rc;
    struct http_client *client = xcalloc(1, sizeof *client);
    client->curl = curl;
    client->trust = trust;
    client->easy = curl->easy_init();
    if (!client->easy) {
        curl_library_put(curl);
        free(client);
        return error_set(err, ERROR_SYSTEM, ENOMEM, "cannot initialise the HTTP client");
    }
    *ret = client;
    return 0;
}

void http_client_free(struct http_client *client)
{
    if (!client)
        return;
    client->curl->easy_cleanup(client->easy);
    curl_library_put(client->curl);
    free(client);
}

void http_client_free_ptr(struct http_client **client)
{
    http_client_free(*client);
}

void http_origin_release(struct http_origin *origin)
{
    free(origin->scheme);
    free(origin->host);
    *origin = (struct http_origin){0};
}

/* One part of the URL, lower-cased; NULL when it is missing. The caller frees. */
static char *url_part(const struct curl_library *curl, CURLU *url, CURLUPart part, unsigned flags)
{
    char *value = NULL;
    if (curl->url_get(url, part, &value, flags) != CURLUE_OK || !value)
        return NULL;
    char *copy = xstrdup(value);
    curl->free(value);
    for (char *p = copy; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return copy;
}

int http_origin_parse(const struct curl_library *curl, const char *url, struct http_origin *ret, struct error *err)
{
    CURLU *parsed = curl->url();
    CURLUcode code =
        parsed ? curl->url_set(parsed, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) : CURLUE_OUT_OF_MEMORY;
    CLEANUP_HTTP_ORIGIN struct http_origin origin = {0};
    int64_t port = 0;
    if (code == CURLUE_OK) {
        CLEANUP_FREE char *port_text = url_part(curl, parsed, CURLUPART_PORT, CURLU_DEFAULT_PORT);
        origin.scheme = url_part(curl, parsed, CURLUPART_SCHEME, 0);
        origin.host = url_part(curl, parsed, CURLUPART_HOST, 0);
        if (!port_text || parse_int64(port_text, 1, 65535, &port) < 0)
            port = 0;
    }
    curl->url_cleanup(parsed);
    bool scheme_ok = origin.scheme && (strcmp(origin.scheme, "http") == 0 || strcmp(origin.scheme, "https") == 0);
    if (origin.scheme && !scheme_ok)
        return error_set(err, ERROR_INVALID, 0, "unsupported protocol scheme \"%s\" in \"%s\"", origin.scheme, url);
    if (!scheme_ok || !origin.host || !origin.host[0] || port == 0)
        return error_set(err, ERROR_INVALID, 0, "invalid URL \"%s\"", url);
    size_t size = strlen(origin.host);
    if (origin.host[0] == '[' && origin.host[size - 1] == ']') {
        memmove(origin.host, origin.host + 1, size - 2);
        origin.host[size - 2] = '\0';
    }
    *ret = (struct http_origin){TAKE_PTR(origin.scheme), TAKE_PTR(origin.host), (int)port};
    return 0;
}

static bool origin_equal(const struct http_origin *a, const struct http_origin *b)
{
    return a->port == b->port && strcmp(a->scheme, b->scheme) == 0 && strcmp(a->host, b->host) == 0;
}

bool http_same_origin(struct http_client *client, const char *a, const char *b)
{
    CLEANUP_HTTP_ORIGIN struct http_origin first = {0}, second = {0};
    return http_origin_parse(client->curl, a, &first, NULL) == 0 &&
           http_origin_parse(client->curl, b, &second, NULL) == 0 && origin_equal(&first, &second);
}

/* Certificates of a secure registry vouch for nothing once plain HTTP comes in between. */
static int check_downgrade(const struct http_trust *trust, const struct http_origin *from, const char *location,
                           const struct http_origin *to, struct error *err)
{
    if (trust->insecure || strcmp(from->scheme, "https") != 0 || strcmp(to->scheme, "https") == 0)
        return 0;
    return error_set(err, ERROR_FORBIDDEN, 0, "redirect from https to \"%s\" refused", location);
}

/* The method after a redirect: a POST becomes a GET except for 307 and 308, as in every client. */
static void adjust_method(struct http_request *request, int status)
{
    if (status != 307 && status != 308)
        request->form = NULL;
}

int http_perform(struct http_client *client, const struct http_request *original, struct http_response *response,
                 struct error *err)
{
    struct http_request request = *original;
    CLEANUP_FREE char *url = xstrdup(original->url);
    CLEANUP_HTTP_ORIGIN struct http_origin first = {0};
    int rc = http_origin_parse(client->curl, url, &first, err);
    if (rc < 0)
        return rc;
    bool same_origin = true;
    CLEANUP_HTTP_ORIGIN struct http_origin origin = {xstrdup(first.scheme), xstrdup(first.host), first.port};
    for (int hop = 0; hop <= REDIRECTS_MAX; hop++) {
        CLEANUP_FREE char *location = NULL;
        http_response_release(response);
        rc = http_transfer(client, &request, url, &origin, same_origin ? request.authorization : NULL, response,
                           &location, err);
        response->same_origin = same_origin;
        xstrset(&response->url, url);
        if (rc < 0 || !location)
            return rc;
        if (request.source)
            return error_set(err, ERROR_UNAVAILABLE, EIO, "%s \"%s\": redirected while a body is sent", request.method,
                             original->url);
        CLEANUP_HTTP_ORIGIN struct http_origin next = {0};
        if ((rc = http_origin_parse(client->curl, location, &next, err)) < 0 ||
            (rc = check_downgrade(client->trust, &origin, location, &next, err)) < 0)
            return rc;
        /* Once another origin was visited nothing it says brings the credentials back. */
        same_origin = same_origin && origin_equal(&first, &next);
        adjust_method(&request, response->status);
        http_origin_release(&origin);
        origin = next;
        next = (struct http_origin){0};
        free(url);
        url = TAKE_PTR(location);
    }
    return error_set(err, ERROR_INVALID, ELOOP, "Get \"%s\": stopped after %d redirects", original->url, REDIRECTS_MAX);
}

char *http_basic(const char *username, const char *password)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    CLEANUP_FREE char *plain = xasprintf("%s:%s", username ? username : "", password ? password : "");
    struct strbuf out = STRBUF_INIT;
    strbuf_adds(&out, "Basic ");
    size_t size = strlen(plain);
    const unsigned char *p = (const unsigned char *)plain;
    for (size_t i = 0; i < size; i += 3) {
        unsigned v = (unsigned)p[i] << 16 | (i + 1 < size ? p[i + 1] << 8 : 0) | (i + 2 < size ? p[i + 2] : 0);
        strbuf_addc(&out, digits[v >> 18]);
        strbuf_addc(&out, digits[v >> 12 & 63]);
        strbuf_addc(&out, i + 1 < size ? digits[v >> 6 & 63] : '=');
        strbuf_addc(&out, i + 2 < size ? digits[v & 63] : '=');
    }
    return strbuf_take(&out);
}

void http_add_parameter(struct strbuf *out, char separator, const char *name, const char *value)
{
    if (separator)
        strbuf_addc(out, separator);
    strbuf_addf(out, "%s=", name);
    for (const unsigned char *p = (const unsigned char *)value; *p; p++) {
        if (isalnum(*p) || strchr("-_.~", *p))
            strbuf_addc(out, (char)*p);
        else
            strbuf_addf(out, "%%%02X", *p);
    }
}
