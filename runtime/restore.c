/* A restore: the cgroup, the root and the descriptors that a dumped container finds itself with, and criu, which makes
 * it our child. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "runtime/cgroup.h"
#include "runtime/criu_images.h"
#include "runtime/criu_network.h"
#include "runtime/hooks.h"
#include "runtime/protobuf.h"

#define DESCRIPTORS_MAX (64u << 10)
#define CGROUP_FILE_MAX (64u << 10)
#define FIRST_PASSED_FD 4 /* in criu, see criu_start() */
#define NETWORK_KEY "extRootNetNS"

enum { CGROUP_ROOT_CONTROLLER = 1, CGROUP_ROOT_PATH = 2, INHERIT_KEY = 1, INHERIT_FD = 2 };

struct restore {
    const struct criu_options *options;
    const struct runtime_restore *what;
    struct criu_images images;
    struct runtime_cgroup *cgroup;
    struct criu_process criu;
    int fds[4];
    size_t fd_count;
    int network_fd;
    int console_fd;
    pid_t root_task; /* while it is being restored */
    pid_t pid;
    struct strbuf opts;
};

/* ---- root ---- */

static char *absolute(const struct restore *restore, const char *path)
{
    return path[0] == '/' ? xstrdup(path) : xasprintf("%s/%s", restore->what->bundle, path);
}

/* criu pivots into a mount point; ours lies in a mount namespace that ends with us. */
static int bind_root(struct restore *restore, struct error *err)
{
    const char *path = restore->what->spec->root.path;
    if (path == NULL || path[0] == '\0')
        return error_set(err, ERROR_INVALID, 0, "root.path must not be empty");
    CLEANUP_FREE char *source = absolute(restore, path);
    if (unshare(CLONE_NEWNS) < 0)
        return error_errno(err, errno, "cannot make a mount namespace");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return error_errno(err, errno, "cannot make mounts private");
    if (mount(source, restore->what->root, NULL, MS_BIND | MS_REC, NULL) < 0)
        return error_errno(err, errno, "cannot mount the root filesystem %s", source);
    return 0;
}

static bool under_tmpfs(const struct oci_spec *spec, size_t index)
{
    const struct oci_mount *mounts = spec->mounts.items;
    for (size_t i = 0; i < index; i++) {
        size_t size = strlen(mounts[i].destination);
        if (mounts[i].type != NULL && strcmp(mounts[i].type, "tmpfs") == 0 &&
            strncmp(mounts[index].destination, mounts[i].destination, size) == 0 &&
            mounts[index].destination[size] == '/')
            return true;
    }
    return false;
}

/* criu mounts onto what is there: a root file system that was unpacked anew has no mount points. */
static int make_mount_points(struct restore *restore, struct error *err)
{
    const struct oci_spec *spec = restore->what->spec;
    const struct oci_mount *mounts = spec->mounts.items;
    CLEANUP_CLOSE int root = open(restore->what->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return error_errno(err, errno, "cannot open the root filesystem");
    for (size_t i = 0; i < spec->mounts.count; i++) {
        if (under_tmpfs(spec, i))
            continue; /* restored with the tmpfs */
        bool is_dir = true;
        if (criu_is_external(&mounts[i]) && mounts[i].source != NULL) {
            struct stat st;
            CLEANUP_FREE char *source = absolute(restore, mounts[i].source);
            if (stat(source, &st) < 0)
                return error_errno(err, errno, "error mounting \"%s\" to rootfs at \"%s\"", source,
                                   mounts[i].destination);
            is_dir = S_ISDIR(st.st_mode);
            CLEANUP_FREE char *text = xasprintf("mnt[%s]:%s", mounts[i].destination, source);
            protobuf_add_string(&restore->opts, CRIU_EXTERNAL, text);
        }
        CLEANUP_CLOSE int target = beneath_make_target(root, mounts[i].destination, is_dir);
        if (target < 0 && target != -EROFS)
            return error_errno(err, target, "cannot create the mount point %s", mounts[i].destination);
    }
    return 0;
}

/* ---- descriptors ---- */

static void inherit(struct restore *restore, const char *key, int fd)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    protobuf_add_string(&text, INHERIT_KEY, key);
    protobuf_add_int(&text, INHERIT_FD, FIRST_PASSED_FD + (int)restore->fd_count);
    protobuf_add_message(&restore->opts, CRIU_INHERIT_FD, &text);
    restore->fds[restore->fd_count++] = fd;
}

