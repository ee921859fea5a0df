/* Which proxy a request goes through, by the rules of Go's golang.org/x/net/http/httpproxy, which is what makes
 * HTTP_PROXY, HTTPS_PROXY and NO_PROXY work for docker. Pure. */
#ifndef DORY_IMAGE_HTTP_PROXY_H
#define DORY_IMAGE_HTTP_PROXY_H

#include <stdbool.h>

/* Values of the environment; NULL when unset. */
struct http_proxy_settings {
    const char *http_proxy, *https_proxy, *no_proxy;
};

/* Reads the environment, upper case before lower. The strings live there. */
struct http_proxy_settings http_proxy_from_environment(void);

/* NULL: connect directly. `host` without brackets; the result points into the settings. */
const char *http_proxy_for(const struct http_proxy_settings *settings, bool https, const char *host, int port);

/* 127.0.0.0/8, ::1 or localhost. */
bool http_host_is_loopback(const char *host);
/* Is the address `host` (a literal one) inside the network "10.0.0.0/8", or equal to it when there is no '/'? */
bool http_host_in_network(const char *host, const char *network);

#endif
