#include "daemon/network/resolver_upstream.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>

#include "base/file.h"

enum { DNS_PORT = 53, FILE_MAX = 65536, ADDRESS_MAX = 64 };

static bool add_address(const char *text, struct sockaddr_storage *ret)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(DNS_PORT)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(DNS_PORT)};
    *ret = (struct sockaddr_storage){0};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        memcpy(ret, &v4, sizeof(v4));
        return true;
    }
    if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1) {
        memcpy(ret, &v6, sizeof(v6));
        return true;
    }
    return false;
}

size_t upstream_parse(const char *text, struct sockaddr_storage ret[UPSTREAMS_MAX])
{
    static const char word[] = "nameserver";
    size_t count = 0;
    for (const char *line = text; *line && count < UPSTREAMS_MAX; line += strcspn(line, "\n"), line += *line == '\n') {
        const char *value = line + sizeof(word) - 1;
        if (strncmp(line, word, sizeof(word) - 1) != 0 || (*value != ' ' && *value != '\t')) {
            continue;
        }
        char address[ADDRESS_MAX];
        value += strspn(value, " \t");
        size_t size = strcspn(value, " \t\r\n#;");
        if (size < sizeof(address)) {
            memcpy(address, value, size);
            address[size] = '\0';
            count += add_address(address, &ret[count]);
        }
    }
    return count;
}

size_t upstream_list(const struct strv *dns, struct sockaddr_storage ret[UPSTREAMS_MAX])
{
    static const char *const fallback[] = {"8.8.8.8", "8.8.4.4"};
    size_t count = 0;
    for (size_t i = 0; i < dns->count && count < UPSTREAMS_MAX; i++) {
        count += add_address(dns->items[i], &ret[count]);
    }
    if (dns->count == 0) {
        CLEANUP_FREE char *text = NULL;
        if (file_read(AT_FDCWD, "/etc/resolv.conf", FILE_MAX, &text, NULL, NULL) == 0) {
            count = upstream_parse(text, ret);
        }
    }
    for (size_t i = 0; count == 0 && dns->count == 0 && i < ARRAY_SIZE(fallback); i++) {
        add_address(fallback[i], &ret[i]);
    }
    return count == 0 && dns->count == 0 ? ARRAY_SIZE(fallback) : count;
}
