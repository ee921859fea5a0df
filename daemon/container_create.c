#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/timestamp.h"
#include "daemon/container_config_check.h"
#include "daemon/container_versions.h"
#include "daemon/engine_internal.h"
#include "daemon/ipc_share.h"
#include "daemon/links.h"
#include "daemon/mount_sources.h"
#include "daemon/names.h"
#include "daemon/port_ranges.h"
#include "daemon/runtimes.h"
#include "daemon/spec_generate.h"
#include "daemon/volumes_from.h"
#include "image/platform.h"

static bool is_set(const char *s)
{
    return s != NULL && *s != '\0';
}

static int name_conflict(struct error *err, const char *name, const char *id)
{
    return error_set(err, ERROR_CONFLICT, 0,
                     "Conflict. The container name \"/%s\" is already in use by container \"%s\". You have to remove "
                     "(or rename) that container to be able to reuse that name.",
                     name, id);
}

/* index lock held */
static int check_name_free(struct engine *engine, const char *name, struct error *err)
{
    struct container *other = map_get(&engine->by_name, name);
    return other != NULL ? name_conflict(err, name, other->id) : 0;
}

static int check_name(struct engine *engine, const char *name, struct error *err)
{
    if (!name_is_valid(name))
        return error_set(err, ERROR_INVALID, 0,
                         "Invalid container name (%s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", name);
    pthread_mutex_lock(&engine->index_lock);
    int r = check_name_free(engine, name, err);
    pthread_mutex_unlock(&engine->index_lock);
    return r;
}

static int decode_body(const struct container_create *request, struct container *c, struct error *err)
{
    if (request->body == NULL || request->body->kind != JSON_OBJECT || request->body->object.count == 0)
        return error_set(err, ERROR_INVALID, 0, "config cannot be empty in order to create a container");
    int r = json_table_decode(&container_config_table, request->body, &c->config, err);
    const struct json *host = json_get(request->body, "HostConfig");
    if (r == 0 && host != NULL && host->kind != JSON_NULL)
        r = json_table_decode(&host_config_table, host, &c->host, err) < 0 ? error_context(err, "HostConfig") : 0;
    /* docker-py's create_container(runtime=...) says it here, where docker does not look. */
    const char *runtime = json_get_string(request->body, "Runtime");
    if (r == 0 && is_set(runtime) && !is_set(c->host.runtime))
        xstrset(&c->host.runtime, runtime);
    return r;
}

/* ---- image and configuration ---- */

/* As docker warns: an emulator may be missing. */
static void warn_of_platform(const struct image *image, const char *asked, struct strv *warnings)
{
    struct platform host, have;
    char host_text[PLATFORM_TEXT_MAX], have_text[PLATFORM_TEXT_MAX];
    platform_host(&host);
    platform_set(&have, image->os, image->architecture, image->variant);
    if (is_set(asked) || !is_set(image->os) || !is_set(image->architecture) || platform_distance(&host, &have) >= 0)
        return;
    platform_format(&host, host_text);
    platform_format(&have, have_text);
    strv_addf(warnings,
              "The requested image's platform (%s) does not match the detected host platform (%s) and no specific "
              "platform was requested",
              have_text, host_text);
}

static int set_hostname(struct engine *engine, struct container *c, struct error *err)
{
    const char *mode = c->host.network_mode;
    if (is_set(c->config.hostname))
        return 0;
    if (strncmp(mode, "container:", 10) == 0) {
        CLEANUP_CONTAINER struct container *peer = NULL;
        int r = container_find(engine, mode + 10, &peer, err);
        if (r < 0)
            return r;
        xstrset(&c->config.hostname, peer->config.hostname);
        return 0;
    }
    struct utsname host;
    if ((strcmp(mode, "host") == 0 || strcmp(c->host.uts_mode, "host") == 0) && uname(&host) == 0) {
        xstrset(&c->config.hostname, host.nodename);
        return 0;
    }
    free(c->config.hostname); /* "" */
    c->config.hostname = xstrndup(c->id, ID_SHORT_SIZE);
    return 0;
}