static int inherit_stdio(struct restore *restore, struct error *err)
{
    CLEANUP_FREE char *text = NULL;
    CLEANUP_JSON struct json *names = NULL;
    size_t size;
    int r = file_read(restore->images.images_fd, "descriptors.json", DESCRIPTORS_MAX, &text, &size, err);
    r = r < 0 ? r : json_parse(text, size, &names, err);
    if (r < 0)
        return error_context(err, "descriptors.json of the images");
    for (size_t i = 0; i < 3; i++) {
        const char *name = json_string(json_at(names, i));
        if (name != NULL && strncmp(name, "pipe:", 5) == 0)
            inherit(restore, name, (int)i);
    }
    return 0;
}

static int inherit_network(struct restore *restore, struct error *err)
{
    const struct oci_namespace *network = oci_spec_namespace(restore->what->spec, "network");
    if (network == NULL || network->path == NULL || network->path[0] == '\0')
        return 0;
    restore->network_fd = open(network->path, O_RDONLY | O_CLOEXEC);
    if (restore->network_fd < 0)
        return error_errno(err, errno, "cannot join namespace: open %s", network->path);
    inherit(restore, NETWORK_KEY, restore->network_fd);
    return 0;
}

/* ---- cgroup ---- */

static int make_cgroup(struct restore *restore, struct error *err)
{
    const struct runtime_restore *what = restore->what;
    const struct oci_linux *l = &what->spec->linux_;
    struct runtime_cgroup *cgroup = NULL;
    int r = cgroup_new(l->cgroups_path, what->id, &cgroup, err);
    if (r == 0)
        r = what->make_cgroup != NULL ? what->make_cgroup(what->make_cgroup_context, restore->criu.pid, err)
                                      : cgroup_refuse_inhabited(cgroup, err);
    if (r < 0) {
        runtime_cgroup_free(cgroup);
        return error_context(err, "unable to apply cgroup configuration");
    }
    restore->cgroup = cgroup; /* from here on it is ours, to kill and remove */
    r = cgroup->ops->prepare(cgroup, &l->resources, err);
    r = r < 0 ? r : cgroup->ops->enter(cgroup, &l->resources, restore->criu.pid, false, err);
    return r < 0 ? error_context(err, "unable to apply cgroup configuration") : 0;
}

/* The container goes where criu stands now, not where it was when it was dumped. */
static int add_cgroup_roots(struct restore *restore, struct error *err)
{
    char path[64];
    CLEANUP_FREE char *text = NULL;
    CLEANUP_STRV struct strv lines = STRV_INIT;
    snprintf(path, sizeof(path), "/proc/%d/cgroup", restore->criu.pid);
    int r = file_read(AT_FDCWD, path, CGROUP_FILE_MAX, &text, NULL, err);
    if (r < 0)
        return r;
    strv_split(&lines, text, '\n');
    for (size_t i = 0; i < lines.count; i++) {
        char *controller = strchr(lines.items[i], ':');
        char *place = controller != NULL ? strchr(controller + 1, ':') : NULL;
        if (place == NULL)
            continue;
        *place++ = '\0';
        CLEANUP_STRBUF struct strbuf root = STRBUF_INIT;
        protobuf_add_string(&root, CGROUP_ROOT_CONTROLLER, controller + 1);
        protobuf_add_string(&root, CGROUP_ROOT_PATH, place);
        protobuf_add_message(&restore->opts, CRIU_CGROUP_ROOT, &root);
    }
    return 0;
}

/* ---- criu ---- */

static int run_hooks(struct restore *restore, pid_t pid, struct error *err)
{
    const struct oci_spec *spec = restore->what->spec;
    struct runtime_hook_state state = {.version = spec->version,
                                       .id = restore->what->id,
                                       .status = "creating",
                                       .pid = pid,
                                       .bundle = restore->what->bundle,
                                       .annotations = &spec->annotations};
    struct runtime_hook_place place = {.directory = state.bundle};
    int r = runtime_hooks_run("prestart", &spec->hooks.prestart, &state, &place, err);
    return r < 0 ? r : runtime_hooks_run("createRuntime", &spec->hooks.create_runtime, &state, &place, err);
}

/* Images of other runtimes do not say what their lock is called. */
static int unlock_network(struct restore *restore, struct error *err)
{
    CLEANUP_FREE char *name = NULL;
    if (file_read(restore->images.images_fd, CRIU_LOCK_FILE, CRIU_LOCK_NAME_MAX, &name, NULL, NULL) < 0)
        name = xstrdup("");
    return restore->root_task > 0 ? criu_network_unlock(restore->root_task, name, err) : 0;
}

