#include "daemon/build/run_mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "daemon/build/cache_mounts.h"
#include "daemon/build/content.h"
#include "daemon/engine_internal.h"
#include "daemon/host_mounts.h"
#include "daemon/userns_remap.h"

/* ---- The key ---- */

static int bind_key(const struct step_context *step, const struct run_mount *mount, struct key *key, struct error *err)
{
    CLEANUP(build_source_close) struct build_source source = {.fd = -1};
    char digest[DIGEST_HEX_MAX];
    int r = build_source_open(step, mount->from, &source, err);
    if (r < 0)
        return r;
    if (source.key[0] != 0) {
        key_text(key, source.key);
        return 0;
    }
    const struct content_options options = {.remember = true};
    r = content_digest(source.fd, mount->source, &options, digest, NULL, err);
    key_text(key, digest);
    return r < 0 ? error_context(err, "RUN --mount=type=bind") : 0;
}

/* What a new cache starts with is not part of the result, but a step that has begun must not wait for another stage: it
 * takes one of the places that the stage needs. */
static int await_seed(const struct step_context *step, const struct run_mount *mount, struct error *err)
{
    CLEANUP(build_source_close) struct build_source source = {.fd = -1};
    return build_source_open(step, mount->from, &source, err);
}

int run_mounts_key(const struct step_context *step, struct key *key, struct error *err)
{
    const struct step_run *run = &step->step->run;
    int r = 0;
    key_int(key, (int64_t)run->mount_count);
    for (size_t i = 0; r == 0 && i < run->mount_count; i++) {
        const struct run_mount *m = &run->mounts[i];
        key_int(key, m->kind);
        key_text(key, m->target);
        key_text(key, m->source);
        key_text(key, m->id);
        key_text(key, m->env);
        key_int(key, m->writable);
        key_int(key, (int64_t)m->mode << 32 | m->uid);
        key_int(key, m->gid);
        if (m->kind == RUN_MOUNT_BIND)
            r = bind_key(step, m, key, err);
        else if (m->kind == RUN_MOUNT_CACHE && m->from != NULL)
            r = await_seed(step, m, err);
    }
    return r;
}

/* ---- What is attached on the host ---- */

static int attach(struct run_mounts *m, int mount_fd, char **ret_path, struct error *err)
{
    char name[24];
    snprintf(name, sizeof(name), "%u", m->names++);
    return host_mount_attach(m->engine, m->id, name, mount_fd, ret_path, err);
}

static void add_bind(struct run_mounts *m, const char *path, const char *target, bool read_only, bool is_dir)
{
    struct json_writer w;
    if (m->json.size > 0)
        strbuf_addc(&m->json, ',');
    json_writer_init(&w, &m->json);
    json_begin_object(&w);
    json_member_string(&w, "Type", "bind");
    json_member_string(&w, "Source", path);
    json_member_string(&w, "Target", target);
    json_member_bool(&w, "ReadOnly", read_only);
    json_end_object(&w);
    strv_add(&m->targets, target);
    strv_add(&m->targets, is_dir ? "d" : "f");
}

static struct build_layer **new_draft(struct run_mounts *m)
{
    xgrow((void **)&m->drafts, m->draft_count, &m->draft_capacity, sizeof(*m->drafts));
    m->drafts[m->draft_count] = NULL;
    return &m->drafts[m->draft_count++];
}

/* A copy of the mount that `fd` is in, of that file or directory alone. Kernels before 6.15 clone only what is
 * attached: then the whole source is attached first, and `path` opened once more from there. */
static int clone_source(struct run_mounts *m, struct build_source *source, const char *path, int fd, struct error *err)
{
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (unsigned)AT_EMPTY_PATH;
    int tree = (int)syscall(SYS_open_tree, fd, "", flags);
    if (tree >= 0 || errno != EINVAL)
        return tree >= 0 ? tree : error_errno(err, errno, "mount %s", path);
    CLEANUP_FREE char *place = NULL;
    int r = attach(m, source->fd, &place, err);
    if (r < 0)
        return r;
    CLEANUP_CLOSE int root = open(place, O_PATH | O_DIRECTORY | O_CLOEXEC);
    CLEANUP_CLOSE int again = root < 0 ? -errno : beneath_open(root, path, O_PATH, 0);
    tree = again < 0 ? -1 : (int)syscall(SYS_open_tree, again, "", flags);
    return tree >= 0 ? tree : error_errno(err, again < 0 ? again : errno, "mount %s", path);
}

