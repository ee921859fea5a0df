/*
 * An HTTP client: one request at a time with the body streamed to a callback. Only http and https are spoken. Redirects
 * are followed here and not by libcurl, so that the Authorization header never reaches another origin (CVE-2024-3727).
 * Proxies come from the environment by the rules of Go's net/http (HTTP_PROXY, HTTPS_PROXY, NO_PROXY, lower case too;
 * never for loopback). Errors are worded as Go's, since that is what users of Docker search for.
 */
#ifndef DORY_IMAGE_HTTP_H
#define DORY_IMAGE_HTTP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "base/strv.h"

/* How the servers of one registry are trusted. All members may be zero. */
struct http_trust {
    bool insecure;   /* certificates are not verified; https may be redirected to http */
    char *ca_pem;    /* authorities beside the system's */
    char *cert_path; /* client certificate and key, PEM */
    char *key_path;
};
void http_trust_release(struct http_trust *trust);

struct http_client;

/* A client keeps its connections open between requests. One thread at a time. `trust` stays the caller's and must
 * outlive it. */
int http_client_new(const struct http_trust *trust, struct http_client **ret, struct error *err);
void http_client_free(struct http_client *client); /* NULL is fine */
void http_client_free_ptr(struct http_client **client);

struct http_response {
    int status;
    char *url;              /* where the answer came from, after redirects */
    char *content_type;     /* NULL when absent, as the next ones */
    char *content_digest;   /* Docker-Content-Digest */
    char *location;         /* Location as an absolute URL, of answers that are no redirects */
    struct strv challenges; /* WWW-Authenticate, one per header line */
    bool same_origin;       /* no redirect left the origin: the challenges are the registry's own */
    int64_t retry_after;    /* seconds, -1 when absent */
    int64_t content_length; /* -1 when unknown */
    int64_t last_modified;  /* seconds since 1970, -1 when absent */
    int64_t range_start;    /* of Content-Range in a 206; -1 when absent */
    struct strbuf body;     /* what did not go to the sink, at most `limit` bytes */
};
void http_response_release(struct http_response *response);
#define CLEANUP_HTTP_RESPONSE CLEANUP(http_response_release)

struct http_request {
    const char *method; /* NULL: GET */
    const char *url;
    const struct strv *headers; /* "Accept: text/plain"; sent to every origin. May be NULL */
    const char *authorization;  /* value of the header; sent to the origin of `url` only. May be NULL */
    const char *form;           /* body of a POST, application/x-www-form-urlencoded */
    const void *body;           /* body of any other method, with its size (0: an empty one); not NULL */
    size_t body_size;
    /* Instead of `body`: the next bytes of it, 0 at the end, or -errno, which ends the request. Such a request is not
     * sent twice, so a redirect is an error. */
    ssize_t (*source)(void *buffer, size_t size, void *source_data, struct error *err);
    void *source_data;
    int64_t offset; /* > 0: "Range: bytes=OFFSET-" */
    size_t limit;   /* of response->body; more is an error for a 2xx and cut otherwise */
    /* Gets the body of a 200 or 206 instead of response->body. A failure (-errno, err filled) ends the request and is
     * passed on. May block. NULL: into response->body. */
    int (*sink)(const struct http_response *response, const void *data, size_t size, void *sink_data,
                struct error *err);
    void *sink_data;
    /* Asked about once a second; true ends the request with ERROR_CANCELLED. May be NULL. */
    bool (*cancelled)(void *cancel_data);
    void *cancel_data;
};

/*
 * Any status is a success here. Failures of the connection are ERROR_UNAVAILABLE: `Get "https://host/v2/": dial tcp
 * 127.0.0.1:1: connect: connection refused`; response->status says whether the answer had begun (it is 0 otherwise).
 * `response` must be zeroed and is released by the caller in any case.
 */
int http_perform(struct http_client *client, const struct http_request *request, struct http_response *response,
                 struct error *err);

/* Scheme, host and port are the same. */
bool http_same_origin(struct http_client *client, const char *a, const char *b);

/* "Basic dXNlcjpwYXNz". The caller frees. */
char *http_basic(const char *username, const char *password);
/* Appends "name=value" with the value escaped, preceded by `separator` when it is not 0. */
void http_add_parameter(struct strbuf *out, char separator, const char *name, const char *value);

#endif
