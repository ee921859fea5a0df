#include "image/http_transfer.h"

#include <ctype.h>
#include <errno.h>
#include <strings.h>

#include "base/memory.h"
#include "base/parse.h"
#include "base/timestamp.h"
#include "image/http_proxy.h"

#define CONNECT_TIMEOUT_MS 30000
/* A server that sends nothing for so long is gone. Time spent in the sink does not count. */
#define STALL_NS (30 * INT64_C(1000000000))
#define BUFFER_SIZE (256 * 1024)
#define HEADER_MAX 8192
#define CHALLENGES_MAX 8
#define USER_AGENT "dory/" DORY_VERSION

enum stop { STOP_NOT, STOP_SINK, STOP_CANCELLED, STOP_STALLED, STOP_TOO_LARGE };

struct transfer {
    struct http_client *client;
    const struct http_request *request;
    const struct http_origin *origin;
    struct http_response *response;
    enum stop stop;
    int64_t last_activity;
    struct error error; /* the sink's */
    const char *proxy;  /* NULL: a direct connection */
    char detail[CURL_ERROR_SIZE];
};

static bool is_success(int status)
{
    return status >= 200 && status < 300;
}

/* ---- callbacks ---- */

static size_t on_body(char *data, size_t one, size_t size, void *arg)
{
    (void)one;
    struct transfer *t = arg;
    struct http_response *response = t->response;
    if (t->request->sink && (response->status == 200 || response->status == 206)) {
        if (t->request->sink(response, data, size, t->request->sink_data, &t->error) < 0) {
            t->stop = STOP_SINK;
            return 0;
        }
    } else {
        size_t room = t->request->limit > response->body.size ? t->request->limit - response->body.size : 0;
        if (size > room && is_success(response->status)) {
            t->stop = STOP_TOO_LARGE;
            return 0;
        }
        strbuf_add(&response->body, data, size < room ? size : room);
    }
    t->last_activity = timestamp_monotonic();
    return size;
}

static void set_retry_after(struct http_response *response, const char *value)
{
    int64_t seconds;
    if (parse_int64(value, 0, 86400, &seconds) == 0)
        response->retry_after = seconds;
}

static void set_range_start(struct http_response *response, const char *value)
{
    if (strncasecmp(value, "bytes ", 6) != 0)
        return;
    CLEANUP_FREE char *first = xstrndup(value + 6, strspn(value + 6, "0123456789"));
    int64_t start;
    if (parse_int64(first, 0, INT64_MAX, &start) == 0)
        response->range_start = start;
}

static void set_content_length(struct http_response *response, const char *value)
{
    int64_t length;
    if (parse_int64(value, 0, INT64_MAX, &length) == 0)
        response->content_length = length;
}

/* RFC 9110, 5.6.7: the form that servers have to send. */
static void set_last_modified(struct http_response *response, const char *value)
{
    struct tm time = {0};
    const char *end = strptime(value, "%a, %d %b %Y %H:%M:%S GMT", &time);
    if (end && *end == '\0' && timegm(&time) >= 0)
        response->last_modified = timegm(&time);
}

static void take_header(struct http_response *response, const char *name, const char *value)
{
    if (strcasecmp(name, "Content-Type") == 0)
        xstrset(&response->content_type, value);
    else if (strcasecmp(name, "Docker-Content-Digest") == 0)
        xstrset(&response->content_digest, value);
    else if (strcasecmp(name, "Location") == 0)
        xstrset(&response->location, value);
    else if (strcasecmp(name, "WWW-Authenticate") == 0 && response->challenges.count < CHALLENGES_MAX)
        strv_add(&response->challenges, value);
    else if (strcasecmp(name, "Retry-After") == 0)
        set_retry_after(response, value);
    else if (strcasecmp(name, "Last-Modified") == 0)
        set_last_modified(response, value);
    else if (strcasecmp(name, "Content-Range") == 0)
        set_range_start(response, value);
    else if (strcasecmp(name, "Content-Length") == 0)
        set_content_length(response, value);
}

/* A status line: everything before it (100 Continue) is forgotten. */
static void begin_response(struct http_response *response, const char *line)
{
    http_response_release(response);
    response->retry_after = response->range_start = response->content_length = response->last_modified = -1;
    const char *space = strchr(line, ' ');
    for (int i = 1; space && i <= 3 && isdigit((unsigned char)space[i]); i++)
        response->status = response->status * 10 + (space[i] - '0');
}

