#include "daemon/devices.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/directory.h"
#include "base/fd.h"
#include "base/parse.h"
#include "daemon/host_config.h"

#define DEPTH_MAX 16

void device_list_release(struct device_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].path);
        free(list->items[i].host_path);
    }
    free(list->items);
    *list = (struct device_list){0};
}

static void add_node(struct device_list *list, const char *path, const char *host_path, const struct stat *st,
                     const char *access)
{
    xgrow((void **)&list->items, list->count, &list->capacity, sizeof(*list->items));
    struct device_node *node = &list->items[list->count++];
    *node = (struct device_node){.path = xstrdup(path),
                                 .host_path = xstrdup(host_path),
                                 .type = S_ISBLK(st->st_mode) ? 'b' : 'c',
                                 .major = major(st->st_rdev),
                                 .minor = minor(st->st_rdev),
                                 .mode = st->st_mode & 0777,
                                 .uid = st->st_uid,
                                 .gid = st->st_gid};
    snprintf(node->access, sizeof(node->access), "%s", access);
}

static bool is_device(mode_t mode)
{
    return S_ISCHR(mode) || S_ISBLK(mode);
}

/* What every container has of its own is not taken from the host. */
static bool is_private_entry(const char *name)
{
    static const char *const names[] = {".",       "..",    "pts",    "shm",         "fd",   "mqueue",
                                        "console", ".udev", ".lxc",   ".lxd-mounts", "ptmx", "null",
                                        "zero",    "full",  "random", "urandom",     "tty"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* Every node below a directory that is `inside` in the container and `host` here; symlinks in it are not followed. */
static int walk(struct device_list *list, int dir_fd, const char *directory, const char *inside, const char *host,
                const char *access, int depth)
{
    CLEANUP_DIRECTORY DIR *dir = NULL;
    const char *name;
    int r = directory_open(dir_fd, directory, &dir);
    while (r >= 0 && (r = directory_next(dir, &name)) > 0) {
        struct stat st;
        if (is_private_entry(name) || fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        CLEANUP_FREE char *path = xasprintf("%s/%s", inside, name);
        CLEANUP_FREE char *source = xasprintf("%s/%s", host, name);
        if (is_device(st.st_mode))
            add_node(list, path, source, &st, access);
        if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
            walk(list, dirfd(dir), name, path, source, access, depth + 1);
    }
    return r;
}

static int add_mapping(struct device_list *list, const struct device_mapping *m, struct error *err)
{
    const char *host = m->path_on_host ? m->path_on_host : "";
    const char *inside = m->path_in_container && *m->path_in_container ? m->path_in_container : host;
    const char *access = m->cgroup_permissions && *m->cgroup_permissions ? m->cgroup_permissions : "rwm";
    struct stat st;
    int r = stat(host, &st) < 0 ? -errno : 0;
    if (r == 0 && is_device(st.st_mode)) {
        add_node(list, inside, host, &st, access);
        return 0;
    }
    size_t before = list->count;
    if (r == 0 && S_ISDIR(st.st_mode)) {
        CLEANUP_CLOSE int fd = open(host, O_PATH | O_DIRECTORY | O_CLOEXEC);
        r = fd < 0 ? -errno : walk(list, fd, ".", inside, host, access, 0);
        if (r == 0 && list->count > before)
            return 0;
    }
    if (r < 0 && r != -ENOENT)
        return error_errno(err, r, "error gathering device information while adding custom device \"%s\"", host);
    return error_set(err, ERROR_SYSTEM, r < 0 ? -r : ENODEV,
                     "error gathering device information while adding custom device \"%s\": %s", host,
                     r < 0 ? "no such file or directory" : "not a device node");
}

int devices_collect(const struct host_config *host, struct device_list *ret, struct error *err)
{
    if (host->privileged) {
        int r = walk(ret, AT_FDCWD, "/dev/.", "/dev", "/dev", "rwm", 0);
        if (r < 0)
            return error_errno(err, r, "/dev");
    }
    const struct device_mapping *mappings = host->devices.items;
    for (size_t i = 0; i < host->devices.count; i++) {
        int r = add_mapping(ret, &mappings[i], err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int parse_number(const char *s, int64_t *ret)
{
    if (strcmp(s, "*") == 0) {
        *ret = -1;
        return 0;
    }
    return *s < '0' || *s > '9' ? -EINVAL : parse_int64(s, 0, UINT32_MAX, ret);
}

int device_rule_parse(const char *text, struct device_rule *ret, struct error *err)
{
    CLEANUP_STRV struct strv words = STRV_INIT;
    CLEANUP_STRV struct strv numbers = STRV_INIT;
    strv_split(&words, text, ' ');
    if (words.count == 3)
        strv_split(&numbers, words.items[1], ':');
    struct device_rule rule = {0};
    bool ok = words.count == 3 && strlen(words.items[0]) == 1 && strchr("abc", words.items[0][0]) != NULL &&
              numbers.count == 2 && parse_number(numbers.items[0], &rule.major) == 0 &&
              parse_number(numbers.items[1], &rule.minor) == 0;
    size_t access = ok ? strlen(words.items[2]) : 0;
    if (!ok || access == 0 || access > 3 || strspn(words.items[2], "rwm") != access)
        return error_set(err, ERROR_INVALID, 0, "invalid device cgroup rule format: '%s'", text);
    rule.type = words.items[0][0];
    snprintf(rule.access, sizeof(rule.access), "%s", words.items[2]);
    *ret = rule;
    return 0;
}