static int check_mounts(struct engine *engine, const struct container *c, struct error *err)
{
    for (size_t i = 0; i < c->mount_count; i++) {
        const struct mount_point *m = &c->mounts[i];
        struct stat st;
        if (m->type == MOUNT_BIND && !m->create_source && stat(m->source, &st) < 0)
            return error_set(err, ERROR_INVALID, 0,
                             "invalid mount config for type \"bind\": bind source path does not exist: %s", m->source);
        CLEANUP_IMAGE struct image *mounted = NULL;
        CLEANUP_STRV struct strv options = STRV_INIT;
        const char *driver = c->host.volume_driver;
        if (m->type == MOUNT_VOLUME && !m->from_mounts && is_set(driver) && strcmp(driver, "local") != 0)
            return error_set(err, ERROR_NOT_FOUND, 0, "error looking up volume plugin %s: plugin \"%s\" not found",
                             driver, driver);
        if (m->type == MOUNT_IMAGE && image_lookup(engine->images, m->source, &mounted, NULL) < 0)
            return error_set(err, ERROR_INVALID, 0, "No such image: %s", m->source);
        int r = m->type == MOUNT_TMPFS ? spec_tmpfs_options(m->tmpfs_options, &options, err) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

/* What is no absolute path was refused, or is the image's, and refused with the rest. */
static void clean_working_directory(struct container_config *config)
{
    char *clean = mount_clean_path(config->working_dir);
    if (clean == NULL)
        return;
    free(config->working_dir);
    config->working_dir = clean;
}

static bool is_beneath(const char *path, const char *directory)
{
    size_t size = strlen(directory);
    return strcmp(directory, "/") == 0 ||
           (strncmp(path, directory, size) == 0 && (path[size] == '\0' || path[size] == '/'));
}

/* docker's rule: a bind that has the data root in it, or is of it, follows the host's mounts unless the request says
 * otherwise. So `-v /:/host` shows what is mounted later, and keeps nothing that was unmounted busy. */
static void propagate_into_binds(const struct engine *engine, struct container *c)
{
    const char *root = engine->options->data_root;
    for (size_t i = 0; i < c->mount_count; i++) {
        struct mount_point *m = &c->mounts[i];
        if (m->type == MOUNT_BIND && m->propagation_default &&
            (is_beneath(m->source, root) || is_beneath(root, m->source)))
            xstrset(&m->propagation, "rslave");
    }
}

/* Whether it runs is asked when this one starts. */
static int check_pid_mode(struct engine *engine, const struct container *c, struct error *err)
{
    CLEANUP_CONTAINER struct container *peer = NULL;
    const char *mode = c->host.pid_mode;
    return is_set(mode) && strncmp(mode, "container:", 10) == 0 ? container_find(engine, mode + 10, &peer, err) : 0;
}

/* Everything that needs no side effect. */
static int prepare(struct engine *engine, const struct container_create *request, struct container *c,
                   const struct image *image, struct strv *warnings, struct error *err)
{
    CLEANUP(mount_points_release) struct json_array inherited = {0};
    int r = container_config_validate(&c->config, &c->host, err);
    bool shared = c->host.network_mode != NULL && strncmp(c->host.network_mode, "container:", 10) == 0;
    if (r == 0 && shared && c->config.exposed_ports.count > 0) /* what the image exposes counts for nothing there */
        r = error_set(err, ERROR_INVALID, 0, "conflicting options: port exposing and the container type network mode");
    if (r < 0)
        return r;
    container_config_merge(&c->config, image ? &image->config : NULL);
    host_config_set_defaults(&c->host, engine->options);
    clean_working_directory(&c->config);
    r = host_config_validate(&c->host, warnings, err);
    if (r == 0)
        r = runtimes_find(engine->options, c->host.runtime, NULL, err);
    if (r == 0)
        r = container_networks_resolve(engine, request->body, c, err);
    if (r == 0)
        r = container_versions_apply_networks(c, request->api_version, warnings, err);
    if (r == 0)
        r = container_config_validate(&c->config, &c->host, err);
    if (r == 0)
        r = set_hostname(engine, c, err);
    if (r == 0)
        r = container_config_command(&c->config, &c->path, &c->args, err);
    if (r == 0)
        r = ports_collect(&c->config, &c->host, &c->ports, &c->port_count, err);
    port_names_compact(&c->config.exposed_ports);
    if (r == 0)
        r = container_networks_check_bridge(engine, c, c->port_count, err);
    if (r == 0)
        r = volumes_from_collect(engine, c, &inherited, err);
    if (r == 0)
        r = mounts_collect(&c->config, &c->host, &inherited, &c->mounts, &c->mount_count, err);
    if (r == 0)
        propagate_into_binds(engine, c);
    if (r == 0)
        r = links_resolve(engine, c, err);
    if (r == 0)
        r = ipc_share_resolve(engine, c, err);
    if (r == 0)
        r = check_pid_mode(engine, c, err);
    if (r == 0)
        r = check_mounts(engine, c, err);
    if (r == 0)
        r = container_userns_check(engine, c, err);
    return r;
}

/* ---- volumes ---- */

void engine_volumes_undo(struct engine *engine, const struct strv *made)
{
    for (size_t i = 0; i < made->count; i++)
        engine_volume_remove(engine, made->items[i], true, NULL);
}

/* A subpath that is not there yet is not filled, as with docker: it is missed when the container starts. */
static int fill(struct engine *engine, const struct mount_point *m, int from, struct error *err)
{
    CLEANUP_CLOSE int data = volume_open_data(engine->volumes, m->name, err);
    if (data < 0)
        return data;
    if (m->subpath == NULL)
        return volume_populate(data, from, m->name, err);
    struct error missing = {0};
    CLEANUP_CLOSE int part = mount_subpath_open(m, data, O_RDONLY | O_DIRECTORY, &missing);
    if (part == -ENOENT)
        return 0;
    return part < 0 ? error_propagate(err, &missing) : volume_populate(part, from, m->name, err);
}

static int populate(struct engine *engine, const struct mount_point *m, int root_fd, struct error *err)
{
    CLEANUP_CLOSE int from = beneath_open(root_fd, m->destination, O_RDONLY | O_DIRECTORY, 0);
    if (from == -ENOENT || from == -ENOTDIR || from == -ELOOP)
        return 0; /* nothing there to copy */
    if (from < 0)
        return error_errno(err, from, "%s of the image", m->destination);
    int r = volume_mount(engine->volumes, m->name, err);
    if (r < 0)
        return r;
    r = fill(engine, m, from, err);
    volume_unmount(engine->volumes, m->name);
    return r;
}

int engine_volume_make(struct engine *engine, struct mount_point *m, bool *ret_new, struct error *err)
{
    struct volume_create request = {.name = m->name,
                                    .labels = &m->labels,
                                    .options = &m->driver_options,
                                    .anonymous = m->anonymous,
                                    .pending = m->anonymous};
    struct volume volume = {0};
    int r = volume_create(engine->volumes, &request, &volume, ret_new, err);
    if (r < 0)
        return r;
    xstrset(&m->source, NULL);
    m->source = volume_path(engine->volumes, volume.name);
    volume_release(&volume);
    if (*ret_new) {
        CLEANUP_STRMAP struct strmap attributes = STRMAP_INIT;
        strmap_set(&attributes, "driver", "local");
        events_publish(engine->events, "volume", "create", m->name, &attributes);
    }
    return 0;
}

/* held: names that are to be given back with volume_unhold() once the container is in the index. */
static int make_volume(struct engine *engine, struct mount_point *m, int root_fd, struct strv *made, struct strv *held,
                       struct error *err)
{
    char generated[ID_SIZE + 1];
    bool new = false;
    if (m->name == NULL) {
        id_generate(generated);
        m->name = xstrdup(generated);
    }
    volume_hold(engine->volumes, m->name);
    strv_add(held, m->name);
    int r = engine_volume_make(engine, m, &new, err);
    if (r < 0)
        return r;
    if (new)
        strv_add(made, m->name);
    return m->no_copy ? 0 : populate(engine, m, root_fd, err);
}

static int make_volumes(struct engine *engine, struct container *c, struct strv *made, struct strv *held,
                        struct error *err)
{
    CLEANUP_CLOSE int root_fd = -1;
    int r = 0;
    for (size_t i = 0; r == 0 && i < c->mount_count; i++) {
        if (c->mounts[i].type != MOUNT_VOLUME)
            continue;
        if (root_fd < 0) {
            root_fd = image_rootfs_mount(engine->images, c->rootfs_id,
                                         container_remap(engine, c) != NULL ? ROOTFS_MAPPED : 0, err);
            if (root_fd < 0)
                return root_fd;
        }
        r = make_volume(engine, &c->mounts[i], root_fd, made, held, err);
    }
    return r;
}

/* ---- images as mounts ---- */

static void remove_views(struct engine *engine, struct container *c)
{
    for (size_t i = 0; i < c->mount_count; i++)
        if (c->mounts[i].rootfs_id != NULL)
            image_rootfs_remove(engine->images, c->mounts[i].rootfs_id, NULL);
}

/* Each container has views of its own, which keep the layers, also of what --volumes-from brings. */
static int make_views(struct engine *engine, struct container *c, struct error *err)
{
    int r = 0;
    for (size_t i = 0; i < c->mount_count; i++)
        xstrset(&c->mounts[i].rootfs_id, NULL);
    for (size_t i = 0; r == 0 && i < c->mount_count; i++) {
        CLEANUP_IMAGE struct image *image = NULL;
        if (c->mounts[i].type != MOUNT_IMAGE)
            continue;
        r = image_lookup(engine->images, c->mounts[i].source, &image, err);
        if (r == 0)
            r = image_rootfs_create_view(engine->images, image, &c->mounts[i].rootfs_id, err);
    }
    return r;
}

/* ---- row and index ---- */

/* Images are removed with the index locked: from here on nobody removes ours. Whoever lends the root sees to it that
 * its layers stay, and the image may go. index lock held. */
static int check_image_there(struct engine *engine, const struct container *c, struct error *err)
{
    CLEANUP_IMAGE struct image *image = NULL;
    return c->image_id != NULL && !c->borrowed_root ? image_lookup(engine->images, c->image_id, &image, err) : 0;
}

static int insert(struct engine *engine, struct container *c, const char *name, struct error *err)
{
    int r = 0;
    pthread_mutex_lock(&engine->index_lock);
    if (is_set(name)) {
        c->name = xstrdup(name);
        r = check_name_free(engine, name, err);
    }
    for (unsigned retry = 0; c->name == NULL; retry++) {
        c->name = name_generate(retry);
        if (map_get(&engine->by_name, c->name) != NULL)
            xstrset(&c->name, NULL);
    }
    if (r == 0)
        r = check_image_there(engine, c, err);
    if (r == 0)
        r = store_insert(engine, c, err);
    if (r == 0)
        index_add(engine, c);
    pthread_mutex_unlock(&engine->index_lock);
    return r;
}

static int make_root(struct engine *engine, struct container *c, const struct image *image, struct error *err)
{
    struct image_rootfs_options options = {.once = c->host.auto_remove, .mapped = container_remap(engine, c) != NULL};
    int r = host_config_storage_size(&c->host, &options.size, err);
    if (c->host.storage_opt.count == 0)
        options.size = engine->container_size;
    return r < 0 ? r : image_rootfs_create(engine->images, image, &options, &c->rootfs_id, err);
}

/* Root filesystem, volumes, row: undone in reverse when one fails. */
static int materialise(struct engine *engine, struct container *c, const struct image *image,
                       const struct container_create *request, const char *name, struct error *err)
{
    CLEANUP_STRV struct strv made = STRV_INIT;
    CLEANUP_STRV struct strv held = STRV_INIT;
    int r = 0;
    c->borrowed_root = request->root != NULL;
    if (c->borrowed_root)
        c->rootfs_id = xstrdup(request->root->rootfs_id);
    else
        r = make_root(engine, c, image, err);
    if (r < 0)
        return r;
    r = make_views(engine, c, err);
    if (r == 0)
        r = make_volumes(engine, c, &made, &held, err);
    if (r == 0)
        r = insert(engine, c, name, err);
    for (size_t i = 0; i < held.count; i++)
        volume_unhold(engine->volumes, held.items[i]);
    if (r < 0) {
        engine_volumes_undo(engine, &made);
        remove_views(engine, c);
        if (!c->borrowed_root)
            image_rootfs_remove(engine->images, c->rootfs_id, NULL);
    }
    return r;
}

/* Clients take 404 here for a missing image and go and pull it; other names that do not exist are bad requests. An
 * image that was removed meanwhile shows itself in many ways: it is the missing image that is told. */
static int creation_error(struct engine *engine, const struct container *c, struct error *failed, struct error *err)
{
    struct image *image = NULL;
    int r = c->image_id != NULL && !c->borrowed_root ? image_lookup(engine->images, c->image_id, &image, NULL) : 0;
    image_unref(image);
    if (r == -ENOENT)
        return error_set(err, ERROR_NOT_FOUND, 0, "No such image: %s", c->config.image);
    if (failed->kind == ERROR_NOT_FOUND)
        failed->kind = ERROR_INVALID;
    return error_propagate(err, failed);
}

static int find_image(struct engine *engine, const struct container_create *request, struct container *c,
                      struct image **ret, struct error *err)
{
    if (request->root != NULL) {
        c->image_id = xstrdup(request->root->image_id);
        if (request->root->env != NULL)
            strv_add_all(&c->hidden_env, request->root->env);
        return 0;
    }
    if (!is_set(c->config.image))
        return error_set(err, ERROR_INVALID, 0, "no image specified");
    int r = image_lookup_platform(engine->images, c->config.image, request->platform, false, ret, err);
    if (r == 0)
        c->image_id = xstrdup((*ret)->id);
    return r;
}

int container_create(struct engine *engine, const struct container_create *request, struct container **ret,
                     struct strv *warnings, struct error *err)
{
    const char *name = request->name != NULL && *request->name == '/' ? request->name + 1 : request->name;
    if (is_set(name)) {
        int r = check_name(engine, name, err);
        if (r < 0)
            return r;
    }
    CLEANUP_CONTAINER struct container *c = container_new();
    CLEANUP_IMAGE struct image *image = NULL;
    if (request->root != NULL)
        snprintf(c->id, sizeof(c->id), "%s", request->root->id);
    else
        id_generate(c->id);
    c->created = timestamp_now();
    int r = decode_body(request, c, err);
    if (r == 0)
        r = container_versions_apply(request, c, warnings, err);
    if (r == 0)
        r = find_image(engine, request, c, &image, err);
    if (r < 0)
        return r;
    if (image != NULL)
        warn_of_platform(image, request->platform, warnings);
    struct error failed = {0};
    r = prepare(engine, request, c, image, warnings, &failed);
    if (r == 0)
        r = materialise(engine, c, image, request, name, &failed);
    if (r < 0)
        return creation_error(engine, c, &failed, err);
    container_event(engine, c, "create", NULL, NULL);
    container_memory_trim(c);
    *ret = TAKE_PTR(c);
    return 0;
}

int container_rename(struct engine *engine, struct container *c, const char *name, struct error *err)
{
    const char *wanted = name != NULL && *name == '/' ? name + 1 : name;
    if (!is_set(wanted))
        return error_set(err, ERROR_INVALID, 0, "Neither old nor new names may be empty");
    int r = container_turn_begin(c, CONTAINER_RENAME, c->id, err);
    if (r < 0)
        return r;
    CLEANUP_FREE char *old = container_slash_name(engine, c);
    if (strcmp(old + 1, wanted) == 0)
        r = error_set(err, ERROR_INVALID, 0, "Renaming a container with the same name as its current name");
    else if (!name_is_valid(wanted))
        r = error_set(err, ERROR_INVALID, 0,
                      "Error when allocating new name: Invalid container name (/%s), only "
                      "[a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
                      wanted);
    if (r == 0) {
        pthread_mutex_lock(&engine->index_lock);
        r = check_name_free(engine, wanted, err);
        if (r < 0)
            error_context(err, "Error when allocating new name");
        if (r == 0)
            r = store_rename(engine, c, wanted, err);
        if (r == 0) {
            map_unset(&engine->by_name, c->name);
            xstrset(&c->name, wanted);
            map_set(&engine->by_name, c->name, c);
        }
        pthread_mutex_unlock(&engine->index_lock);
    }
    container_turn_end(c);
    if (r == 0) {
        network_rename(engine->networks, c->id, wanted);
        container_event(engine, c, "rename", "oldName", old);
    }
    return r;
}
