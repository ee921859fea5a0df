/* spec: a config.json to start from; features: what the runtime can do, as the spec's features document. */
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
#include "runtime/mount_options.h"
#include "runtime/seccomp.h"
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

static void member_list(struct json_writer *w, const char *key, const char *const *items)
{
    json_key(w, key);
    json_begin_array(w);
    for (; *items != NULL; items++)
        json_put_string(w, *items);
    json_end_array(w);
}

static void write_linux_features(struct json_writer *w)
{
    static const char *const namespaces[] = {"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts", NULL};
    static const char *const operators[] = {"SCMP_CMP_EQ", "SCMP_CMP_GE",        "SCMP_CMP_GT", "SCMP_CMP_LE",
                                            "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE", NULL};
    static const char *const archs[] = {"SCMP_ARCH_AARCH64",  "SCMP_ARCH_ARM",         "SCMP_ARCH_MIPS",
                                        "SCMP_ARCH_MIPS64",   "SCMP_ARCH_MIPS64N32",   "SCMP_ARCH_MIPSEL",
                                        "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC",
                                        "SCMP_ARCH_PPC64",    "SCMP_ARCH_PPC64LE",     "SCMP_ARCH_RISCV64",
                                        "SCMP_ARCH_S390",     "SCMP_ARCH_S390X",       "SCMP_ARCH_X32",
                                        "SCMP_ARCH_X86",      "SCMP_ARCH_X86_64",      NULL};
    member_list(w, "namespaces", namespaces);
    json_key(w, "capabilities");
    json_begin_array(w);
    for (int i = 0; runtime_capability_name(i) != NULL; i++)
        json_put_string(w, runtime_capability_name(i));
    json_end_array(w);
    json_key(w, "cgroup");
    json_begin_object(w);
    json_member_bool(w, "v1", true);
    json_member_bool(w, "v2", true);
    json_member_bool(w, "systemd", true);
    json_member_bool(w, "systemdUser", true);
    json_member_bool(w, "rdma", true);
    json_end_object(w);
    json_key(w, "seccomp");
    json_begin_object(w);
    json_member_bool(w, "enabled", true);
    member_list(w, "actions", runtime_seccomp_actions);
    member_list(w, "operators", operators);
    member_list(w, "archs", archs);
    static const char *const lists[] = {"knownFlags", "supportedFlags"};
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        json_key(w, lists[i]);
        json_begin_array(w);
        for (size_t k = 0; k < RUNTIME_SECCOMP_FLAGS; k++)
            json_put_string(w, runtime_seccomp_flags[k].name);
        json_end_array(w);
    }
    json_end_object(w);
    static const char *const switches[][2] = {
        {"apparmor", "1"}, {"selinux", "1"}, {"netDevices", "1"}, {"intelRdt", "1"}};
    for (size_t i = 0; i < ARRAY_SIZE(switches); i++) {
        json_key(w, switches[i][0]);
        json_begin_object(w);
        json_member_bool(w, "enabled", switches[i][1] != NULL);
        json_end_object(w);
    }
    json_key(w, "mountExtensions");
    json_begin_object(w);
    json_key(w, "idmap");
    json_begin_object(w);
    json_member_bool(w, "enabled", true);
    json_end_object(w);
    json_end_object(w);
}

int command_features(const struct global *global, int argc, char **argv, struct error *err)
{
    (void)global;
    const struct option_row none[] = {OPTION_END};
    int first;
    int r = options_parse(none, argc, argv, &first, err);
    if (r < 0)
        return r;
    static const char *const hooks[] = {
        "prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop", NULL};
    CLEANUP_STRV struct strv options = STRV_INIT;
    mount_options_names(&options);
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &text);
    json_begin_object(&w);
    json_member_string(&w, "ociVersionMin", "1.0.0");
    json_member_string(&w, "ociVersionMax", "1.3.0");
    member_list(&w, "hooks", hooks);
    member_list(&w, "mountOptions", (const char *const *)options.items);
    json_key(&w, "linux");
    json_begin_object(&w);
    write_linux_features(&w);
    json_end_object(&w);
    json_key(&w, "annotations");
    json_begin_object(&w);
    json_member_string(&w, "org.dory.version", DORY_VERSION);
    json_member_string(&w, "org.opencontainers.runc.checkpoint.enabled", "true"); /* what podman and others look for */
    json_end_object(&w);
    json_end_object(&w);
    printf("%s\n", strbuf_str(&text));
    return 0;
}
