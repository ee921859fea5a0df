#include "daemon/spec_generate.h"

#include "daemon/container.h"
#include "daemon/security_opt.h"
#include "daemon/spec_resources.h"
#include "daemon/ulimits.h"
#include "daemon/userns_remap.h"
#include "runtime/defaults.h"
#include "runtime/spec.h"

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static bool is_set(const char *s)
{
    return s != NULL && *s != '\0';
}

static bool equals(const char *s, const char *other)
{
    return s != NULL && strcmp(s, other) == 0;
}

static void put_strings(struct json_writer *w, const char *key, const struct strv *list)
{
    json_key(w, key);
    json_begin_array(w);
    for (size_t i = 0; i < list->count; i++)
        json_put_string(w, list->items[i]);
    json_end_array(w);
}

/* ---- process ---- */

static void apply_environment(const struct strv *list, struct strv *env)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strchr(list->items[i], '=') != NULL)
            strv_env_set(env, list->items[i]);
        else
            strv_env_unset(env, list->items[i]);
    }
}

static void make_environment(const struct spec_input *in, const struct spec_process *process, struct strv *env)
{
    strv_add(env, DEFAULT_PATH);
    strv_addf(env, "HOSTNAME=%s", in->hostname);
    if (process->tty)
        strv_add(env, "TERM=xterm");
    for (size_t i = 0; in->link_env != NULL && i < in->link_env->count; i++)
        strv_env_set(env, in->link_env->items[i]);
    apply_environment(&in->container->config.env, env);
    if (process->env != NULL)
        apply_environment(process->env, env);
    if (strv_env_get(env, "HOME") == NULL)
        strv_addf(env, "HOME=%s", in->identity->home);
}

static void put_capabilities(struct json_writer *w, uint64_t set)
{
    /* The inheritable set stays empty: CVE-2022-24769. */
    static const char *const names[] = {"bounding", "effective", "permitted"};
    json_key(w, "capabilities");
    json_begin_object(w);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        json_key(w, names[i]);
        json_begin_array(w);
        for (int n = 0; n < 64; n++)
            if (set & UINT64_C(1) << n && runtime_capability_name(n) != NULL)
                json_put_string(w, runtime_capability_name(n));
        json_end_array(w);
    }
    json_end_object(w);
}

static void put_rlimits(struct json_writer *w, const struct host_config *host)
{
    const struct ulimit *items = host->ulimits.items;
    if (host->ulimits.count == 0)
        return;
    json_key(w, "rlimits");
    json_begin_array(w);
    for (size_t i = 0; i < host->ulimits.count; i++) {
        json_begin_object(w);
        json_member_string(w, "type", ulimit_rlimit_name(items[i].name));
        json_key(w, "hard");
        json_put_uint(w, (uint64_t)items[i].hard); /* -1 is RLIM_INFINITY */
        json_key(w, "soft");
        json_put_uint(w, (uint64_t)items[i].soft);
        json_end_object(w);
    }
    json_end_array(w);
}

static void put_user(struct json_writer *w, const struct identity *identity)
{
    json_key(w, "user");
    json_begin_object(w);
    json_member_int(w, "uid", identity->uid);
    json_member_int(w, "gid", identity->gid);
    json_key(w, "additionalGids");
    json_begin_array(w);
    for (size_t i = 0; i < identity->group_count; i++)
        json_put_uint(w, identity->groups[i]);
    json_end_array(w);
    json_end_object(w);
}

static void put_process(struct json_writer *w, const struct spec_input *in, const struct spec_process *process,
                        const struct security_options *security)
{
    const struct container *c = in->container;
    json_begin_object(w);
    if (process->tty) {
        json_member_bool(w, "terminal", true);
        json_key(w, "consoleSize");
        json_begin_object(w);
        json_member_int(w, "height", process->console_size[0]);
        json_member_int(w, "width", process->console_size[1]);
        json_end_object(w);
    }
    put_user(w, in->identity);
    json_key(w, "args");
    json_begin_array(w);
    if (process->init) {
        json_put_string(w, SPEC_INIT_TARGET);
        json_put_string(w, "--");
    }
    if (process->path != NULL)
        json_put_string(w, process->path);
    for (size_t i = 0; i < process->args->count; i++)
        json_put_string(w, process->args->items[i]);
    json_end_array(w);
    CLEANUP_STRV struct strv env = STRV_INIT;
    make_environment(in, process, &env);
    put_strings(w, "env", &env);
    json_member_string(w, "cwd", is_set(process->cwd) ? process->cwd : "/");
    put_capabilities(w, in->capabilities);
    put_rlimits(w, &c->host);
    if (security->no_new_privileges)
        json_member_bool(w, "noNewPrivileges", true);
    json_member_int(w, "oomScoreAdj", c->host.oom_score_adj);
    json_end_object(w);
}

