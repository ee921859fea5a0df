/* The header in which a registry's credentials travel to the daemon. */
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "cmd/dory/container_create.h"
#include "cmd/dory/credentials.h"

/* The registry of a reference: the host in front of its first slash, or Docker Hub. The caller frees. */
static char *registry_key(const char *reference)
{
    size_t size = strcspn(reference, "/");
    bool host = reference[size] == '/' && (memchr(reference, '.', size) || memchr(reference, ':', size) ||
                                           (size == 9 && memcmp(reference, "localhost", 9) == 0));
    CLEANUP_FREE char *name = host ? xstrndup(reference, size) : xstrdup("");
    return credentials_key(name);
}

char *registry_auth_header(const struct cli *cli, const char *reference)
{
    CLEANUP_FREE char *server = registry_key(reference);
    CLEANUP_CREDENTIALS struct credentials credentials = {0};
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT, encoded = STRBUF_INIT;
    struct error err = {0};
    if (credentials_get(cli, server, &credentials, &err) < 0)
        fprintf(stderr, "WARNING: %s: %s\n", server, err.message);
    if (!credentials.token && !credentials.username)
        return NULL;
    credentials_write(&credentials, &text);
    base64_encode(strbuf_str(&text), text.size, true, &encoded);
    return xasprintf("X-Registry-Auth: %s", strbuf_str(&encoded));
}
