#include "image/registry_endpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <strings.h>

#include "base/file.h"
#include "image/http_proxy.h"

#define HUB_DOMAIN "docker.io"
#define HUB_URL "https://registry-1.docker.io"
#define HUB_INDEX_KEY "https://index.docker.io/v1/"
#define CERTIFICATE_SIZE_MAX (1 << 20)

static const char *const default_certs_dirs[] = {"/etc/dory/certs.d", "/etc/docker/certs.d"};

const char *registry_index_key(const char *domain)
{
    return strcmp(domain, HUB_DOMAIN) == 0 ? HUB_INDEX_KEY : domain;
}

/* ---- insecure registries ---- */

/* "host" of "host[:port]" or "[v6][:port]". The caller frees. */
static char *host_of(const char *domain)
{
    if (domain[0] == '[')
        return xstrndup(domain + 1, strcspn(domain + 1, "]"));
    return xstrndup(domain, strcspn(domain, ":"));
}

static char *address_text(const struct addrinfo *info)
{
    char text[NI_MAXHOST];
    if (getnameinfo(info->ai_addr, info->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) != 0)
        return xstrdup("");
    return xstrdup(text);
}

static bool in_a_network(const char *address, const struct strv *entries)
{
    for (size_t i = 0; i < entries->count; i++)
        if (strchr(entries->items[i], '/') && http_host_in_network(address, entries->items[i]))
            return true;
    return false;
}

/* Every address of the name must lie inside: one that a stranger adds to the answer must not switch TLS off. */
static bool resolves_into_networks(const char *host, const struct strv *entries)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    if (getaddrinfo(host, NULL, &hints, &list) != 0)
        return false;
    bool inside = list != NULL;
    for (const struct addrinfo *info = list; info && inside; info = info->ai_next) {
        CLEANUP_FREE char *address = address_text(info);
        inside = in_a_network(address, entries);
    }
    freeaddrinfo(list);
    return inside;
}

bool registry_is_insecure(const char *domain, const struct registry_config *config)
{
    CLEANUP_FREE char *host = host_of(domain);
    if (http_host_is_loopback(host))
        return true;
    if (!config)
        return false;
    bool networks = false;
    for (size_t i = 0; i < config->insecure.count; i++) {
        const char *entry = config->insecure.items[i];
        const char *scheme = strstr(entry, "://");
        if (strcasecmp(scheme ? scheme + 3 : entry, domain) == 0)
            return true;
        networks = networks || (!scheme && strchr(entry, '/'));
    }
    return networks && (in_a_network(host, &config->insecure) || resolves_into_networks(host, &config->insecure));
}

/* ---- certificates ---- */

static bool has_extension(const char *name, const char *extension)
{
    size_t n = strlen(name), m = strlen(extension);
    return n > m && strcmp(name + n - m, extension) == 0;
}

static int add_authority(int dir_fd, const char *name, struct http_trust *trust, struct error *err)
{
    CLEANUP_FREE char *pem = NULL;
    int rc = file_read(dir_fd, name, CERTIFICATE_SIZE_MAX, &pem, NULL, err);
    if (rc < 0)
        return rc;
    char *joined = xasprintf("%s%s%s", trust->ca_pem ? trust->ca_pem : "", trust->ca_pem ? "\n" : "", pem);
    free(trust->ca_pem);
    trust->ca_pem = joined;
    return 0;
}

static int set_client_certificate(int dir_fd, const char *dir, const char *name, struct http_trust *trust,
                                  struct error *err)
{
    CLEANUP_FREE char *key = xasprintf("%.*s.key", (int)(strlen(name) - strlen(".cert")), name);
    if (faccessat(dir_fd, key, R_OK, 0) < 0)
        return error_set(err, ERROR_INVALID, 0,
                         "missing key %s for client certificate %s. CA certificates must use the extension .crt", key,
                         name);
    if (!trust->cert_path) {
        trust->cert_path = xasprintf("%s/%s", dir, name);
        trust->key_path = xasprintf("%s/%s", dir, key);
    }
    return 0;
}

