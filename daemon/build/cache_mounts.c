/*
 * RUN --mount=type=cache: directories below <data root>/build/mounts that outlive builds, HASH.N where HASH is of the
 * id and N counts those that were made because others were in use (sharing=private).
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "base/file.h"
#include "daemon/build/cache_mounts.h"
#include "daemon/build/copy_tree.h"
#include "daemon/build/run_mounts.h"
#include "daemon/engine_internal.h"
#include "daemon/userns_remap.h"

#define PRIVATE_MAX 1000

/* The mount's id, in the namespace that the build asks for. The caller frees. */
static char *cache_id(const struct build *build, const struct run_mount *mount)
{
    const char *space = strmap_get(&build->options->build_args, "BUILDKIT_CACHE_MOUNT_NS");
    return space != NULL && space[0] != 0 ? xasprintf("%s/%s", space, mount->id) : xstrdup(mount->id);
}

/* In service->mounts, by name: who is in there. */
struct cache_use {
    unsigned users;
    bool alone; /* nobody else may come */
};

struct cache_lease {
    struct build_service *service;
    char *name;
};

char *cache_mount_name(const char *id, unsigned number)
{
    char hex[DIGEST_HEX_MAX];
    struct key key;
    key_begin(&key, "cache mount");
    key_text(&key, id);
    key_final(&key, hex);
    return xasprintf("%.32s.%u", hex, number);
}

