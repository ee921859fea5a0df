#include "cmd/dory/cp_plan.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error_words.h"
#include "base/memory.h"
#include "cmd/dory/paths.h"

#define SYMLINKS_MAX 10

char *cp_split_argument(const char *argument, const char **ret_path)
{
    const char *colon = strchr(argument, ':');
    *ret_path = argument;
    if (argument[0] == '/' || argument[0] == '.' || colon == NULL || colon == argument)
        return NULL;
    *ret_path = colon + 1;
    return xstrndup(argument, (size_t)(colon - argument));
}

void cp_end_release(struct cp_end *end)
{
    free(end->path);
    free(end->rename);
    *end = (struct cp_end){0};
}

void cp_plan_release(struct cp_plan *plan)
{
    free(plan->directory);
    free(plan->rename_from);
    free(plan->rename_to);
    *plan = (struct cp_plan){0};
}

static int lstat_error(const char *path, int errnum, struct error *err)
{
    return error_set(err, ERROR_INVALID, errnum, "lstat %s: %s", path, error_words(errnum));
}

static int absolute(const char *path, char **ret, struct error *err)
{
    CLEANUP_FREE char *here = path[0] == '/' ? xstrdup("") : getcwd(NULL, 0);
    if (here == NULL)
        return error_errno(err, errno, "getwd");
    CLEANUP_FREE char *clean = path_join(here, path);
    *ret = path_keep_ending(clean, path);
    return 0;
}

void cp_follow(const char *path, const char *target, struct cp_end *ret)
{
    CLEANUP_FREE char *dotted =
        path_is_contents(path) && !path_is_contents(target) ? xasprintf("%s/.", target) : xstrdup(target);
    bool slash = path_has_trailing_slash(path) && !path_has_trailing_slash(dotted);
    ret->path = xasprintf("%s%s", dotted, slash ? "/" : "");
    CLEANUP_FREE char *asked = path_base(path);
    CLEANUP_FREE char *found = path_base(ret->path);
    ret->rename = strcmp(asked, found) != 0 ? TAKE_PTR(asked) : NULL;
}

static int resolve_directory(const char *path, struct cp_end *ret, struct error *err)
{
    const char *slash = strrchr(path, '/'); /* absolute, so there is one */
    CLEANUP_FREE char *front = xstrndup(path, (size_t)(slash - path + 1));
    CLEANUP_FREE char *resolved = realpath(front, NULL);
    if (resolved == NULL)
        return lstat_error(path, errno, err);
    ret->path = xasprintf("%s/%s", strcmp(resolved, "/") == 0 ? "" : resolved, slash + 1);
    if (path_has_trailing_slash(path)) {
        CLEANUP_FREE char *asked = path_base(path);
        CLEANUP_FREE char *found = path_base(ret->path);
        ret->rename = strcmp(asked, found) != 0 ? TAKE_PTR(asked) : NULL;
    }
    return 0;
}

int cp_local_source(const char *path, bool follow, struct cp_end *ret, struct error *err)
{
    CLEANUP_FREE char *full = NULL;
    struct stat st;
    int r = absolute(path, &full, err);
    if (r == 0 && follow) {
        CLEANUP_FREE char *resolved = realpath(full, NULL);
        if (resolved == NULL)
            return lstat_error(full, errno, err);
        cp_follow(full, resolved, ret);
    } else if (r == 0) {
        r = resolve_directory(full, ret, err);
    }
    if (r < 0)
        return r;
    if (lstat(ret->path, &st) < 0)
        return lstat_error(full, errno, err);
    ret->exists = true;
    ret->is_directory = S_ISDIR(st.st_mode);
    return 0;
}

/* What the symlink leads to takes its place. */
static int follow_once(char **path, struct error *err)
{
    char target[PATH_MAX];
    ssize_t n = readlink(*path, target, sizeof(target) - 1);
    if (n < 0)
        return error_errno(err, errno, "readlink %s", *path);
    target[n] = '\0';
    CLEANUP_FREE char *directory = path_directory(*path);
    char *next = target[0] == '/' ? xstrdup(target) : path_join(directory, target);
    free(*path);
    *path = next;
    return 0;
}

int cp_local_destination(const char *path, struct cp_end *ret, struct error *err)
{
    struct stat st;
    int r = absolute(path, &ret->path, err);
    if (r < 0)
        return r;
    int found = lstat(ret->path, &st);
    for (int i = 0; found == 0 && S_ISLNK(st.st_mode); i++) {
        if (i > SYMLINKS_MAX)
            return error_set(err, ERROR_INVALID, ELOOP, "too many symlinks in \"%s\"", path);
        r = follow_once(&ret->path, err);
        if (r < 0)
            return r;
        found = lstat(ret->path, &st);
    }
    if (found == 0) {
        ret->exists = true;
        ret->is_directory = S_ISDIR(st.st_mode);
        return 0;
    }
    if (errno != ENOENT)
        return lstat_error(ret->path, errno, err);
    char *directory, *base;
    path_split(ret->path, &directory, &base);
    r = stat(directory, &st) < 0 ? lstat_error(directory, errno, err)
        : S_ISDIR(st.st_mode)    ? 0
                                 : error_set(err, ERROR_INVALID, ENOTDIR, "not a directory");
    free(directory);
    free(base);
    return r;
}

int cp_plan_make(const struct cp_end *source, const struct cp_end *destination, struct cp_plan *ret, struct error *err)
{
    if (destination->exists && destination->is_directory) {
        CLEANUP_FREE char *base = path_base(source->path);
        ret->directory = xstrdup(destination->path);
        if (source->rename != NULL) {
            ret->rename_from = TAKE_PTR(base);
            ret->rename_to = xstrdup(source->rename);
        }
        return 0;
    }
    if (destination->exists && source->is_directory)
        return error_set(err, ERROR_INVALID, ENOTDIR, "cannot copy directory");
    if (!destination->exists && !source->is_directory && path_asserts_directory(destination->path))
        return error_set(err, ERROR_INVALID, ENOENT, "no such directory");
    char *source_directory;
    path_split(destination->path, &ret->directory, &ret->rename_to);
    path_split(source->path, &source_directory, &ret->rename_from);
    free(source_directory);
    return 0;
}