/* ---- mounts ---- */

static void put_mount(struct json_writer *w, const char *destination, const char *type, const char *source,
                      const char *options)
{
    json_begin_object(w);
    json_member_string(w, "destination", destination);
    json_member_string(w, "type", type);
    json_member_string(w, "source", source);
    json_key(w, "options");
    json_begin_array(w);
    while (*options != '\0') {
        size_t size = strcspn(options, ",");
        json_put_string_n(w, options, size);
        options += size + (options[size] == ',');
    }
    json_end_array(w);
    json_end_object(w);
}

int spec_tmpfs_options(const char *text, struct strv *ret, struct error *err)
{
    static const char *const words[] = {
        "exec",       "noexec",      "suid",          "nosuid", "dev",        "nodev",      "ro",         "rw",
        "sync",       "async",       "dirsync",       "atime",  "noatime",    "diratime",   "nodiratime", "relatime",
        "norelatime", "strictatime", "nostrictatime", "mand",   "nomand",     "defaults",   "private",    "rprivate",
        "shared",     "rshared",     "slave",         "rslave", "unbindable", "runbindable"};
    static const char *const keys[] = {"size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol", "huge"};
    static const struct {
        const char *fallback, *opposite;
    } defaults[] = {{"noexec", "exec"}, {"nosuid", "suid"}, {"nodev", "dev"}};
    CLEANUP_STRV struct strv asked = STRV_INIT;
    if (is_set(text))
        strv_split(&asked, text, ',');
    for (size_t i = 0; i < asked.count; i++) {
        const char *item = asked.items[i];
        size_t key_size = strcspn(item, "=");
        bool ok = *item == '\0';
        for (size_t j = 0; j < ARRAY_SIZE(words); j++)
            ok = ok || strcmp(item, words[j]) == 0;
        for (size_t j = 0; j < ARRAY_SIZE(keys) && item[key_size] == '='; j++)
            ok = ok || (strlen(keys[j]) == key_size && strncmp(item, keys[j], key_size) == 0);
        if (!ok)
            return error_set(err, ERROR_INVALID, 0, "invalid tmpfs option [\"%s\"]", item);
    }
    for (size_t i = 0; i < ARRAY_SIZE(defaults); i++)
        if (!strv_contains(&asked, defaults[i].opposite) && !strv_contains(&asked, defaults[i].fallback))
            strv_add(ret, defaults[i].fallback);
    for (size_t i = 0; i < asked.count; i++)
        if (*asked.items[i] != '\0' && strcmp(asked.items[i], "defaults") != 0)
            strv_add(ret, asked.items[i]);
    return 0;
}

static void put_mount_point(struct json_writer *w, const struct mount_point *m, const char *source)
{
    json_begin_object(w);
    json_member_string(w, "destination", m->destination);
    json_member_string(w, "type", m->type == MOUNT_TMPFS ? "tmpfs" : "bind");
    json_member_string(w, "source", m->type == MOUNT_TMPFS ? "tmpfs" : source ? source : m->source);
    json_key(w, "options");
    json_begin_array(w);
    if (m->type == MOUNT_TMPFS) {
        CLEANUP_STRV struct strv options = STRV_INIT;
        spec_tmpfs_options(m->tmpfs_options, &options, NULL); /* was checked when the container was made */
        for (size_t i = 0; i < options.count; i++)
            json_put_string(w, options.items[i]);
    } else {
        json_put_string(w, m->non_recursive ? "bind" : "rbind");
        json_put_string(w, is_set(m->propagation) ? m->propagation : "rprivate");
    }
    /* Like docker since 25: what is mounted below a read-only bind is read-only, too, unless that is unwanted. */
    bool recursive =
        (m->type == MOUNT_BIND || m->type == MOUNT_VOLUME) && !m->non_recursive && !m->read_only_non_recursive;
    if (m->read_only)
        json_put_string(w, recursive ? "rro" : "ro");
    json_end_array(w);
    json_end_object(w);
}

static const struct mount_point *find_mount(const struct container *c, const char *destination)
{
    for (size_t i = 0; i < c->mount_count; i++)
        if (strcmp(c->mounts[i].destination, destination) == 0)
            return &c->mounts[i];
    return NULL;
}

static void put_etc_mounts(struct json_writer *w, const struct spec_input *in)
{
    static const char *const names[] = {"resolv.conf", "hostname", "hosts"};
    for (size_t i = 0; in->etc_dir != NULL && i < ARRAY_SIZE(names); i++) {
        char destination[32];
        snprintf(destination, sizeof(destination), "/etc/%s", names[i]);
        if (find_mount(in->container, destination) != NULL)
            continue;
        CLEANUP_FREE char *source = xasprintf("%s/%s", in->etc_dir, names[i]);
        put_mount(w, destination, "bind", source,
                  in->container->host.readonly_rootfs ? "rbind,rprivate,ro" : "rbind,rprivate");
    }
}