/* ---- bind ---- */

/* Writes go to a directory that is thrown away. */
static int discard_writes(struct run_mounts *m, const struct step_context *step, int lower_fd, struct error *err)
{
    const struct draft_base nothing = {0};
    struct build_layer **draft = new_draft(m);
    int r = build_layer_new(step->run->build->service, &nothing, draft, err);
    return r < 0 ? r
                 : image_draft_mount_over(engine_images(m->engine), (*draft)->dir, lower_fd,
                                          m->engine->options->remap != NULL, err);
}

static int open_bind(const struct run_mount *mount, int root_fd, struct stat *st, struct error *err)
{
    int fd = beneath_open(root_fd, mount->source, O_PATH, 0);
    int r = fd < 0 ? fd : fstat(fd, st) < 0 ? -errno : 0;
    if (r == 0 && !S_ISDIR(st->st_mode) && !S_ISREG(st->st_mode))
        r = -EINVAL;
    if (r < 0) {
        fd_close(fd);
        return r == -ENOENT
                   ? error_set(err, ERROR_INVALID, ENOENT,
                               "failed to compute cache key: failed to calculate checksum of \"%s\": not found",
                               mount->source)
                   : error_errno(err, r, "RUN --mount=type=bind,source=%s", mount->source);
    }
    return fd;
}

static int add_bind_mount(struct run_mounts *m, const struct step_context *step, const struct run_mount *mount,
                          struct error *err)
{
    CLEANUP(build_source_close) struct build_source source = {.fd = -1};
    CLEANUP_FREE char *path = NULL;
    struct stat st;
    int r = build_source_open_for_run(step, mount->from, &source, err);
    if (r < 0)
        return r;
    CLEANUP_CLOSE int fd = open_bind(mount, source.fd, &st, err);
    if (fd < 0)
        return fd;
    if (mount->writable && !S_ISDIR(st.st_mode))
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "RUN --mount=type=bind,source=%s,rw: a file can only be read",
                         mount->source);
    CLEANUP_CLOSE int tree =
        mount->writable ? discard_writes(m, step, fd, err) : clone_source(m, &source, mount->source, fd, err);
    if (tree < 0)
        return tree;
    r = attach(m, tree, &path, err);
    if (r < 0)
        return r;
    add_bind(m, path, mount->target, !mount->writable, S_ISDIR(st.st_mode));
    if (source.image != NULL) {
        xgrow((void **)&m->sources, m->source_count, &m->source_capacity, sizeof(*m->sources));
        m->sources[m->source_count++] = source;
        source = (struct build_source){.fd = -1};
    }
    return 0;
}

/* ---- tmpfs and cache ---- */

static int add_tmpfs(struct run_mounts *m, const struct run_mount *mount)
{
    struct json_writer w;
    if (m->json.size > 0)
        strbuf_addc(&m->json, ',');
    json_writer_init(&w, &m->json);
    json_begin_object(&w);
    json_member_string(&w, "Type", "tmpfs");
    json_member_string(&w, "Target", mount->target);
    if (mount->size > 0) {
        json_key(&w, "TmpfsOptions");
        json_begin_object(&w);
        json_member_int(&w, "SizeBytes", mount->size);
        json_end_object(&w);
    }
    json_end_object(&w);
    strv_add(&m->targets, mount->target);
    strv_add(&m->targets, "d");
    return 0;
}

/* A cache mount of the step. */
struct wanted_cache {
    char *name; /* by which they are ordered */
    const struct run_mount *mount;
    char **path; /* where it goes */
};

/* By name; those that never wait behind the others. */
static int compare_caches(const void *a, const void *b)
{
    const struct wanted_cache *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order != 0 ? order : (x->mount->sharing == CACHE_PRIVATE) - (y->mount->sharing == CACHE_PRIVATE);
}

