/* checkpoint and restore: a container's processes to files and back, by criu. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "cmd/dory-runtime/launch.h"
#include "cmd/dory-runtime/runtime.h"
#include "cmd/dory-runtime/state.h"
#include "runtime/criu.h"

#define RESTORE_ROOT "criu-root" /* in the container's state directory */
#define SHARED_ROWS 10

/* Options of both commands, as texts where they are no flags. */
struct options {
    struct criu_options criu;
    const char *cgroup_mode, *status_fd;
    struct strv empty_namespaces;
    bool lazy_pages;
};

static size_t add_shared_rows(struct options *o, struct option_row *rows)
{
    const struct option_row shared[SHARED_ROWS] = {
        OPTION_TEXT("image-path", 0, &o->criu.image_path, "directory of the images (default ./checkpoint)"),
        OPTION_TEXT("work-path", 0, &o->criu.work_path, "directory of criu's log (default: that of the images)"),
        OPTION_FLAG("tcp-established", 0, &o->criu.tcp_established, "allow open TCP connections"),
        OPTION_FLAG("ext-unix-sk", 0, &o->criu.ext_unix_sk, "allow Unix sockets that lead out of the container"),
        OPTION_FLAG("shell-job", 0, &o->criu.shell_job, "allow a terminal that is not the container's own"),
        OPTION_FLAG("file-locks", 0, &o->criu.file_locks, "handle file locks"),
        OPTION_TEXT("manage-cgroups-mode", 0, &o->cgroup_mode, "soft (default), full, strict or ignore"),
        OPTION_LIST("empty-ns", 0, &o->empty_namespaces, "network: leave the namespace's content out"),
        OPTION_FLAG("auto-dedup", 0, &o->criu.auto_dedup, "free memory images that are superseded"),
        OPTION_FLAG("lazy-pages", 0, &o->lazy_pages, "refused: memory is always in the images"),
    };
    for (size_t i = 0; i < SHARED_ROWS; i++)
        rows[i] = shared[i];
    return SHARED_ROWS;
}

static int check(struct options *o, const struct global *global, struct error *err)
{
    static const struct {
        const char *name;
        enum criu_cgroup_mode mode;
    } modes[] = {{"soft", CRIU_CGROUPS_SOFT},
                 {"full", CRIU_CGROUPS_FULL},
                 {"strict", CRIU_CGROUPS_STRICT},
                 {"ignore", CRIU_CGROUPS_IGNORE}};
    bool known = false;
    for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
        if (strcmp(o->cgroup_mode, modes[i].name) == 0) {
            o->criu.cgroup_mode = modes[i].mode;
            known = true;
        }
    if (!known)
        return error_set(err, ERROR_INVALID, 0, "invalid manage-cgroups-mode value \"%s\"", o->cgroup_mode);
    for (size_t i = 0; i < o->empty_namespaces.count; i++)
        if (strcmp(o->empty_namespaces.items[i], "network") != 0)
            return error_set(err, ERROR_INVALID, 0, "namespace \"%s\" is not supported by --empty-ns",
                             o->empty_namespaces.items[i]);
    o->criu.empty_network = o->empty_namespaces.count > 0;
    if (o->lazy_pages || o->status_fd != NULL)
        return error_set(err, ERROR_NOT_IMPLEMENTED, ENOTSUP, "--%s is not supported: memory is always in the images",
                         o->lazy_pages ? "lazy-pages" : "status-fd");
    if (o->criu.parent_path != NULL && o->criu.parent_path[0] == '/')
        return error_set(err, ERROR_INVALID, 0, "--parent-path %s must be relative to the images", o->criu.parent_path);
    if (geteuid() != 0)
        return error_set(err, ERROR_FORBIDDEN, EPERM, "checkpoint and restore need root");
    o->criu.program = global->criu;
    return 0;
}

/* ---- checkpoint ---- */