static int load_directory(const char *dir, struct http_trust *trust, struct error *err)
{
    DIR *entries = opendir(dir);
    if (!entries)
        return errno == ENOENT || errno == ENOTDIR ? 0 : error_errno(err, errno, "open %s", dir);
    int rc = 0;
    struct dirent *entry;
    while (rc == 0 && (entry = readdir(entries))) {
        if (has_extension(entry->d_name, ".crt"))
            rc = add_authority(dirfd(entries), entry->d_name, trust, err);
        else if (has_extension(entry->d_name, ".cert"))
            rc = set_client_certificate(dirfd(entries), dir, entry->d_name, trust, err);
    }
    closedir(entries);
    return rc;
}

static int load_certificates(const char *domain, const struct registry_config *config, struct http_trust *trust,
                             struct error *err)
{
    bool own = config && config->certs_dirs.count > 0;
    size_t count = own ? config->certs_dirs.count : ARRAY_SIZE(default_certs_dirs);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        CLEANUP_FREE char *dir = xasprintf("%s/%s", own ? config->certs_dirs.items[i] : default_certs_dirs[i], domain);
        rc = load_directory(dir, trust, err);
    }
    return rc;
}

/* ---- endpoints ---- */

static struct registry_endpoint *add_endpoint(struct registry_endpoints *list, const char *url)
{
    list->items = xreallocarray(list->items, list->count + 1, sizeof *list->items);
    struct registry_endpoint *endpoint = &list->items[list->count++];
    size_t size = strlen(url);
    while (size > 0 && url[size - 1] == '/')
        size--;
    *endpoint = (struct registry_endpoint){.url = xstrndup(url, size)};
    return endpoint;
}

static int add_mirror(struct registry_endpoints *list, const char *url, const struct registry_config *config,
                      struct error *err)
{
    const char *host = strstr(url, "://");
    bool https = strncasecmp(url, "https://", 8) == 0, http = strncasecmp(url, "http://", 7) == 0;
    if ((!https && !http) || strpbrk(url, "@?#"))
        return error_set(err, ERROR_INVALID, 0,
                         "invalid mirror: \"%s\" must be an http or https URL without credentials, query or fragment",
                         url);
    CLEANUP_FREE char *domain = xstrndup(host + 3, strcspn(host + 3, "/"));
    struct registry_endpoint *endpoint = add_endpoint(list, url);
    endpoint->mirror = true;
    endpoint->trust.insecure = http || registry_is_insecure(domain, config);
    return load_certificates(domain, config, &endpoint->trust, err);
}

static int find(const char *domain, const struct registry_config *config, struct registry_endpoints *list,
                struct error *err)
{
    int rc = 0;
    bool hub = strcmp(domain, HUB_DOMAIN) == 0;
    CLEANUP_STRV struct strv mirrors = STRV_INIT;
    const char *others = config ? strmap_get(&config->mirrors_of, domain) : NULL;
    if (config && hub)
        strv_copy(&mirrors, &config->mirrors);
    if (others)
        strv_split(&mirrors, others, ',');
    for (size_t i = 0; rc == 0 && i < mirrors.count; i++)
        rc = add_mirror(list, mirrors.items[i], config, err);
    if (rc < 0)
        return rc;
    bool insecure = registry_is_insecure(domain, config);
    CLEANUP_FREE char *url = hub ? xstrdup(HUB_URL) : xasprintf("https://%s", domain);
    struct registry_endpoint *secure = add_endpoint(list, url);
    secure->trust.insecure = insecure;
    rc = load_certificates(domain, config, &secure->trust, err);
    if (rc < 0 || !insecure || hub)
        return rc;
    CLEANUP_FREE char *plain_url = xasprintf("http://%s", domain);
    struct registry_endpoint *plain = add_endpoint(list, plain_url);
    plain->plain_http = true;
    plain->trust.insecure = true;
    return 0;
}

int registry_endpoints_find(const char *domain, const struct registry_config *config, struct registry_endpoints *ret,
                            struct error *err)
{
    CLEANUP_REGISTRY_ENDPOINTS struct registry_endpoints list = {0};
    int rc = find(domain, config, &list, err);
    if (rc < 0 || (rc = curl_library_get(&list.curl, err)) < 0)
        return rc;
    *ret = list;
    list = (struct registry_endpoints){0};
    return 0;
}

void registry_endpoints_release(struct registry_endpoints *endpoints)
{
    for (size_t i = 0; i < endpoints->count; i++) {
        free(endpoints->items[i].url);
        http_trust_release(&endpoints->items[i].trust);
    }
    free(endpoints->items);
    curl_library_put(endpoints->curl);
    *endpoints = (struct registry_endpoints){0};
}