static size_t on_header(char *data, size_t one, size_t size, void *arg)
{
    (void)one;
    struct transfer *t = arg;
    t->last_activity = timestamp_monotonic();
    if (size > HEADER_MAX)
        return size;
    CLEANUP_FREE char *line = xstrndup(data, size);
    line[strcspn(line, "\r\n")] = '\0';
    if (strncmp(line, "HTTP/", 5) == 0) {
        begin_response(t->response, line);
        return size;
    }
    char *colon = strchr(line, ':');
    if (!colon)
        return size;
    *colon++ = '\0';
    colon += strspn(colon, " \t");
    for (size_t n = strlen(colon); n > 0 && (colon[n - 1] == ' ' || colon[n - 1] == '\t'); n--)
        colon[n - 1] = '\0';
    take_header(t->response, line, colon);
    return size;
}

static size_t on_read(char *buffer, size_t one, size_t size, void *arg)
{
    (void)one;
    struct transfer *t = arg;
    ssize_t n = t->request->source(buffer, size, t->request->source_data, &t->error);
    t->last_activity = timestamp_monotonic();
    if (n >= 0)
        return (size_t)n;
    t->stop = STOP_SINK;
    return CURL_READFUNC_ABORT;
}

static int on_progress(void *arg, curl_off_t dl_total, curl_off_t dl_now, curl_off_t ul_total, curl_off_t ul_now)
{
    (void)dl_total, (void)dl_now, (void)ul_total, (void)ul_now;
    struct transfer *t = arg;
    if (t->request->cancelled && t->request->cancelled(t->request->cancel_data))
        t->stop = STOP_CANCELLED;
    else if (timestamp_monotonic() - t->last_activity > STALL_NS)
        t->stop = STOP_STALLED;
    return t->stop != STOP_NOT;
}

/* ---- options ---- */

static void set_trust(const struct curl_library *curl, CURL *easy, const struct http_trust *trust)
{
    curl->setopt(easy, CURLOPT_SSL_VERIFYPEER, trust->insecure ? 0L : 1L);
    curl->setopt(easy, CURLOPT_SSL_VERIFYHOST, trust->insecure ? 0L : 2L);
    if (trust->ca_pem) {
        /* Takes the place of the bundle file; the system's directory of authorities stays in use. */
        struct curl_blob blob = {trust->ca_pem, strlen(trust->ca_pem), CURL_BLOB_NOCOPY};
        curl->setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
    }
    if (trust->cert_path) {
        curl->setopt(easy, CURLOPT_SSLCERT, trust->cert_path);
        curl->setopt(easy, CURLOPT_SSLKEY, trust->key_path);
    }
}

static void set_body(struct transfer *t, CURL *easy)
{
    const struct curl_library *curl = t->client->curl;
    const struct http_request *request = t->request;
    if (request->source) {
        curl->setopt(easy, CURLOPT_UPLOAD, 1L); /* of unknown size: chunked */
        curl->setopt(easy, CURLOPT_READFUNCTION, on_read);
        curl->setopt(easy, CURLOPT_READDATA, t);
        curl->setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)BUFFER_SIZE);
    } else {
        curl->setopt(easy, CURLOPT_POST, 1L);
        curl->setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_size);
        curl->setopt(easy, CURLOPT_POSTFIELDS, request->body);
    }
    curl->setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
}

static void set_method(struct transfer *t, CURL *easy)
{
    const struct curl_library *curl = t->client->curl;
    const struct http_request *request = t->request;
    if (request->body || request->source) {
        set_body(t, easy);
    } else if (request->form) {
        curl->setopt(easy, CURLOPT_POST, 1L);
        curl->setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(request->form));
        curl->setopt(easy, CURLOPT_POSTFIELDS, request->form);
    } else if (request->method && strcmp(request->method, "HEAD") == 0) {
        curl->setopt(easy, CURLOPT_NOBODY, 1L);
    }
}

