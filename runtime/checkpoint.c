/* A dump: what criu has to know of a container to write it down. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/parse.h"
#include "runtime/cgroup.h"
#include "runtime/criu_images.h"
#include "runtime/criu_network.h"
#include "runtime/protobuf.h"

enum { PAGE_SERVER_ADDRESS = 1, PAGE_SERVER_PORT = 2 };

static void add_external_mounts(const struct oci_spec *spec, struct strbuf *opts)
{
    const struct oci_mount *mounts = spec->mounts.items;
    for (size_t i = 0; i < spec->mounts.count; i++) {
        if (!criu_is_external(&mounts[i]))
            continue;
        CLEANUP_FREE char *text = xasprintf("mnt[%s]:%s", mounts[i].destination, mounts[i].destination);
        protobuf_add_string(opts, CRIU_EXTERNAL, text);
    }
}

/* A network namespace that was joined is somebody else's: only its place is written down. */
static int add_external_network(const struct oci_spec *spec, pid_t pid, struct strbuf *opts, struct error *err)
{
    const struct oci_namespace *network = oci_spec_namespace(spec, "network");
    if (network == NULL || network->path == NULL || network->path[0] == '\0')
        return 0;
    char path[64];
    struct stat st;
    snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
    if (stat(path, &st) < 0)
        return error_errno(err, errno, "cannot look at the network namespace of process %d", pid);
    CLEANUP_FREE char *text = xasprintf("net[%llu]:extRootNetNS", (unsigned long long)st.st_ino);
    protobuf_add_string(opts, CRIU_EXTERNAL, text);
    return 0;
}

static int add_page_server(const char *address, struct strbuf *opts, struct error *err)
{
    if (address == NULL)
        return 0;
    const char *colon = strrchr(address, ':');
    uint64_t port;
    if (colon == NULL || colon == address || parse_uint64(colon + 1, 65535, &port) < 0)
        return error_set(err, ERROR_INVALID, 0, "page server \"%s\" is not ADDRESS:PORT", address);
    CLEANUP_FREE char *host = xstrndup(address, (size_t)(colon - address));
    CLEANUP_STRBUF struct strbuf server = STRBUF_INIT;
    protobuf_add_string(&server, PAGE_SERVER_ADDRESS, host);
    protobuf_add_int(&server, PAGE_SERVER_PORT, (int64_t)port);
    protobuf_add_message(opts, CRIU_PAGE_SERVER, &server);
    return 0;
}

/* What the init has as 0, 1 and 2, so that a restore can put its own pipes in their places: runc's descriptors.json. */
static int write_descriptors(const struct criu_images *images, pid_t pid, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &text);
    json_begin_array(&w);
    for (int fd = 0; fd < 3; fd++) {
        char path[64], target[4096];
        snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
        ssize_t n = readlink(path, target, sizeof(target) - 1);
        target[n > 0 ? n : 0] = '\0';
        json_put_string(&w, target);
    }
    json_end_array(&w);
    return file_write_atomic(images->images_fd, "descriptors.json", text.data, text.size, 0600, err);
}

static int write_lock_name(const struct criu_images *images, pid_t pid, struct error *err)
{
    char name[CRIU_LOCK_NAME_MAX];
    criu_network_lock_name(pid, name);
    return file_write_atomic(images->images_fd, CRIU_LOCK_FILE, name, strlen(name), 0600, err);
}

static int no_notify(void *context, const char *step, pid_t pid, int fd, struct error *err)
{
    (void)context;
    (void)step;
    (void)pid;
    (void)err;
    fd_close(fd);
    return 0;
}

static int fill(const struct criu_images *images, const struct oci_spec *spec, pid_t pid, struct runtime_cgroup *cgroup,
                struct strbuf *opts, struct error *err)
{
    const struct criu_options *o = images->options;
    if (o->parent_path != NULL && faccessat(images->images_fd, o->parent_path, F_OK, 0) < 0)
        return error_errno(err, errno, "invalid --parent-path %s", o->parent_path);
    criu_images_add(images, &spec->annotations, opts);
    protobuf_add_int(opts, CRIU_PID, pid);
    protobuf_add_int(opts, CRIU_LEAVE_RUNNING, o->leave_running || o->pre_dump);
    protobuf_add_int(opts, CRIU_TRACK_MEMORY, o->pre_dump);
    protobuf_add_string(opts, CRIU_PARENT_IMAGES, o->parent_path);
    bool v2 = cgroup->ops == &cgroup_ops_v2;
    CLEANUP_FREE char *freezer = xasprintf("/sys/fs/cgroup/%s%s", v2 ? "" : "freezer/", cgroup->path);
    protobuf_add_string(opts, CRIU_FREEZE_CGROUP, freezer);
    add_external_mounts(spec, opts);
    int r = add_external_network(spec, pid, opts, err);
    return r < 0 ? r : add_page_server(o->page_server, opts, err);
}

int runtime_checkpoint(const struct criu_options *options, const struct oci_spec *spec, pid_t pid,
                       struct runtime_cgroup *cgroup, struct error *err)
{
    struct criu_images images;
    struct criu_process criu = {.socket_fd = -1};
    struct criu_answer answer;
    CLEANUP_STRBUF struct strbuf opts = STRBUF_INIT;
    int r = criu_images_open(options, "dump.log", true, &images, err);
    r = r < 0 ? r : fill(&images, spec, pid, cgroup, &opts, err);
    r = r < 0 ? r : write_descriptors(&images, pid, err);
    r = r < 0 ? r : write_lock_name(&images, pid, err);
    r = r < 0 ? r : criu_start(options->program, NULL, 0, &criu, err);
    if (r == 0) {
        r = criu_ask(&criu, options->pre_dump ? CRIU_PRE_DUMP : CRIU_DUMP, &opts, no_notify, NULL, &answer, err);
        if (r < 0)
            r = criu_images_explain(&images, err);
        criu_end(&criu);
    }
    criu_images_release(&images);
    return r;
}