static int on_step(void *context, const char *step, pid_t pid, int fd, struct error *err)
{
    struct restore *restore = context;
    if (strcmp(step, "orphan-pts-master") == 0 && fd >= 0 && restore->console_fd < 0) {
        restore->console_fd = fd;
        return 0;
    }
    fd_close(fd);
    if (strcmp(step, "network-unlock") == 0)
        return unlock_network(restore, err);
    if (strcmp(step, "setup-namespaces") == 0) {
        restore->root_task = pid;
        return run_hooks(restore, pid, err);
    }
    if (strcmp(step, "post-restore") == 0)
        restore->pid = pid;
    return 0;
}

static int fill(struct restore *restore, struct error *err)
{
    struct strbuf *opts = &restore->opts;
    criu_images_add(&restore->images, &restore->what->spec->annotations, opts);
    protobuf_add_string(opts, CRIU_ROOT, restore->what->root);
    protobuf_add_int(opts, CRIU_RESTORE_SIBLING, 1);
    protobuf_add_int(opts, CRIU_NOTIFY_SCRIPTS, 1);
    protobuf_add_string(opts, CRIU_LSM_PROFILE, restore->options->lsm_profile);
    protobuf_add_string(opts, CRIU_LSM_MOUNT_CONTEXT, restore->options->lsm_mount_context);
    int r = make_mount_points(restore, err);
    r = r < 0 ? r : inherit_stdio(restore, err);
    return r < 0 ? r : inherit_network(restore, err);
}

static int ask(struct restore *restore, struct error *err)
{
    struct criu_answer answer;
    int r = criu_ask(&restore->criu, CRIU_RESTORE, &restore->opts, on_step, restore, &answer, err);
    if (r < 0)
        return criu_images_explain(&restore->images, err);
    restore->pid = answer.pid;
    if (restore->what->has_console && restore->console_fd < 0)
        return error_set(err, ERROR_SYSTEM, EIO, "the container that was dumped has no terminal");
    return 0;
}

static int hand_over(struct restore *restore, struct runtime_container *ret, struct error *err)
{
    int pid_fd = (int)syscall(SYS_pidfd_open, restore->pid, 0);
    if (pid_fd < 0)
        return error_errno(err, errno, "cannot find the restored process");
    *ret = (struct runtime_container){.pid = restore->pid,
                                      .pid_fd = pid_fd,
                                      .console_fd = TAKE_FD(restore->console_fd),
                                      .cgroup = TAKE_PTR(restore->cgroup),
                                      .mounts_fd = -1,
                                      .start_fd = -1};
    return 0;
}

static void undo(struct restore *restore)
{
    if (restore->pid > 0) {
        kill(restore->pid, SIGKILL);
        while (waitpid(restore->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    if (restore->cgroup != NULL) {
        runtime_cgroup_kill(restore->cgroup, SIGKILL, NULL);
        runtime_cgroup_remove(restore->cgroup, NULL);
        runtime_cgroup_free(restore->cgroup);
    }
}

int runtime_restore(const struct criu_options *options, const struct runtime_restore *what,
                    struct runtime_container *ret, struct error *err)
{
    struct restore restore = {
        .options = options, .what = what, .criu = {.socket_fd = -1}, .network_fd = -1, .console_fd = -1};
    int r = oci_spec_validate(what->spec, err);
    if (r == 0 && what->spec->linux_.intel_rdt != NULL)
        r = error_set(err, ERROR_NOT_IMPLEMENTED, ENOTSUP, "linux.intelRdt is not supported by restore");
    r = r < 0 ? r : bind_root(&restore, err);
    /* In the new mount namespace: criu mounts things where it logs. */
    bool opened = r == 0;
    r = r < 0 ? r : criu_images_open(options, "restore.log", false, &restore.images, err);
    r = r < 0 ? r : fill(&restore, err);
    r = r < 0 ? r : criu_start(options->program, restore.fds, restore.fd_count, &restore.criu, err);
    r = r < 0 ? r : make_cgroup(&restore, err);
    r = r < 0 ? r : add_cgroup_roots(&restore, err);
    r = r < 0 ? r : ask(&restore, err);
    r = r < 0 ? r : hand_over(&restore, ret, err);
    criu_end(&restore.criu);
    umount2(what->root, MNT_DETACH); /* the container has its own; never mounted is no failure */
    if (opened)
        criu_images_release(&restore.images);
    fd_close(restore.network_fd);
    strbuf_release(&restore.opts);
    if (r < 0) {
        fd_close(restore.console_fd);
        undo(&restore);
    }
    return r;
}