static void set_options(struct transfer *t, const char *url, struct curl_slist *headers)
{
    const struct curl_library *curl = t->client->curl;
    CURL *easy = t->client->easy;
    curl->easy_reset(easy); /* keeps the connections */
    curl->setopt(easy, CURLOPT_URL, url);
    curl->setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl->setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl->setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl->setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl->setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L);
    curl->setopt(easy, CURLOPT_USERAGENT, USER_AGENT);
    curl->setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl->setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl->setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl->setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl->setopt(easy, CURLOPT_BUFFERSIZE, (long)BUFFER_SIZE);
    curl->setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl->setopt(easy, CURLOPT_ERRORBUFFER, t->detail);
    curl->setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl->setopt(easy, CURLOPT_WRITEDATA, t);
    curl->setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl->setopt(easy, CURLOPT_HEADERDATA, t);
    curl->setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl->setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl->setopt(easy, CURLOPT_XFERINFODATA, t);
    struct http_proxy_settings settings = http_proxy_from_environment();
    const char *proxy =
        http_proxy_for(&settings, strcmp(t->origin->scheme, "https") == 0, t->origin->host, t->origin->port);
    t->proxy = proxy;
    curl->setopt(easy, CURLOPT_PROXY, proxy ? proxy : "");
    curl->setopt(easy, CURLOPT_NOPROXY, "");
    set_trust(curl, easy, t->client->trust);
    set_method(t, easy);
}

static struct curl_slist *make_headers(const struct transfer *t, const char *authorization)
{
    const struct curl_library *curl = t->client->curl;
    struct curl_slist *list = NULL;
    if (t->request->source || t->request->body)
        list = curl->slist_append(list, "Expect:"); /* no waiting for a 100 */
    for (size_t i = 0; t->request->headers && i < t->request->headers->count; i++)
        list = curl->slist_append(list, t->request->headers->items[i]);
    if (authorization) {
        CLEANUP_FREE char *line = xasprintf("Authorization: %s", authorization);
        list = curl->slist_append(list, line);
    }
    if (t->request->offset > 0) {
        CLEANUP_FREE char *line = xasprintf("Range: bytes=%lld-", (long long)t->request->offset);
        list = curl->slist_append(list, line);
    }
    return list;
}

/* ---- failures, worded as Go's net/http ---- */

static const char *errno_text(long number)
{
    switch (number) {
    case ECONNREFUSED:
        return "connection refused";
    case ECONNRESET:
        return "connection reset by peer";
    case ENETUNREACH:
        return "network is unreachable";
    case EHOSTUNREACH:
        return "no route to host";
    case ETIMEDOUT:
        return "connection timed out";
    default:
        return number > 0 ? strerrordesc_np((int)number) : "connection refused";
    }
}

/* "127.0.0.1:5000" of the peer that was tried, else what the URL says. The caller frees. */
static char *peer(const struct transfer *t)
{
    const char *address = NULL;
    long port = 0;
    t->client->curl->getinfo(t->client->easy, CURLINFO_PRIMARY_IP, &address);
    t->client->curl->getinfo(t->client->easy, CURLINFO_PRIMARY_PORT, &port);
    if (!address || !*address)
        address = t->origin->host;
    if (port <= 0)
        port = t->origin->port;
    return strchr(address, ':') ? xasprintf("[%s]:%ld", address, port) : xasprintf("%s:%ld", address, port);
}

static char *describe_tls(const struct transfer *t)
{
    long result = 0;
    t->client->curl->getinfo(t->client->easy, CURLINFO_SSL_VERIFYRESULT, &result);
    /* X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT .. X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE */
    if (result >= 18 && result <= 21)
        return xstrdup("tls: failed to verify certificate: x509: certificate signed by unknown authority");
    return xasprintf("tls: failed to verify certificate: x509: %s", t->detail);
}

/* host:port of the proxy, without the scheme and above all without a password. */
static const char *proxy_address(const struct transfer *t)
{
    const char *scheme = strstr(t->proxy, "://");
    const char *address = scheme ? scheme + 3 : t->proxy;
    const char *at = strrchr(address, '@');
    return at ? at + 1 : address;
}

