/*
 * Mounts added to a container that exists (the member MountsAdd of an update): checked as at creation, attached at once
 * when it runs, and kept for its next starts.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "daemon/container_update.h"
#include "daemon/engine_internal.h"
#include "daemon/mount_live.h"
#include "daemon/mount_sources.h"
#include "daemon/spec_generate.h"
#include "daemon/userns_remap.h"
#include "runtime/mount_options.h"

void update_mounts_release(struct update_mounts *a)
{
    mounts_free(a->items, a->count);
    free(a->all.items);
    strv_release(&a->made);
    *a = (struct update_mounts){0};
}

static int check(const struct container *c, const struct update_mounts *a, const struct mount_point *m,
                 struct error *err)
{
    struct stat st;
    for (size_t i = 0; i < c->mount_count; i++)
        if (strcmp(c->mounts[i].destination, m->destination) == 0)
            return error_set(err, ERROR_CONFLICT, 0, "Duplicate mount point: %s", m->destination);
    for (size_t i = 0; i + 1 < a->count; i++)
        if (strcmp(a->items[i].destination, m->destination) == 0)
            return error_set(err, ERROR_INVALID, 0, "Duplicate mount point: %s", m->destination);
    if (m->type == MOUNT_BIND && !m->create_source && stat(m->source, &st) < 0)
        return error_set(err, ERROR_INVALID, 0,
                         "invalid mount config for type \"bind\": bind source path does not exist: %s", m->source);
    if (m->type == MOUNT_IMAGE)
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "MountsAdd: a mount of type \"image\" cannot be added");
    if (m->type == MOUNT_VOLUME && m->anonymous)
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "MountsAdd: an anonymous volume cannot be added: name it");
    if (m->subpath != NULL)
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "MountsAdd: VolumeOptions.Subpath cannot be added");
    if (strcmp(m->propagation ? m->propagation : "rprivate", "rprivate") != 0)
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "MountsAdd: BindOptions.Propagation %s cannot be added",
                         m->propagation);
    CLEANUP_STRV struct strv options = STRV_INIT;
    return m->type == MOUNT_TMPFS ? spec_tmpfs_options(m->tmpfs_options, &options, err) : 0;
}

static int parse(const struct container *c, const struct json_array *requests, struct update_mounts *a,
                 struct error *err)
{
    const struct mount_request *items = requests->items;
    a->items = xcalloc(requests->count, sizeof(*a->items));
    int r = 0;
    for (size_t i = 0; r == 0 && i < requests->count; i++) {
        r = mount_parse_request(&items[i], &a->items[i], err);
        a->count = i + 1;
        if (r == 0)
            r = check(c, a, &a->items[i], err);
    }
    return r;
}

/* ---- the source, as a detached mount ---- */

/* An id of the container's in an option of a tmpfs that the host mounts. */
static int set_id(int fs, const char *key, const char *value, const struct id_map *map, struct error *err)
{
    int64_t inside;
    uint32_t outside;
    char text[12];
    if (parse_int64(value, 0, UINT32_MAX, &inside) < 0 || !id_map_outside(map, (uint32_t)inside, &outside))
        return error_set(err, ERROR_INVALID, EINVAL, "tmpfs option %s=%s is no id of the container's", key, value);
    snprintf(text, sizeof(text), "%u", outside);
    return fsconfig(fs, FSCONFIG_SET_STRING, key, text, 0) < 0 ? error_errno(err, errno, "tmpfs option %s", key) : 0;
}

static int set_option(int fs, const char *option, const struct userns_remap *remap, struct error *err)
{
    CLEANUP_FREE char *key = xstrdup(option);
    char *value = strchr(key, '=');
    if (value != NULL)
        *value++ = '\0';
    if (remap != NULL && value != NULL && (strcmp(key, "uid") == 0 || strcmp(key, "gid") == 0))
        return set_id(fs, key, value, *key == 'u' ? &remap->uids : &remap->gids, err);
    return fsconfig(fs, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, value, 0) < 0
               ? error_errno(err, errno, "tmpfs option %s", option)
               : 0;
}

static int set_options(int fs, const struct strv *options, const struct userns_remap *remap, struct error *err)
{
    int r = fsconfig(fs, FSCONFIG_SET_STRING, "source", "tmpfs", 0) < 0 ? error_errno(err, errno, "tmpfs") : 0;
    if (r == 0 && remap != NULL) /* it is its root's unless an option says otherwise */
        r = set_option(fs, "uid=0", remap, err);
    if (r == 0 && remap != NULL)
        r = set_option(fs, "gid=0", remap, err);
    for (size_t i = 0; r == 0 && i < options->count; i++)
        r = set_option(fs, options->items[i], remap, err);
    return r;
}