static int dump(const struct options *o, const struct global *global, struct state *state, int dir, struct error *err)
{
    if (state_status(state, dir) != STATUS_RUNNING)
        return error_set(err, ERROR_CONFLICT, EBUSY, "container cannot be checkpointed in %s state",
                         status_name(state_status(state, dir)));
    CLEANUP_CLOSE int bundle = open(state->bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (bundle < 0)
        return error_errno(err, errno, "bundle %s", state->bundle);
    struct oci_spec spec = {0};
    struct runtime_cgroup *cgroup = NULL;
    int r = oci_spec_load(bundle, "config.json", &spec, err);
    r = r < 0 ? r : state_open_cgroup(state, &cgroup, err);
    r = r < 0 ? r : runtime_checkpoint(&o->criu, &spec, (pid_t)state->pid, cgroup, err);
    runtime_cgroup_free(cgroup);
    oci_spec_release(&spec);
    if (r < 0 || o->criu.leave_running || o->criu.pre_dump)
        return r;
    return container_delete(global, state, dir, true, err);
}

int command_checkpoint(const struct global *global, int argc, char **argv, struct error *err)
{
    struct options o = {.cgroup_mode = "soft", .criu = {.image_path = "checkpoint"}};
    struct option_row rows[SHARED_ROWS + 8];
    size_t count = add_shared_rows(&o, rows);
    rows[count++] = (struct option_row)OPTION_FLAG("leave-running", 0, &o.criu.leave_running, "the container goes on");
    rows[count++] = (struct option_row)OPTION_FLAG("pre-dump", 0, &o.criu.pre_dump,
                                                   "memory only, while the container goes on: a parent for the next");
    rows[count++] = (struct option_row)OPTION_TEXT("parent-path", 0, &o.criu.parent_path,
                                                   "images of an earlier --pre-dump, relative to --image-path");
    rows[count++] = (struct option_row)OPTION_TEXT("page-server", 0, &o.criu.page_server,
                                                   "ADDRESS:PORT of a criu that takes the memory");
    rows[count++] = (struct option_row)OPTION_FLAG("tcp-skip-in-flight", 0, &o.criu.tcp_skip_in_flight,
                                                   "leave connections out that are being made");
    rows[count++] = (struct option_row)OPTION_FLAG("link-remap", 0, &o.criu.link_remap, "link unlinked files back");
    rows[count++] = (struct option_row)OPTION_TEXT("status-fd", 0, &o.status_fd, "refused, goes with --lazy-pages");
    rows[count] = (struct option_row)OPTION_END;
    const char *id;
    int rest;
    struct state state = {0};
    CLEANUP_CLOSE int dir = -1;
    int r = options_one_id(rows, argc, argv, 1, &id, &rest, err);
    r = r < 0 ? r : check(&o, global, err);
    r = r < 0 ? r : state_lock(global->root, id, &state, &dir, err);
    r = r < 0 ? r : dump(&o, global, &state, dir, err);
    state_release(&state);
    strv_release(&o.empty_namespaces);
    return r;
}

/* ---- restore ---- */

static int begin_restored(struct launch *l, struct error *err)
{
    if (mkdirat(l->state_fd, RESTORE_ROOT, 0700) < 0)
        return error_errno(err, errno, "cannot make a place for the root filesystem");
    CLEANUP_FREE char *root = xasprintf("%s/%s/" RESTORE_ROOT, l->global->root, l->id);
    CLEANUP_FREE char *absolute = realpath(root, NULL);
    if (absolute == NULL)
        return error_errno(err, errno, "cannot find %s", root);
    struct runtime_restore restore = {
        .id = l->id,
        .spec = &l->spec,
        .bundle = l->bundle_path,
        .root = absolute,
        .has_console = l->spec.process.terminal,
        .make_cgroup = l->unit.name != NULL ? launch_make_unit : NULL,
        .make_cgroup_context = l,
    };
    int r = runtime_restore(l->criu, &restore, &l->container, err);
    l->started = r == 0;
    unlinkat(l->state_fd, RESTORE_ROOT, AT_REMOVEDIR);
    return r;
}

int command_restore(const struct global *global, int argc, char **argv, struct error *err)
{
    struct options o = {.cgroup_mode = "soft", .criu = {.image_path = "checkpoint"}};
    struct launch l = launch_empty;
    struct option_row rows[SHARED_ROWS + 10];
    size_t count = add_shared_rows(&o, rows);
    rows[count++] = (struct option_row)OPTION_TEXT("bundle", 'b', &l.bundle, "directory of config.json");
    rows[count++] = (struct option_row)OPTION_FLAG("detach", 'd', &l.detach, "do not wait for the container's end");
    rows[count++] = (struct option_row)OPTION_TEXT("pid-file", 0, &l.pid_file, "write the pid of the container there");
    rows[count++] = (struct option_row)OPTION_TEXT("console-socket", 0, &l.console_socket,
                                                   "Unix socket that is sent the terminal's master");
    rows[count++] =
        (struct option_row)OPTION_FLAG("no-subreaper", 0, &l.no_subreaper, "nothing: this runtime is no subreaper");
    rows[count++] =
        (struct option_row)OPTION_FLAG("no-pivot", 0, &l.no_pivot, "refused: criu decides how the root is entered");
    rows[count++] =
        (struct option_row)OPTION_TEXT("lsm-profile", 0, &o.criu.lsm_profile, "TYPE:NAME instead of the dumped one");
    rows[count++] = (struct option_row)OPTION_TEXT("lsm-mount-context", 0, &o.criu.lsm_mount_context,
                                                   "SELinux context of mounts instead of the dumped one");
    rows[count] = (struct option_row)OPTION_END;
    int rest;
    int r = options_one_id(rows, argc, argv, 1, &l.id, &rest, err);
    if (r == 0 && l.no_pivot)
        r = error_set(err, ERROR_NOT_IMPLEMENTED, ENOTSUP, "--no-pivot is not supported by restore");
    r = r < 0 ? r : check(&o, global, err);
    r = r < 0 ? r : state_check_id(l.id, err);
    if (r == 0) {
        l.global = global;
        l.begin = begin_restored;
        l.criu = &o.criu;
        r = launch_run(&l, err);
    }
    strv_release(&o.empty_namespaces);
    return r;
}
