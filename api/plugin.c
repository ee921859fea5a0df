#include "api/plugin.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"

#define SPEC_MAX 65536

static bool is_name(const char *name)
{
    return *name && *name != '.' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == strlen(name);
}

static char *find_socket(const char *name)
{
    CLEANUP_FREE char *plain = xasprintf("/run/docker/plugins/%s.sock", name);
    CLEANUP_FREE char *nested = xasprintf("/run/docker/plugins/%s/%s.sock", name, name);
    const char *const paths[] = {plain, nested};

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        struct stat st;

        if (stat(paths[i], &st) == 0 && S_ISSOCK(st.st_mode))
            return xasprintf("unix://%s", paths[i]);
    }
    return NULL;
}

static int read_json(const char *path, const char *text, size_t size, char **ret_host, struct error *err)
{
    CLEANUP_JSON struct json *tree = NULL;
    int r = json_parse(text, size, &tree, err);
    const char *address = r < 0 ? NULL : json_get_string(tree, "Addr");
    const struct json *tls = r < 0 ? NULL : json_get(tree, "TLSConfig");

    if (r < 0)
        return error_context(err, "%s", path);
    if (tls && tls->kind != JSON_NULL)
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "%s: plugins over TLS are not supported", path);
    if (!address)
        return error_set(err, ERROR_INVALID, 0, "%s: there is no Addr", path);
    *ret_host = xstrdup(address);
    return 0;
}

/* 0 with *ret_host NULL: no such file. */
static int read_spec(const char *directory, const char *name, const char *suffix, char **ret_host, struct error *err)
{
    CLEANUP_FREE char *path = xasprintf("%s/%s.%s", directory, name, suffix), *text = NULL;
    size_t size;
    int r = file_read(AT_FDCWD, path, SPEC_MAX, &text, &size, NULL);

    if (r == -ENOENT || r == -ENOTDIR)
        return 0;
    if (r < 0)
        return error_errno(err, r, "%s", path);
    if (strcmp(suffix, "json") == 0)
        return read_json(path, text, size, ret_host, err);
    size_t start = strspn(text, " \t\r\n");
    *ret_host = xstrndup(text + start, strcspn(text + start, " \t\r\n"));
    return 0;
}

int plugin_find(const char *name, char **ret_host, struct error *err)
{
    static const char *const directories[] = {"/etc/docker/plugins", "/usr/lib/docker/plugins"};
    static const char *const suffixes[] = {"spec", "json"};
    CLEANUP_FREE char *host = is_name(name) ? find_socket(name) : NULL;

    for (size_t i = 0; is_name(name) && !host && i < ARRAY_SIZE(directories) * ARRAY_SIZE(suffixes) * 2; i++) {
        const char *directory = directories[i / (ARRAY_SIZE(suffixes) * 2)];
        CLEANUP_FREE char *own = xasprintf("%s/%s", directory, name);
        int r = read_spec(i % 2 ? own : directory, name, suffixes[i / 2 % ARRAY_SIZE(suffixes)], &host, err);

        if (r < 0)
            return r;
    }
    if (!host)
        return error_set(err, ERROR_NOT_FOUND, 0, "plugin \"%s\" not found", name);
    if (strncmp(host, "unix://", 7) != 0 && strncmp(host, "tcp://", 6) != 0)
        return error_set(err, ERROR_INVALID, 0, "plugin \"%s\": \"%s\" is no address", name, host);
    *ret_host = TAKE_PTR(host);
    return 0;
}
