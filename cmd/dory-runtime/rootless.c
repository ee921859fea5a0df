/* What is different when an ordinary user runs containers, or root of a user namespace. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/parse.h"
#include "cmd/dory-runtime/runtime.h"

#define PROC_FILE_MAX (1u << 16)

/* The initial user namespace maps everything to itself. */
static bool in_user_namespace(void)
{
    CLEANUP_FREE char *text = NULL;
    unsigned inside, outside, count;
    if (file_read(AT_FDCWD, "/proc/self/uid_map", PROC_FILE_MAX, &text, NULL, NULL) < 0)
        return false; /* a kernel without user namespaces */
    return sscanf(text, "%u %u %u", &inside, &outside, &count) != 3 || inside != 0 || outside != 0 ||
           count != UINT32_MAX;
}

int rootless_parse(const char *text, bool *ret, struct error *err)
{
    if (strcmp(text, "auto") == 0)
        *ret = geteuid() != 0 || in_user_namespace();
    else if (parse_bool(text, ret) < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid value \"%s\" for --rootless: true, false or auto", text);
    return 0;
}

int rootless_root(bool rootless, char **ret, struct error *err)
{
    const char *runtime_dir = getenv("XDG_RUNTIME_DIR");
    bool usable = runtime_dir != NULL && runtime_dir[0] == '/';
    if (geteuid() == 0 && !(rootless && usable)) {
        *ret = xstrdup(DEFAULT_ROOT);
        return 0;
    }
    if (!usable)
        return error_set(err, ERROR_INVALID, 0,
                         "XDG_RUNTIME_DIR is not set: --root must say where the states of containers are kept");
    *ret = xasprintf("%s/dory-runtime", runtime_dir);
    return 0;
}

char *rootless_cgroup(bool rootless, const char *id)
{
    CLEANUP_FREE char *text = NULL;
    const char *line = NULL;
    if (rootless && file_read(AT_FDCWD, "/proc/self/cgroup", PROC_FILE_MAX, &text, NULL, NULL) == 0)
        line = strncmp(text, "0::/", 4) == 0 ? text : strstr(text, "\n0::/");
    if (line == NULL)
        return xasprintf("/dory/%s", id);
    const char *path = strchr(line, '/');
    size_t size = strcspn(path, "\n");
    while (size > 0 && path[size - 1] != '/')
        size--;
    return xasprintf("%.*sdory-%s", (int)size, path, id);
}