/* One lease for the first `*ret_count` of these: all mounts of the same id, but every private one by itself. */
static int take_lease(struct run_mounts *m, const struct step_context *step, struct wanted_cache *caches, size_t count,
                      size_t *ret_count, struct error *err)
{
    struct cache_lease *lease = NULL;
    size_t n = 0;
    bool alone = false;
    do {
        alone = alone || caches[n].mount->sharing != CACHE_SHARED;
        n++;
    } while (n < count && caches[0].mount->sharing != CACHE_PRIVATE && caches[n].mount->sharing != CACHE_PRIVATE &&
             strcmp(caches[0].name, caches[n].name) == 0);
    int r = cache_lease_take(step, caches[0].mount, alone, &lease, caches[0].path, err);
    if (r < 0)
        return r;
    for (size_t i = 1; i < n; i++)
        *caches[i].path = xstrdup(*caches[0].path);
    xgrow((void **)&m->leases, m->lease_count, &m->lease_capacity, sizeof(*m->leases));
    m->leases[m->lease_count++] = lease;
    *ret_count = n;
    return 0;
}

static int take_leases(struct run_mounts *m, const struct step_context *step, struct error *err)
{
    const struct step_run *run = &step->step->run;
    struct wanted_cache *caches = xcalloc(run->mount_count + 1, sizeof(*caches));
    size_t count = 0, n = 0;
    int r = 0;
    for (size_t i = 0; i < run->mount_count; i++)
        if (run->mounts[i].kind == RUN_MOUNT_CACHE)
            caches[count++] = (struct wanted_cache){
                .name = cache_mount_name(run->mounts[i].id, 0), .mount = &run->mounts[i], .path = &m->cache_paths[i]};
    qsort(caches, count, sizeof(*caches), compare_caches);
    for (size_t i = 0; r == 0 && i < count; i += n)
        r = take_lease(m, step, &caches[i], count - i, &n, err);
    for (size_t i = 0; i < count; i++)
        free(caches[i].name);
    free(caches);
    return r;
}

static int add_cache(struct run_mounts *m, const struct step_context *step, const struct run_mount *mount)
{
    add_bind(m, m->cache_paths[mount - step->step->run.mounts], mount->target, !mount->writable, true);
    return 0;
}

/* ---- secret, ssh and scripts: files of memory ---- */

static int private_directory(struct run_mounts *m, struct error *err)
{
    if (m->private_path != NULL)
        return 0;
    CLEANUP_CLOSE int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
    if (fs < 0 || syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "mode", "0700", 0) < 0 ||
        syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return error_errno(err, errno, "make a place for secrets");
    CLEANUP_CLOSE int fd = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    return fd < 0 ? error_errno(err, errno, "make a place for secrets") : attach(m, fd, &m->private_path, err);
}

static int private_file(struct run_mounts *m, const void *data, size_t size, const struct run_mount *as,
                        char **ret_path, struct error *err)
{
    int r = private_directory(m, err);
    if (r < 0)
        return r;
    CLEANUP_FREE char *path = xasprintf("%s/%u", m->private_path, m->names++);
    CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    uint32_t uid, gid;
    r = userns_remap_outside(m->engine->options->remap, as->uid, as->gid, &uid, &gid, err);
    if (r < 0)
        return r;
    r = fd < 0 ? -errno : fd_write_all(fd, data, size);
    if (r == 0 && (fchown(fd, uid, gid) < 0 || fchmod(fd, as->mode & 07777) < 0))
        r = -errno;
    if (r < 0)
        return error_errno(err, r, "%s", path);
    *ret_path = TAKE_PTR(path);
    return 0;
}

static void wipe(struct build_secret *secret)
{
    if (secret->data != NULL)
        explicit_bzero(secret->data, secret->size);
    free(secret->data);
}

