/* One request and its answer over libcurl, without redirects. Used by http.c only. */
#ifndef DORY_IMAGE_HTTP_TRANSFER_H
#define DORY_IMAGE_HTTP_TRANSFER_H

#include "image/curl_library.h"
#include "image/http.h"

struct http_client {
    const struct curl_library *curl;
    CURL *easy;
    const struct http_trust *trust;
};

struct http_origin {
    char *scheme, *host; /* lower case; an IPv6 host without brackets */
    int port;
};
/* http and https only. The message begins with docker's `unsupported protocol scheme`. */
int http_origin_parse(const struct curl_library *curl, const char *url, struct http_origin *ret, struct error *err);
void http_origin_release(struct http_origin *origin);
#define CLEANUP_HTTP_ORIGIN CLEANUP(http_origin_release)

/* A GET (or HEAD) of `url`, or a POST of the form. ret_location: where a redirect leads (absolute; the caller frees),
 * NULL when the answer is none. */
int http_transfer(struct http_client *client, const struct http_request *request, const char *url,
                  const struct http_origin *origin, const char *authorization, struct http_response *response,
                  char **ret_location, struct error *err);

#endif
