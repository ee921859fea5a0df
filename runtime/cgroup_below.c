#include "runtime/cgroup_below.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/beneath.h"
#include "base/fd.h"

/* ---- arguments ---- */

static int add_controllers(const char *argument, struct strmap *ret, struct error *err)
{
    const char *path = strchr(argument, ':') + 1;
    CLEANUP_FREE char *names = xstrndup(argument, (size_t)(path - 1 - argument));
    CLEANUP_STRV struct strv controllers = STRV_INIT;
    strv_split(&controllers, names, ',');
    for (size_t i = 0; i < controllers.count; i++) {
        const char *name = controllers.items[i];
        if (name[0] == '\0')
            return error_set(err, ERROR_INVALID, 0, "invalid --cgroup argument: %s (empty <controller> prefix)",
                             argument);
        if (strmap_get(ret, name) != NULL)
            return error_set(err, ERROR_INVALID, 0,
                             "invalid --cgroup argument(s): controller %s specified multiple times", name);
        strmap_append(ret, name, path);
    }
    return 0;
}

int cgroup_below_parse(const struct strv *arguments, struct strmap *ret, struct error *err)
{
    for (size_t i = 0; i < arguments->count; i++) {
        const char *argument = arguments->items[i];
        if (strchr(argument, ':') != NULL) {
            int r = add_controllers(argument, ret, err);
            if (r < 0)
                return r;
        } else if (arguments->count > 1) {
            return error_set(err, ERROR_INVALID, 0, "invalid --cgroup argument: %s (missing <controller>: prefix)",
                             argument);
        } else {
            strmap_append(ret, CGROUP_BELOW_ALL, argument);
        }
    }
    return 0;
}

/* ---- directories ---- */

static int check_path(const char *path, struct error *err)
{
    for (const char *p = path; *p != '\0'; p += strcspn(p, "/")) {
        p += strspn(p, "/");
        if (strcspn(p, "/") == 2 && strncmp(p, "..", 2) == 0)
            return error_set(err, ERROR_INVALID, 0, "%s is not a sub cgroup path", path);
    }
    return 0;
}

/* Replaces one directory with the one below it; -1 is one that the container is not in. */
static int descend(const struct runtime_cgroup *cgroup, int *dir_fd, const char *hierarchy, const char *path,
                   struct error *err)
{
    path += strspn(path, "/");
    if (*dir_fd < 0 || path[0] == '\0')
        return 0;
    int fd = beneath_open_nofollow(*dir_fd, path, O_PATH | O_DIRECTORY, 0);
    if (fd < 0)
        return error_set(err, fd == -ENOENT ? ERROR_NOT_FOUND : ERROR_SYSTEM, -fd, "cannot open cgroup %s/%s of %s: %s",
                         cgroup->path, path, hierarchy, fd == -ENOENT ? "it does not exist" : strerror(-fd));
    fd_close(*dir_fd);
    *dir_fd = fd;
    return 0;
}

static int descend_all(struct runtime_cgroup *cgroup, const char *path, struct error *err)
{
    int r = descend(cgroup, &cgroup->unified_fd, "cgroup v2", path, err);
    for (int c = 0; r == 0 && c < CGROUP_CONTROLLERS; c++)
        if (!cgroup->alias[c])
            r = descend(cgroup, &cgroup->fds[c], cgroup_controller_names[c], path, err);
    return r;
}

/* The controller whose directory is joined for the one of that name: the first of those that are mounted together. -1
 * if the container has no cgroup of it. */
static int find_controller(const struct runtime_cgroup *cgroup, const char *name)
{
    int found = 0;
    while (found < CGROUP_CONTROLLERS && strcmp(cgroup_controller_names[found], name) != 0)
        found++;
    struct stat of_it, other;
    if (found == CGROUP_CONTROLLERS || cgroup->fds[found] < 0 || !cgroup->alias[found])
        return found < CGROUP_CONTROLLERS && cgroup->fds[found] >= 0 ? found : -1;
    for (int c = 0; c < found; c++)
        if (cgroup->root_fds[c] >= 0 && fstat(cgroup->root_fds[found], &of_it) == 0 &&
            fstat(cgroup->root_fds[c], &other) == 0 && of_it.st_dev == other.st_dev && of_it.st_ino == other.st_ino)
            return c;
    return found;
}

int cgroup_descend(struct runtime_cgroup *cgroup, const struct strmap *below, struct error *err)
{
    const char *taken[CGROUP_CONTROLLERS] = {NULL};
    for (size_t i = 0; i < below->count; i++) {
        const char *name = below->items[i].key, *path = below->items[i].value;
        int r = check_path(path, err);
        if (r < 0)
            return r;
        if (name[0] == '\0') {
            r = descend_all(cgroup, path, err);
            if (r < 0)
                return r;
            continue;
        }
        int c = find_controller(cgroup, name);
        if (c < 0)
            return error_set(err, ERROR_INVALID, 0, "unknown controller %s in --cgroup %s:%s", name, name, path);
        if (taken[c] != NULL && strcmp(taken[c], path) != 0)
            return error_set(err, ERROR_INVALID, 0, "--cgroup %s:%s: that controller is mounted together with %s", name,
                             path, cgroup_controller_names[c]);
        r = taken[c] == NULL ? descend(cgroup, &cgroup->fds[c], name, path, err) : 0;
        if (r < 0)
            return r;
        taken[c] = path;
    }
    return 0;
}