/* Nobody makes nodes in a user namespace: there the host's are bound. */
static void put_device_mounts(struct json_writer *w, const struct spec_input *in)
{
    for (size_t i = 0; in->remap != NULL && i < in->devices->count; i++)
        put_mount(w, in->devices->items[i].path, "bind", in->devices->items[i].host_path, "bind,rprivate");
}

static void put_mounts(struct json_writer *w, const struct spec_input *in, const struct security_options *security)
{
    const struct container *c = in->container;
    bool privileged = c->host.privileged;
    bool writable_cgroups = security->writable_cgroups_set ? security->writable_cgroups : privileged;
    json_key(w, "mounts");
    json_begin_array(w);
    put_mount(w, "/proc", "proc", "proc", "nosuid,noexec,nodev");
    put_mount(w, "/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k");
    put_mount(w, "/dev/pts", "devpts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5");
    put_mount(w, "/sys", "sysfs", "sysfs", privileged ? "nosuid,noexec,nodev,rw" : "nosuid,noexec,nodev,ro");
    put_mount(w, "/sys/fs/cgroup", "cgroup", "cgroup",
              writable_cgroups ? "nosuid,noexec,nodev,rw" : "ro,nosuid,noexec,nodev");
    if (equals(c->host.ipc_mode, "host")) {
        if (in->host_mqueue && find_mount(c, "/dev/mqueue") == NULL)
            put_mount(w, "/dev/mqueue", "bind", "/dev/mqueue", "rbind,rprivate");
        if (find_mount(c, "/dev/shm") == NULL)
            put_mount(w, "/dev/shm", "bind", "/dev/shm", "rbind,rprivate");
    } else {
        put_mount(w, "/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev");
        if (in->shm_path != NULL && find_mount(c, "/dev/shm") == NULL) {
            put_mount(w, "/dev/shm", "bind", in->shm_path, "rbind,rprivate,nosuid,nodev,noexec");
        } else if (!equals(c->host.ipc_mode, "none") && find_mount(c, "/dev/shm") == NULL) {
            char options[96];
            snprintf(options, sizeof(options), "nosuid,noexec,nodev,mode=1777,size=%lld", (long long)c->host.shm_size);
            put_mount(w, "/dev/shm", "tmpfs", "shm", options);
        }
    }
    put_device_mounts(w, in);
    if (in->init_path != NULL)
        put_mount(w, SPEC_INIT_TARGET, "bind", in->init_path, "bind,rprivate,ro");
    for (size_t i = 0; i < c->mount_count; i++)
        put_mount_point(w, &c->mounts[i], in->sources ? in->sources[i] : NULL);
    put_etc_mounts(w, in); /* on top of what is mounted on /etc */
    json_end_array(w);
}

/* ---- linux ---- */

static void put_namespace(struct json_writer *w, const char *type, const char *path)
{
    json_begin_object(w);
    json_member_string(w, "type", type);
    if (path != NULL)
        json_member_string(w, "path", path);
    json_end_object(w);
}

static void put_namespaces(struct json_writer *w, const struct spec_input *in)
{
    const struct host_config *h = &in->container->host;
    json_key(w, "namespaces");
    json_begin_array(w);
    put_namespace(w, "mount", NULL);
    if (in->remap != NULL)
        put_namespace(w, "user", in->userns_path);
    if (!in->host_network)
        put_namespace(w, "network", in->netns_path); /* the built-in runtime gets its descriptor beside the spec */
    if (!equals(h->uts_mode, "host"))
        put_namespace(w, "uts", NULL);
    if (!equals(h->pid_mode, "host"))
        put_namespace(w, "pid", in->pid_path);
    if (!equals(h->ipc_mode, "host"))
        put_namespace(w, "ipc", in->ipc_path);
    if (!equals(h->cgroupns_mode, "host"))
        put_namespace(w, "cgroup", NULL);
    json_end_array(w);
}

static void put_mappings(struct json_writer *w, const char *key, const struct id_map *map)
{
    uint32_t inside = 0;
    json_key(w, key);
    json_begin_array(w);
    for (size_t i = 0; i < map->count; i++) {
        json_begin_object(w);
        json_member_int(w, "containerID", inside);
        json_member_int(w, "hostID", map->ranges[i].outside);
        json_member_int(w, "size", map->ranges[i].count);
        json_end_object(w);
        inside += map->ranges[i].count;
    }
    json_end_array(w);
}

