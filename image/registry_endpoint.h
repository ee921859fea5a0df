/* Where the images of a domain are fetched from, in the order to try, and how those servers are trusted. */
#ifndef DORY_IMAGE_REGISTRY_ENDPOINT_H
#define DORY_IMAGE_REGISTRY_ENDPOINT_H

#include "image/curl_library.h"
#include "image/http.h"
#include "image/image.h"

struct registry_endpoint {
    char *url; /* "https://registry-1.docker.io", without a slash at the end */
    struct http_trust trust;
    bool mirror;     /* gets no credentials of the registry it mirrors */
    bool plain_http; /* the fall-back of an insecure registry: only when the https before it did not answer */
};

struct registry_endpoints {
    struct registry_endpoint *items;
    size_t count;
    const struct curl_library *curl; /* held, so that it is not loaded anew for each endpoint that is tried */
};

/*
 * docker.io: the mirrors, then registry-1.docker.io. Others: their mirrors, then https, for insecure ones then http.
 * Certificates come from the directories HOST[:PORT] below config->certs_dirs: *.crt are authorities, NAME.cert with
 * NAME.key is the client's. Looks up the host's addresses only when the configuration has networks (CIDR) among the
 * insecure registries.
 */
int registry_endpoints_find(const char *domain, const struct registry_config *config, struct registry_endpoints *ret,
                            struct error *err);
void registry_endpoints_release(struct registry_endpoints *endpoints);
#define CLEANUP_REGISTRY_ENDPOINTS CLEANUP(registry_endpoints_release)

/* May the registry at "host[:port]" be spoken to without TLS or without verifying it? Loopback always. */
bool registry_is_insecure(const char *domain, const struct registry_config *config);

/* The key under which credentials for a domain are kept (config.json, X-Registry-Config): Docker Hub's is
 * "https://index.docker.io/v1/", others' is the domain itself. */
const char *registry_index_key(const char *domain);

#endif