static int get_secret(const struct step_context *step, const struct run_mount *mount, struct build_secret *ret,
                      bool *ret_there, struct error *err)
{
    const struct build_suppliers *s = &step->run->build->options->suppliers;
    struct error failed = {0};
    int r = s->secret != NULL ? s->secret(mount->id, ret, s->data, &failed)
                              : error_set(&failed, ERROR_NOT_FOUND, 0, "not found");
    *ret_there = r == 0;
    if (r == 0 || (failed.kind == ERROR_NOT_FOUND && !mount->required))
        return 0;
    return failed.kind == ERROR_NOT_FOUND ? error_set(err, ERROR_INVALID, 0, "secret %s: not found", mount->id)
                                          : error_propagate(err, &failed);
}

static int add_secret(struct run_mounts *m, const struct step_context *step, const struct run_mount *mount,
                      struct error *err)
{
    CLEANUP(wipe) struct build_secret secret = {0};
    CLEANUP_FREE char *path = NULL;
    bool there = false;
    int r = get_secret(step, mount, &secret, &there, err);
    if (r < 0 || !there)
        return r;
    if (mount->env != NULL) {
        if (memchr(secret.data, 0, secret.size) != NULL)
            return error_set(err, ERROR_INVALID, 0, "secret %s has a NUL and cannot be the value of a variable",
                             mount->id);
        strv_addf(&m->hidden, "%s=%.*s", mount->env, (int)secret.size, secret.data);
    }
    if (mount->target == NULL)
        return 0;
    r = private_file(m, secret.data, secret.size, mount, &path, err);
    if (r == 0)
        add_bind(m, path, mount->target, true, false);
    return r;
}

static int add_ssh(struct run_mounts *m, const struct step_context *step, const struct run_mount *mount,
                   struct error *err)
{
    struct build *build = step->run->build;
    const struct build_suppliers *s = &build->options->suppliers;
    struct ssh_relay *relay = NULL;
    struct error failed = {0};
    int fd = s->ssh_agent != NULL ? s->ssh_agent(mount->id, s->data, &failed)
                                  : error_set(&failed, ERROR_NOT_FOUND, 0, "not found");
    fd_close(fd);
    if (fd < 0 && failed.kind == ERROR_NOT_FOUND && !mount->required)
        return 0;
    if (fd < 0)
        return failed.kind == ERROR_NOT_FOUND
                   ? error_set(err, ERROR_INVALID, 0, "no SSH key or agent \"%s\" was given to the build", mount->id)
                   : error_propagate(err, &failed);
    int r = private_directory(m, err);
    if (r < 0)
        return r;
    CLEANUP_FREE char *path = xasprintf("%s/%u", m->private_path, m->names++);
    r = ssh_relay_start(build, path, mount, &relay, err);
    if (r < 0)
        return r;
    CLEANUP_FREE char *own = xasprintf("/run/buildkit/ssh_agent.%zu", m->relay_count);
    const char *target = mount->target != NULL ? mount->target : own;
    xgrow((void **)&m->relays, m->relay_count, &m->relay_capacity, sizeof(*m->relays));
    m->relays[m->relay_count++] = relay;
    if (m->relay_count == 1)
        strv_addf(&m->env, "SSH_AUTH_SOCK=%s", target);
    add_bind(m, path, target, false, false);
    return 0;
}

static int add_script(struct run_mounts *m, const struct step_run *run, struct error *err)
{
    const struct run_mount as = {.mode = 0755};
    CLEANUP_FREE char *path = NULL;
    if (run->script == NULL)
        return 0;
    int r = private_file(m, run->script, strlen(run->script), &as, &path, err);
    if (r == 0)
        add_bind(m, path, run->argv.items[0], true, false);
    return r;
}

/* ---- Their places in the container ---- */

static bool target_is_there(int root_fd, const char *path, bool is_dir)
{
    struct stat st;
    CLEANUP_CLOSE int fd = beneath_open(root_fd, path, O_PATH, 0);
    return fd >= 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) == is_dir;
}

static int missing_targets(const struct run_mounts *m, const struct step_context *step, struct strv *ret,
                           struct error *err)
{
    const struct build_state *state = step->state;
    bool empty = state->base == NULL && state->layer_count == 0;
    CLEANUP_CLOSE int view = empty ? -1 : build_state_view(step->run->build, state, false, err);
    if (view < 0 && !empty)
        return view;
    for (size_t i = 0; i + 1 < m->targets.count; i += 2) {
        const char *path = m->targets.items[i], *kind = m->targets.items[i + 1];
        if (view >= 0 && target_is_there(view, path, kind[0] == 'd'))
            continue;
        strv_add(ret, path);
        strv_add(ret, kind);
    }
    return 0;
}

