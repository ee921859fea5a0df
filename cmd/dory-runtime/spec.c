/* spec: a config.json to start from; features: what the runtime can do. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/strbuf.h"
#include "cmd/dory-runtime/runtime.h"
#include "runtime/defaults.h"
#include "runtime/features.h"
#include "runtime/spec.h"

static const struct {
    const char *destination, *type, *source, *options;
} mounts[] = {
    {"/proc", "proc", "proc", NULL},
    {"/dev", "tmpfs", "tmpfs", "nosuid strictatime mode=755 size=65536k"},
    {"/dev/pts", "devpts", "devpts", "nosuid noexec newinstance ptmxmode=0666 mode=0620 gid=5"},
    {"/dev/shm", "tmpfs", "shm", "nosuid noexec nodev mode=1777 size=65536k"},
    {"/dev/mqueue", "mqueue", "mqueue", "nosuid noexec nodev"},
    {"/sys", "sysfs", "sysfs", "nosuid noexec nodev ro"},
    {"/sys/fs/cgroup", "cgroup", "cgroup", "nosuid noexec nodev relatime ro"},
};

static void add_all(struct strv *to, const char *const *items)
{
    for (; *items != NULL; items++)
        strv_add(to, *items);
}

static void fill_process(struct oci_process *process)
{
    static const char *const capabilities[] = {"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE", NULL};
    process->terminal = true;
    strv_add(&process->args, "sh");
    strv_add(&process->env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    strv_add(&process->env, "TERM=xterm");
    process->cwd = xstrdup("/");
    add_all(&process->capabilities.bounding, capabilities);
    add_all(&process->capabilities.effective, capabilities);
    add_all(&process->capabilities.permitted, capabilities);
    struct oci_rlimit *limit = oci_array_add(&process->rlimits, &oci_rlimit_table);
    *limit = (struct oci_rlimit){.type = xstrdup("RLIMIT_NOFILE"), .soft = 1024, .hard = 1024};
    process->no_new_privileges = true;
}

static void fill_linux(struct oci_linux *l)
{
    static const char *const namespaces[] = {"pid", "network", "ipc", "uts", "mount", "cgroup"};
    struct statfs fs;
    bool v2 = statfs("/sys/fs/cgroup", &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
    /* A cgroup namespace is what one has on v2, for docker and podman too, and not with the hierarchies of v1. */
    for (size_t i = 0; i < ARRAY_SIZE(namespaces) - !v2; i++) {
        struct oci_namespace *ns = oci_array_add(&l->namespaces, &oci_namespace_table);
        ns->type = xstrdup(namespaces[i]);
    }
    struct oci_device_rule *rule = oci_array_add(&l->resources.devices, &oci_device_rule_table);
    rule->access = xstrdup("rwm");
    add_all(&l->masked_paths, runtime_default_masked_paths);
    add_all(&l->readonly_paths, runtime_default_readonly_paths);
}

/* What an ordinary user can run: one id, the host's network, and /sys from the host, because a new one takes a network
 * namespace. */
static void make_rootless(struct oci_spec *spec)
{
    struct oci_linux *l = &spec->linux_;
    struct oci_namespace *namespaces = l->namespaces.items;
    for (size_t i = 0; i < l->namespaces.count; i++)
        if (strcmp(namespaces[i].type, "network") == 0)
            xstrset(&namespaces[i].type, "user");
    struct oci_id_mapping *uid = oci_array_add(&l->uid_mappings, &oci_id_mapping_table);
    *uid = (struct oci_id_mapping){.host_id = geteuid(), .size = 1};
    struct oci_id_mapping *gid = oci_array_add(&l->gid_mappings, &oci_id_mapping_table);
    *gid = (struct oci_id_mapping){.host_id = getegid(), .size = 1};
    oci_resources_release(&l->resources);
    struct oci_mount *all = spec->mounts.items;
    for (size_t i = 0; i < spec->mounts.count; i++) {
        struct strv *options = &all[i].options;
        for (size_t k = options->count; k > 0; k--)
            if (strncmp(options->items[k - 1], "gid=", 4) == 0 || strncmp(options->items[k - 1], "uid=", 4) == 0)
                strv_remove(options, k - 1);
        if (strcmp(all[i].destination, "/sys") != 0)
            continue;
        xstrset(&all[i].type, "none");
        xstrset(&all[i].source, "/sys");
        strv_clear(options);
        strv_split(options, "rbind nosuid noexec nodev ro", ' ');
    }
}

int command_spec(const struct global *global, int argc, char **argv, struct error *err)
{
    (void)global;
    const char *bundle = ".";
    bool rootless = false;
    const struct option_row rows[] = {
        OPTION_TEXT("bundle", 'b', &bundle, "directory to write it into (default: this one)"),
        OPTION_FLAG("rootless", 0, &rootless, "for an ordinary user"), OPTION_END};
    int first;
    int r = options_parse(rows, argc, argv, &first, err);
    if (r < 0)
        return r;
    struct oci_spec spec = {.version = xstrdup("1.2.0"), .hostname = xstrdup("dory")};
    fill_process(&spec.process);
    spec.root.path = xstrdup("rootfs");
    spec.root.readonly = true;
    for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
        struct oci_mount *m = oci_array_add(&spec.mounts, &oci_mount_table);
        m->destination = xstrdup(mounts[i].destination);
        m->type = xstrdup(mounts[i].type);
        m->source = xstrdup(mounts[i].source);
        if (mounts[i].options != NULL)
            strv_split(&m->options, mounts[i].options, ' ');
    }
    fill_linux(&spec.linux_);
    if (rootless)
        make_rootless(&spec);
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    oci_spec_write(&spec, &text);
    strbuf_addc(&text, '\n');
    oci_spec_release(&spec);
    CLEANUP_FREE char *path = xasprintf("%s/config.json", bundle);
    CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno == EEXIST)
        return error_set(err, ERROR_CONFLICT, EEXIST, "file %s exists. Remove it first", path);
    r = fd < 0 ? -errno : fd_write_all(fd, text.data, text.size);
    return r < 0 ? error_errno(err, r, "cannot write %s", path) : 0;
}

int command_features(const struct global *global, int argc, char **argv, struct error *err)
{
    (void)global;
    const struct option_row none[] = {OPTION_END};
    int first;
    int r = options_parse(none, argc, argv, &first, err);
    if (r < 0)
        return r;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &text);
    runtime_features_write(&w);
    printf("%s\n", strbuf_str(&text));
    return 0;
}
