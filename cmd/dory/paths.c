#include "cmd/dory/paths.h"

#include <string.h>

#include "base/memory.h"
#include "base/strv.h"

char *path_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return xstrdup(".");
    CLEANUP_FREE char *front = xstrndup(path, (size_t)(slash - path + 1));
    return path_clean(front);
}

char *path_base(const char *path)
{
    size_t end = strlen(path);
    if (end == 0)
        return xstrdup(".");
    while (end > 0 && path[end - 1] == '/')
        end--;
    if (end == 0)
        return xstrdup("/");
    size_t start = end;
    while (start > 0 && path[start - 1] != '/')
        start--;
    return xstrndup(path + start, end - start);
}

char *path_join(const char *directory, const char *name)
{
    CLEANUP_FREE char *joined = xasprintf("%s/%s", directory, name);
    return path_clean(joined);
}

bool path_has_trailing_slash(const char *path)
{
    size_t size = strlen(path);
    return size > 0 && path[size - 1] == '/';
}

bool path_is_contents(const char *path)
{
    CLEANUP_FREE char *base = path_base(path);
    return strcmp(base, ".") == 0;
}

bool path_asserts_directory(const char *path)
{
    return path_has_trailing_slash(path) || path_is_contents(path);
}

char *path_keep_ending(const char *clean, const char *original)
{
    bool dot = !path_is_contents(clean) && path_is_contents(original);
    CLEANUP_FREE char *with_dot =
        dot ? xasprintf("%s%s.", clean, path_has_trailing_slash(clean) ? "" : "/") : xstrdup(clean);
    bool slash = !path_has_trailing_slash(with_dot) && path_has_trailing_slash(original);
    return xasprintf("%s%s", with_dot, slash ? "/" : "");
}

void path_split(const char *path, char **ret_directory, char **ret_base)
{
    CLEANUP_FREE char *clean = path_clean(path);
    CLEANUP_FREE char *whole = path_is_contents(path) ? xasprintf("%s/.", clean) : xstrdup(clean);
    *ret_directory = path_directory(whole);
    *ret_base = path_base(whole);
}