/* In a directory of their own: what the step makes of them is in its layer, they are not. Places inside of another
 * mount are made there by the runtime. */
static int make_targets(struct run_mounts *m, const struct step_context *step, struct error *err)
{
    CLEANUP_STRV struct strv missing = STRV_INIT;
    CLEANUP_FREE char *above = build_state_above(step->state);
    const struct draft_base base = {.above = above, .image = step->state->base};
    int r = missing_targets(m, step, &missing, err);
    if (r < 0 || missing.count == 0)
        return r;
    r = build_layer_new(step->run->build->service, &base, &m->stubs, err);
    if (r < 0)
        return r;
    CLEANUP_CLOSE int root = image_rootfs_mount(engine_images(m->engine), m->stubs->dir, ROOTFS_ONCE, err);
    if (root < 0)
        return root;
    for (size_t i = 0; i + 1 < missing.count; i += 2) {
        CLEANUP_CLOSE int fd = beneath_make_target(root, missing.items[i], missing.items[i + 1][0] == 'd');
        if (fd < 0)
            return error_errno(err, fd, "make the place of the mount %s", missing.items[i]);
    }
    return 0;
}

/* ---- All of them ---- */

static int add_mount(struct run_mounts *m, const struct step_context *step, const struct run_mount *mount,
                     struct error *err)
{
    switch (mount->kind) {
    case RUN_MOUNT_BIND:
        return add_bind_mount(m, step, mount, err);
    case RUN_MOUNT_CACHE:
        return add_cache(m, step, mount);
    case RUN_MOUNT_TMPFS:
        return add_tmpfs(m, mount);
    case RUN_MOUNT_SECRET:
        return add_secret(m, step, mount, err);
    case RUN_MOUNT_SSH:
        return add_ssh(m, step, mount, err);
    }
    return 0;
}

int run_mounts_prepare(const struct step_context *step, const char *id, struct run_mounts *ret, struct error *err)
{
    const struct step_run *run = &step->step->run;
    *ret = (struct run_mounts){.engine = step->run->build->engine, .id = id, .mount_count = run->mount_count};
    ret->cache_paths = xcalloc(run->mount_count + 1, sizeof(*ret->cache_paths));
    int r = take_leases(ret, step, err);
    for (size_t i = 0; r == 0 && i < run->mount_count; i++)
        r = add_mount(ret, step, &run->mounts[i], err);
    if (r == 0)
        r = add_script(ret, run, err);
    return r == 0 && ret->targets.count > 0 ? make_targets(ret, step, err) : r;
}

static void wipe_strings(struct strv *list)
{
    for (size_t i = 0; i < list->count; i++)
        explicit_bzero(list->items[i], strlen(list->items[i]));
    strv_release(list);
}

void run_mounts_release(struct run_mounts *m)
{
    if (m->engine == NULL)
        return;
    for (size_t i = 0; i < m->relay_count; i++)
        ssh_relay_stop(m->relays[i]);
    host_mounts_remove(m->engine, m->id, NULL);
    for (size_t i = 0; i < m->lease_count; i++)
        cache_lease_give_back(m->leases[i]);
    for (size_t i = 0; i < m->draft_count; i++)
        build_layer_unref(m->drafts[i]);
    build_layer_unref(m->stubs);
    for (size_t i = 0; i < m->source_count; i++)
        build_source_close(&m->sources[i]);
    for (size_t i = 0; i < m->mount_count; i++)
        free(m->cache_paths[i]);
    free(m->cache_paths);
    free(m->sources);
    free(m->relays);
    free(m->leases);
    free(m->drafts);
    free(m->private_path);
    strbuf_release(&m->json);
    strv_release(&m->env);
    wipe_strings(&m->hidden);
    strv_release(&m->targets);
}
