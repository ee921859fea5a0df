#include "daemon/build/source_auth.h"

#include <string.h>

#include "base/memory.h"
#include "image/http.h"

void source_auth_free(char *value)
{
    if (value != NULL)
        explicit_bzero(value, strlen(value));
    free(value);
}

void source_auth_free_ptr(char **value)
{
    source_auth_free(*value);
    *value = NULL;
}

/* One that cannot be a header's value is none. */
static char *secret(const struct build_suppliers *suppliers, const char *name)
{
    struct build_secret found = {0};
    char *text = NULL;
    if (suppliers->secret == NULL || suppliers->secret(name, &found, suppliers->data, NULL) < 0)
        return NULL;
    size_t size = found.size;
    while (size > 0 && (found.data[size - 1] == '\n' || found.data[size - 1] == '\r'))
        size--;
    if (size > 0 && memchr(found.data, 0, size) == NULL && memchr(found.data, '\n', size) == NULL &&
        memchr(found.data, '\r', size) == NULL)
        text = xstrndup(found.data, size);
    if (found.data != NULL)
        explicit_bzero(found.data, found.size);
    free(found.data);
    return text;
}

/* "host:port" of an http(s) URL; NULL: it is none. The caller frees. */
static char *host_of(const char *url)
{
    const char *host = strncmp(url, "http://", 7) == 0 ? url + 7 : strncmp(url, "https://", 8) == 0 ? url + 8 : NULL;
    if (host == NULL)
        return NULL;
    CLEANUP_FREE char *authority = xstrndup(host, strcspn(host, "/?#"));
    const char *at = strrchr(authority, '@');
    return xstrdup(at != NULL ? at + 1 : authority);
}

char *source_auth_http(const struct build_suppliers *suppliers, const char *url)
{
    CLEANUP_FREE char *host = host_of(url);
    if (host == NULL)
        return NULL;
    char *port = strrchr(host, ':');
    if (port != NULL && strchr(port, ']') == NULL)
        *port = 0;
    CLEANUP_FREE char *header_name = xasprintf("HTTP_AUTH_HEADER_%s", host);
    CLEANUP_FREE char *token_name = xasprintf("HTTP_AUTH_TOKEN_%s", host);
    char *header = secret(suppliers, header_name);
    CLEANUP_SOURCE_AUTH char *token = header == NULL ? secret(suppliers, token_name) : NULL;
    return token != NULL ? xasprintf("Bearer %s", token) : header;
}

char *source_auth_git(const struct build_suppliers *suppliers, const char *url)
{
    static const struct {
        const char *name;
        bool with_host, token;
    } names[] = {{"GIT_AUTH_HEADER", true, false},
                 {"GIT_AUTH_TOKEN", true, true},
                 {"GIT_AUTH_HEADER", false, false},
                 {"GIT_AUTH_TOKEN", false, true}};
    CLEANUP_FREE char *host = host_of(url);
    for (size_t i = 0; host != NULL && i < ARRAY_SIZE(names); i++) {
        CLEANUP_FREE char *name =
            xasprintf("%s%s%s", names[i].name, names[i].with_host ? "." : "", names[i].with_host ? host : "");
        CLEANUP_SOURCE_AUTH char *value = secret(suppliers, name);
        if (value != NULL)
            return names[i].token ? http_basic("x-access-token", value) : TAKE_PTR(value);
    }
    return NULL;
}
