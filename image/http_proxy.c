#include "image/http_proxy.h"

#include <arpa/inet.h>
#include <strings.h>

#include "base/memory.h"
#include "base/parse.h"
#include "base/strv.h"

static const char *environment(const char *upper, const char *lower)
{
    const char *value = getenv(upper);
    if (!value || !*value)
        value = getenv(lower);
    return value && *value ? value : NULL;
}

struct http_proxy_settings http_proxy_from_environment(void)
{
    return (struct http_proxy_settings){environment("HTTP_PROXY", "http_proxy"),
                                        environment("HTTPS_PROXY", "https_proxy"), environment("NO_PROXY", "no_proxy")};
}

/* An IPv4 or IPv6 address; IPv4 is kept in its mapped form so that one comparison serves both. */
static bool parse_address(const char *text, unsigned char ret[16], bool *ret_v4)
{
    struct in_addr v4;
    *ret_v4 = inet_pton(AF_INET, text, &v4) == 1;
    if (!*ret_v4)
        return inet_pton(AF_INET6, text, ret) == 1;
    memset(ret, 0, 10);
    memset(ret + 10, 0xff, 2);
    memcpy(ret + 12, &v4, 4);
    return true;
}

bool http_host_in_network(const char *host, const char *network)
{
    const char *slash = strchr(network, '/');
    CLEANUP_FREE char *base = slash ? xstrndup(network, (size_t)(slash - network)) : xstrdup(network);
    unsigned char a[16], b[16];
    bool host_v4, base_v4;
    int64_t bits = 0;
    if (!parse_address(host, a, &host_v4) || !parse_address(base, b, &base_v4) || host_v4 != base_v4)
        return false;
    int64_t all = base_v4 ? 32 : 128;
    if (!slash)
        bits = all;
    else if (parse_int64(slash + 1, 0, all, &bits) < 0)
        return false;
    bits += 128 - all;
    size_t whole = (size_t)bits / 8;
    if (memcmp(a, b, whole) != 0)
        return false;
    unsigned char mask = (unsigned char)(0xff00 >> (bits % 8));
    return bits % 8 == 0 || (a[whole] & mask) == (b[whole] & mask);
}

bool http_host_is_loopback(const char *host)
{
    return strcasecmp(host, "localhost") == 0 || http_host_in_network(host, "127.0.0.0/8") ||
           http_host_in_network(host, "::1");
}

/* Does host end in `suffix`, which begins with a dot? */
static bool has_suffix(const char *host, const char *suffix)
{
    size_t n = strlen(host), m = strlen(suffix);
    return n > m && strcasecmp(host + n - m, suffix) == 0;
}

/* One entry of NO_PROXY: "*", an address, a network, "host", ".domain" or "*.domain", each with an optional port. */
static bool entry_matches(char *entry, const char *host, int port)
{
    if (strcmp(entry, "*") == 0)
        return true;
    if (http_host_in_network(host, entry))
        return true;
    char *colon = strrchr(entry, ':');
    int64_t wanted = 0;
    if (colon && (strchr(entry, ':') == colon || entry[0] == '[') && parse_int64(colon + 1, 1, 65535, &wanted) == 0)
        *colon = '\0';
    if (wanted && wanted != port)
        return false;
    size_t size = strlen(entry);
    if (entry[0] == '[' && size > 2 && entry[size - 1] == ']') {
        entry[size - 1] = '\0';
        entry++;
    }
    if (http_host_in_network(host, entry))
        return true;
    if (entry[0] == '*')
        entry++;
    if (entry[0] == '.')
        return has_suffix(host, entry);
    CLEANUP_FREE char *dotted = xasprintf(".%s", entry);
    return entry[0] && (strcasecmp(host, entry) == 0 || has_suffix(host, dotted));
}

static bool is_excluded(const char *no_proxy, const char *host, int port)
{
    CLEANUP_STRV struct strv entries = STRV_INIT;
    strv_split(&entries, no_proxy, ',');
    for (size_t i = 0; i < entries.count; i++) {
        char *entry = entries.items[i] + strspn(entries.items[i], " \t");
        entry[strcspn(entry, " \t")] = '\0';
        if (entry_matches(entry, host, port))
            return true;
    }
    return false;
}

const char *http_proxy_for(const struct http_proxy_settings *settings, bool https, const char *host, int port)
{
    const char *proxy = https ? settings->https_proxy : settings->http_proxy;
    if (!proxy || http_host_is_loopback(host) || (settings->no_proxy && is_excluded(settings->no_proxy, host, port)))
        return NULL;
    return proxy;
}