int cache_mounts_directory(struct engine *engine, struct error *err)
{
    int root = image_store_root_fd(engine->images);
    if ((mkdirat(root, "build", 0710) < 0 && errno != EEXIST) ||
        (mkdirat(root, "build/mounts", 0710) < 0 && errno != EEXIST))
        return error_errno(err, errno, "make build/mounts");
    int fd = openat(root, "build/mounts", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? error_errno(err, errno, "open build/mounts") : fd;
}

/* Lock held. */
static bool enter(struct build_service *service, const char *name, bool alone)
{
    struct cache_use *use = map_get(&service->mounts, name);
    if (use == NULL) {
        use = xcalloc(1, sizeof(*use));
        map_set(&service->mounts, name, use);
    }
    if (use->users > 0 && (alone || use->alone))
        return false;
    use->users++;
    use->alone = alone;
    return true;
}

bool cache_mount_enter(struct build_service *service, const char *name)
{
    pthread_mutex_lock(&service->lock);
    bool entered = enter(service, name, true);
    pthread_mutex_unlock(&service->lock);
    return entered;
}

void cache_mount_leave(struct build_service *service, const char *name)
{
    pthread_mutex_lock(&service->lock);
    struct cache_use *use = map_get(&service->mounts, name);
    if (use != NULL && --use->users == 0)
        free(map_unset(&service->mounts, name));
    pthread_cond_broadcast(&service->changed);
    pthread_mutex_unlock(&service->lock);
}

static bool is_there(int mounts_fd, const char *name)
{
    return faccessat(mounts_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* *ret: the name of the one that was entered: alone, where it still has to be made. */
static int take(struct build *build, const struct run_mount *mount, bool alone, int mounts_fd, char **ret,
                struct error *err)
{
    struct build_service *service = build->service;
    CLEANUP_FREE char *id = cache_id(build, mount);
    for (unsigned number = 0;;) {
        CLEANUP_FREE char *name = cache_mount_name(id, number);
        pthread_mutex_lock(&service->lock);
        bool entered = enter(service, name, alone || !is_there(mounts_fd, name));
        if (!entered && mount->sharing != CACHE_PRIVATE)
            build_service_wait(service);
        pthread_mutex_unlock(&service->lock);
        if (entered) {
            *ret = TAKE_PTR(name);
            return 0;
        }
        if (build_given_up(build))
            return error_set(err, ERROR_CANCELLED, ECANCELED, "build cancelled");
        if (mount->sharing == CACHE_PRIVATE && ++number >= PRIVATE_MAX)
            return error_set(err, ERROR_UNAVAILABLE, 0, "RUN --mount=type=cache,id=%s: too many are in use", mount->id);
    }
}

/* What `from` and `source` name is what a new one starts with. */
static int seed(const struct step_context *step, const struct run_mount *mount, int dir_fd, struct error *err)
{
    CLEANUP(build_source_close) struct build_source source = {.fd = -1};
    struct stat st;
    if (mount->from == NULL)
        return 0;
    int r = build_source_open_for_run(step, mount->from, &source, err);
    if (r < 0)
        return r;
    CLEANUP_CLOSE int from =
        beneath_open(source.fd, mount->source != NULL ? mount->source : "/", O_RDONLY | O_DIRECTORY, 0);
    if (from == -ENOENT && mount->source == NULL)
        return 0;
    if (from < 0 || fstat(from, &st) < 0)
        return error_errno(err, from < 0 ? from : errno, "RUN --mount=type=cache,source=%s", mount->source);
    const struct copy_options options = {.keep_owner = true};
    return copy_directory(from, dir_fd, &options, err);
}

/* A directory that was only begun has no name yet. */
static int make(const struct step_context *step, const struct run_mount *mount, int mounts_fd, const char *name,
                struct error *err)
{
    CLEANUP_FREE char *begun = xasprintf("%s.new", name);
    int r = beneath_remove_tree(mounts_fd, begun);
    if (r == 0 && mkdirat(mounts_fd, begun, 0700) < 0)
        r = -errno;
    CLEANUP_CLOSE int fd = r < 0 ? -1 : openat(mounts_fd, begun, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (r < 0 || fd < 0)
        return error_errno(err, r < 0 ? r : errno, "make build/mounts/%s", begun);
    r = seed(step, mount, fd, err);
    if (r < 0)
        return r;
    uint32_t uid, gid;
    r = userns_remap_outside(step->run->build->engine->options->remap, mount->uid, mount->gid, &uid, &gid, err);
    if (r < 0)
        return r;
    if (fchown(fd, uid, gid) < 0 || fchmod(fd, mount->mode & 07777) < 0 ||
        renameat2(mounts_fd, begun, mounts_fd, name, RENAME_NOREPLACE) < 0)
        return error_errno(err, errno, "make build/mounts/%s", name);
    CLEANUP_FREE char *id = cache_id(step->run->build, mount);
    return cache_mount_note(step->run->build->engine, name, id, err);
}

/* It has been made: others may come. */
static void share(struct build_service *service, const char *name)
{
    pthread_mutex_lock(&service->lock);
    struct cache_use *use = map_get(&service->mounts, name);
    use->alone = false;
    pthread_cond_broadcast(&service->changed);
    pthread_mutex_unlock(&service->lock);
}

int cache_lease_take(const struct step_context *step, const struct run_mount *mount, bool alone,
                     struct cache_lease **ret, char **ret_path, struct error *err)
{
    struct build *build = step->run->build;
    CLEANUP_FREE char *name = NULL;
    CLEANUP_CLOSE int mounts = cache_mounts_directory(build->engine, err);
    if (mounts < 0)
        return mounts;
    int r = take(build, mount, alone, mounts, &name, err);
    if (r < 0)
        return r;
    if (!is_there(mounts, name)) /* then nobody else is in it */
        r = make(step, mount, mounts, name, err);
    if (r == 0 && !alone)
        share(build->service, name);
    if (r == 0)
        r = cache_mount_touch(build->engine, name, err);
    if (r < 0) {
        cache_mount_leave(build->service, name);
        return r;
    }
    *ret_path = xasprintf("%s/build/mounts/%s", build->engine->options->data_root, name);
    struct cache_lease *lease = xcalloc(1, sizeof(*lease));
    *lease = (struct cache_lease){.service = build->service, .name = TAKE_PTR(name)};
    *ret = lease;
    return 0;
}

void cache_lease_give_back(struct cache_lease *lease)
{
    cache_mount_leave(lease->service, lease->name);
    free(lease->name);
    free(lease);
}