static void put_devices(struct json_writer *w, const struct spec_input *in)
{
    if (in->devices->count == 0 || in->remap != NULL)
        return;
    json_key(w, "devices");
    json_begin_array(w);
    for (size_t i = 0; i < in->devices->count; i++) {
        const struct device_node *d = &in->devices->items[i];
        json_begin_object(w);
        json_member_string(w, "path", d->path);
        json_member_string(w, "type", d->type == 'b' ? "b" : "c");
        json_member_int(w, "major", d->major);
        json_member_int(w, "minor", d->minor);
        json_member_int(w, "fileMode", d->mode);
        json_member_int(w, "uid", d->uid);
        json_member_int(w, "gid", d->gid);
        json_end_object(w);
    }
    json_end_array(w);
}

/* What docker sets in every network namespace of its own (low ports, ping) is set there when it is made. */
static void put_sysctls(struct json_writer *w, const struct spec_input *in)
{
    const struct strmap *asked = &in->container->host.sysctls;
    if (asked->count == 0)
        return;
    json_key(w, "sysctl");
    json_begin_object(w);
    for (size_t i = 0; i < asked->count; i++)
        json_member_string(w, asked->items[i].key, asked->items[i].value);
    json_end_object(w);
}

static const char *root_propagation(const struct container *c)
{
    const char *result = NULL;
    for (size_t i = 0; i < c->mount_count; i++) {
        const char *p = c->mounts[i].propagation;
        if (equals(p, "shared") || equals(p, "rshared"))
            return "shared";
        if (equals(p, "slave") || equals(p, "rslave"))
            result = "rslave";
    }
    return result;
}

static void put_linux(struct json_writer *w, const struct spec_input *in, const struct security_options *security)
{
    const struct host_config *h = &in->container->host;
    json_key(w, "linux");
    json_begin_object(w);
    put_namespaces(w, in);
    if (in->remap != NULL) {
        put_mappings(w, "uidMappings", &in->remap->uids);
        put_mappings(w, "gidMappings", &in->remap->gids);
    }
    json_member_string(w, "cgroupsPath", in->cgroups_path);
    spec_resources_write(h, in->devices, w);
    put_devices(w, in);
    put_sysctls(w, in);
    if (in->seccomp != NULL) {
        json_key(w, "seccomp");
        json_table_encode(&oci_seccomp_table, in->seccomp, w);
    }
    if (!h->privileged && !security->systempaths_unconfined) {
        put_strings(w, "maskedPaths", &h->masked_paths.list);
        put_strings(w, "readonlyPaths", &h->readonly_paths.list);
    }
    if (root_propagation(in->container) != NULL)
        json_member_string(w, "rootfsPropagation", root_propagation(in->container));
    json_end_object(w);
}

/* The container's own process. */
static struct spec_process main_process(const struct spec_input *in)
{
    const struct container *c = in->container;
    return (struct spec_process){.init = in->init_path != NULL,
                                 .path = c->path,
                                 .args = &c->args,
                                 .cwd = c->config.working_dir,
                                 .tty = c->config.tty,
                                 .console_size = {c->host.console_size[0], c->host.console_size[1]}};
}

void spec_environment(const struct spec_input *in, struct strv *env)
{
    struct spec_process process = main_process(in);
    make_environment(in, &process, env);
}

void spec_generate_process(const struct spec_input *in, const struct spec_process *process, struct strbuf *out)
{
    struct security_options security = {0};
    security_options_parse(&in->container->host.security_opt, &security, NULL); /* was checked, too */
    struct json_writer w;
    json_writer_init(&w, out);
    put_process(&w, in, process, &security);
}

void spec_generate(const struct spec_input *in, struct strbuf *out)
{
    const struct container *c = in->container;
    struct security_options security = {0};
    security_options_parse(&c->host.security_opt, &security, NULL); /* was checked when the container was made */
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    /* The version that every runtime takes: crun before 1.9 refuses those that it does not know. */
    json_member_string(&w, "ociVersion", "1.0.2");
    struct spec_process process = main_process(in);
    json_key(&w, "process");
    put_process(&w, in, &process, &security);
    json_key(&w, "root");
    json_begin_object(&w);
    json_member_string(&w, "path", "rootfs");
    json_member_bool(&w, "readonly", c->host.readonly_rootfs);
    json_end_object(&w);
    if (!equals(c->host.uts_mode, "host")) {
        json_member_string(&w, "hostname", in->hostname);
        if (is_set(c->config.domainname))
            json_member_string(&w, "domainname", c->config.domainname);
    }
    put_mounts(&w, in, &security);
    if (c->host.annotations.count > 0) {
        json_key(&w, "annotations");
        json_begin_object(&w);
        for (size_t i = 0; i < c->host.annotations.count; i++)
            json_member_string(&w, c->host.annotations.items[i].key, c->host.annotations.items[i].value);
        json_end_object(&w);
    }
    put_linux(&w, in, &security);
    json_end_object(&w);
}