static char *describe(const struct transfer *t, CURLcode code)
{
    long os_errno = 0;
    t->client->curl->getinfo(t->client->easy, CURLINFO_OS_ERRNO, &os_errno);
    CLEANUP_FREE char *address = peer(t);
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return xasprintf("dial tcp: lookup %s: no such host", t->origin->host);
    case CURLE_COULDNT_RESOLVE_PROXY:
        return xasprintf("proxyconnect tcp: dial tcp: lookup %s: no such host", proxy_address(t));
    case CURLE_COULDNT_CONNECT:
        if (t->proxy)
            return xasprintf("proxyconnect tcp: dial tcp %s: connect: %s", proxy_address(t), errno_text(os_errno));
        return xasprintf("dial tcp %s: connect: %s", address, errno_text(os_errno));
    case CURLE_OPERATION_TIMEDOUT:
        return xasprintf("dial tcp %s: i/o timeout", address);
    case CURLE_PEER_FAILED_VERIFICATION:
        return describe_tls(t);
    case CURLE_SSL_CONNECT_ERROR:
        if (strstr(t->detail, "wrong version number") || strstr(t->detail, "packet length too long"))
            return xstrdup("http: server gave HTTP response to HTTPS client");
        return xasprintf("tls: %s", t->detail[0] ? t->detail : "handshake failure");
    case CURLE_GOT_NOTHING:
        return xstrdup("EOF");
    case CURLE_PARTIAL_FILE:
        return xstrdup("unexpected EOF");
    case CURLE_RECV_ERROR:
        return xasprintf("read tcp %s: %s", address, os_errno ? errno_text(os_errno) : "connection reset by peer");
    default:
        return xstrdup(t->detail[0] ? t->detail : t->client->curl->strerror(code));
    }
}

static const char *method_name(const struct http_request *request)
{
    if (request->form)
        return "Post";
    if (request->body || request->source)
        return request->method;
    return request->method && strcmp(request->method, "HEAD") == 0 ? "Head" : "Get";
}

static int fail(const struct transfer *t, CURLcode code, const char *url, struct error *err)
{
    const char *method = method_name(t->request);
    if (code == CURLE_OPERATION_TIMEDOUT || code == CURLE_ABORTED_BY_CALLBACK)
        curl_library_keep();
    switch (t->stop) {
    case STOP_SINK:
        return error_propagate(err, &t->error);
    case STOP_CANCELLED:
        return error_set(err, ERROR_CANCELLED, 0, "context canceled");
    case STOP_STALLED:
        return error_set(err, ERROR_UNAVAILABLE, ETIMEDOUT, "%s \"%s\": net/http: timeout: nothing came for %d seconds",
                         method, url, (int)(STALL_NS / 1000000000));
    case STOP_TOO_LARGE:
        return error_set(err, ERROR_INVALID, EFBIG, "%s \"%s\": the answer is larger than %zu bytes", method, url,
                         t->request->limit);
    case STOP_NOT:
        break;
    }
    CLEANUP_FREE char *text = describe(t, code);
    return error_set(err, ERROR_UNAVAILABLE, EIO, "%s \"%s\": %s", method, url, text);
}

/* Location may be relative to what was asked. */
static void resolve_location(const struct curl_library *curl, const char *url, struct http_response *response)
{
    if (!response->location)
        return;
    CURLU *parsed = curl->url();
    char *whole = NULL;
    if (parsed && curl->url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl->url_set(parsed, CURLUPART_URL, response->location, 0) == CURLUE_OK &&
        curl->url_get(parsed, CURLUPART_URL, &whole, 0) == CURLUE_OK)
        xstrset(&response->location, whole);
    else
        free(TAKE_PTR(response->location));
    curl->free(whole);
    curl->url_cleanup(parsed);
}

int http_transfer(struct http_client *client, const struct http_request *request, const char *url,
                  const struct http_origin *origin, const char *authorization, struct http_response *response,
                  char **ret_location, struct error *err)
{
    struct transfer t = {.client = client, .request = request, .origin = origin, .response = response};
    struct curl_slist *headers = make_headers(&t, authorization);
    set_options(&t, url, headers);
    t.last_activity = timestamp_monotonic();
    CURLcode code = client->curl->perform(client->easy);
    client->curl->slist_free_all(headers);
    if (code != CURLE_OK)
        return fail(&t, code, url, err);
    const char *location = NULL;
    client->curl->getinfo(client->easy, CURLINFO_REDIRECT_URL, &location);
    *ret_location = location && response->status / 100 == 3 ? xstrdup(location) : NULL;
    resolve_location(client->curl, url, response);
    return 0;
}