static int make_tmpfs(const struct mount_point *m, const struct userns_remap *remap, struct error *err)
{
    struct oci_mount spec = {.destination = m->destination, .type = (char *)"tmpfs"};
    struct mount_options options = {0};
    CLEANUP_STRV struct strv words = STRV_INIT;
    int r = spec_tmpfs_options(m->tmpfs_options, &words, err);
    spec.options = words;
    if (r == 0)
        r = mount_options_parse(&spec, &options, err);
    if (r < 0)
        return r;
    CLEANUP_CLOSE int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
    r = fs < 0 ? error_errno(err, errno, "tmpfs") : set_options(fs, &options.data, remap, err);
    if (r == 0 && fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        r = error_errno(err, errno, "tmpfs");
    if (r == 0 && (r = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)options.set)) < 0)
        r = error_errno(err, errno, "tmpfs");
    mount_options_release(&options);
    return r < 0 ? error_context(err, "tmpfs for %s", m->destination) : r;
}

static int clone_source(struct engine *engine, const struct mount_point *m, struct error *err)
{
    CLEANUP_CLOSE int source =
        m->type == MOUNT_VOLUME ? volume_open_data(engine->volumes, m->name, err) : open(m->source, O_PATH | O_CLOEXEC);
    if (source < 0)
        return m->type == MOUNT_VOLUME ? source : error_errno(err, errno, "mount source %s", m->source);
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (unsigned)AT_EMPTY_PATH;
    int fd = open_tree(source, "", flags | (m->non_recursive ? 0 : (unsigned)AT_RECURSIVE));
    return fd < 0 ? error_errno(err, errno, "mount source %s", m->source) : fd;
}

/* The descriptor of what is mounted now, or -errno. */
static int attach(struct engine *engine, const struct mount_point *m, const struct userns_remap *remap,
                  int namespace_fd, struct error *err)
{
    CLEANUP_CLOSE int fd = m->type == MOUNT_TMPFS ? make_tmpfs(m, remap, err) : clone_source(engine, m, err);
    if (fd < 0)
        return fd;
    bool one = m->type == MOUNT_TMPFS || m->non_recursive || m->read_only_non_recursive;
    struct mount_attr private = {.propagation = MS_PRIVATE}, read_only = {.attr_set = MOUNT_ATTR_RDONLY};
    if (mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &private, sizeof(private)) < 0 ||
        (m->read_only &&
         mount_setattr(fd, "", AT_EMPTY_PATH | (one ? 0u : (unsigned)AT_RECURSIVE), &read_only, sizeof(read_only)) < 0))
        return error_errno(err, errno, "mount source %s", m->source ? m->source : "tmpfs");
    int r = mount_live_attach(namespace_fd, fd, m->destination, remap != NULL ? &remap->root : NULL, err);
    return r < 0 ? r : TAKE_FD(fd);
}

/* All or none. */
static int attach_all(struct engine *engine, const struct update_mounts *a, const struct container *c, pid_t pid,
                      struct error *err)
{
    CLEANUP_CLOSE int namespace_fd = mount_live_open(pid, c->id, err);
    if (namespace_fd < 0)
        return namespace_fd;
    CLEANUP_FREE int *fds = xcalloc(a->count, sizeof(*fds));
    size_t done = 0;
    int r = 0;
    while (r >= 0 && done < a->count) {
        r = attach(engine, &a->items[done], container_remap(engine, c), namespace_fd, err);
        if (r >= 0)
            fds[done++] = r;
    }
    for (size_t i = done; i-- > 0;) {
        struct error failed = {0};
        if (r < 0 && mount_live_detach(namespace_fd, fds[i], &failed) < 0)
            log_error("container %s: %s: %s", c->id, a->items[i].destination, failed.message);
        fd_close(fds[i]);
    }
    return r < 0 ? r : 0;
}

/* ---- all of it ---- */

/* Volumes are made, held until the container has them, and, while it runs, in use from now on; sources of binds are
 * made where that was asked for, now or by the next start. */
static int prepare(struct engine *engine, struct update_mounts *a, bool running, struct error *err)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < a->count; i++) {
        struct mount_point *m = &a->items[i];
        bool new = false;
        if (m->type == MOUNT_BIND && running)
            r = mount_source_make(m, err);
        if (m->type != MOUNT_VOLUME)
            continue;
        volume_hold(engine->volumes, m->name);
        a->held = i + 1;
        r = engine_volume_make(engine, m, &new, err);
        if (r == 0 && new)
            strv_add(&a->made, m->name);
        if (r == 0 && running) {
            r = volume_mount(engine->volumes, m->name, err);
            if (r == 0)
                a->mounted = i + 1;
        }
    }
    return r;
}

static void unhold(struct engine *engine, const struct update_mounts *a)
{
    for (size_t i = 0; i < a->held; i++)
        if (a->items[i].type == MOUNT_VOLUME)
            volume_unhold(engine->volumes, a->items[i].name);
}

static void unmount(struct engine *engine, const struct update_mounts *a)
{
    for (size_t i = 0; i < a->mounted; i++)
        if (a->items[i].type == MOUNT_VOLUME)
            volume_unmount(engine->volumes, a->items[i].name);
}

static void add_requests(struct host_config *next, const struct json_array *requests)
{
    const struct json_table *table = json_table_find(&host_config_table, "Mounts")->table;
    size_t count = next->mounts.count;
    struct mount_request *items = xreallocarray(next->mounts.items, count + requests->count, sizeof(*items));
    memset(items + count, 0, requests->count * sizeof(*items));
    for (size_t i = 0; i < requests->count; i++)
        json_table_copy(table, &items[count + i], &((const struct mount_request *)requests->items)[i]);
    next->mounts = (struct json_array){items, count + requests->count};
}

/* The container's mounts and the added ones, in the order of mounting. */
static struct json_array join(const struct container *c, const struct update_mounts *a)
{
    struct mount_point *items = xcalloc(c->mount_count + a->count, sizeof(*items));
    for (size_t i = 0; i < c->mount_count; i++)
        items[i] = c->mounts[i];
    for (size_t i = 0; i < a->count; i++)
        items[c->mount_count + i] = a->items[i];
    mounts_sort(items, c->mount_count + a->count);
    return (struct json_array){items, c->mount_count + a->count};
}

/* ---- the steps ---- */

static int plan(struct container_update *u, struct error *err)
{
    struct host_config asked = {0};
    const struct json *list = json_get(u->body, "MountsAdd");
    const char *keys[] = {"Mounts"};
    struct json object = {.kind = JSON_OBJECT,
                          .object = {.keys = (char **)keys, .values = (struct json *)list, .count = 1}};
    if (list == NULL)
        return 0;
    int r = json_table_decode(&host_config_table, &object, &asked, err);
    if (r == 0 && asked.mounts.count == 0)
        r = error_set(err, ERROR_INVALID, 0, "MountsAdd: a list of mounts is expected");
    if (r == 0)
        r = parse(u->container, &asked.mounts, &u->mounts, err);
    if (r == 0)
        add_requests(&u->next, &asked.mounts);
    host_config_release(&asked);
    return r;
}

static int prepare_volumes(struct container_update *u, struct error *err)
{
    if (u->mounts.count == 0)
        return 0;
    int r = prepare(u->engine, &u->mounts, u->pid != 0, err);
    if (r == 0)
        u->mounts.all = join(u->container, &u->mounts);
    return r;
}

static void undo_volumes(struct container_update *u)
{
    unmount(u->engine, &u->mounts);
    unhold(u->engine, &u->mounts);
    engine_volumes_undo(u->engine, &u->mounts.made);
}

static int apply(struct container_update *u, struct error *err)
{
    if (u->mounts.count == 0 || u->pid == 0)
        return 0;
    return attach_all(u->engine, &u->mounts, u->container, u->pid, err);
}

/* Readers without a lock look at the count first, then at the pointer: it is the pointer that changes first. */
static void adopt(struct container_update *u)
{
    const struct json_field *mounts = json_table_find(&host_config_table, "Mounts");
    struct container *c = u->container;
    struct update_mounts *a = &u->mounts;
    if (a->count == 0)
        return;
    pthread_mutex_lock(&u->engine->index_lock);
    pthread_mutex_lock(&c->lock);
    container_retire(c, c->mounts);
    container_retire(c, a->items); /* the members are the container's now */
    __atomic_store_n(&c->mounts, (struct mount_point *)TAKE_PTR(a->all.items), __ATOMIC_RELEASE);
    __atomic_store_n(&c->mount_count, a->all.count, __ATOMIC_RELEASE);
    json_table_move_field(mounts, &c->host, &u->next);
    bool ended = u->pid != 0 && c->pid != u->pid; /* and gave back the volumes that it had before */
    pthread_mutex_unlock(&c->lock);
    pthread_mutex_unlock(&u->engine->index_lock);
    if (ended)
        unmount(u->engine, a);
    unhold(u->engine, a);
    a->items = NULL;
    a->count = 0;
}

const struct update_step update_volumes = {plan, prepare_volumes, undo_volumes, NULL};
const struct update_step update_mounts = {NULL, apply, NULL, adopt};
