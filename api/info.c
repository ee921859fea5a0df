/* GET /info. */
#include <fcntl.h>
#include <sys/utsname.h>

#include "api/host_facts.h"
#include "api/system.h"
#include "base/file.h"
#include "base/parse.h"
#include "base/timestamp.h"
#include "daemon/engine.h"
#include "daemon/events.h"
#include "daemon/log_options.h"
#include "daemon/runtimes.h"
#include "runtime/features.h"

static void write_strv(struct json_writer *w, const char *key, const struct strv *list)
{
    json_key(w, key);
    json_begin_array(w);
    for (size_t i = 0; i < list->count; i++)
        json_put_string(w, list->items[i]);
    json_end_array(w);
}

static void write_literals(struct json_writer *w, const char *key, const char *const *list)
{
    json_key(w, key);
    json_begin_array(w);
    for (; *list; list++)
        json_put_string(w, *list);
    json_end_array(w);
}

static int write_counts(struct json_writer *w, struct engine *engine, struct error *err)
{
    struct engine_counts counts = {0};
    struct image **images = NULL;
    size_t image_count = 0;
    int r = image_list(engine_images(engine), &images, &image_count, err);

    if (r < 0)
        return r;
    for (size_t i = 0; i < image_count; i++)
        image_unref(images[i]);
    free(images);
    engine_counts(engine, &counts);
    json_member_string(w, "ID", engine_id(engine));
    json_member_int(w, "Containers", counts.containers);
    json_member_int(w, "ContainersRunning", counts.running);
    json_member_int(w, "ContainersPaused", counts.paused);
    json_member_int(w, "ContainersStopped", counts.stopped);
    json_member_int(w, "Images", (int64_t)image_count);
    return 0;
}

static void write_driver(struct json_writer *w, const struct daemon_options *options)
{
    const char *const status[][2] = {{"Backing Filesystem", host_file_system(options->data_root)},
                                     {"Supports d_type", "true"},
                                     {"Using metacopy", "false"},
                                     {"Native Overlay Diff", "true"},
                                     {"userxattr", "false"}};

    json_member_string(w, "Driver", "overlay2");
    json_key(w, "DriverStatus");
    json_begin_array(w);
    for (size_t i = 0; i < ARRAY_SIZE(status); i++) {
        json_begin_array(w);
        json_put_string(w, status[i][0]);
        json_put_string(w, status[i][1]);
        json_end_array(w);
    }
    json_end_array(w);
    json_key(w, "Plugins");
    json_begin_object(w);
    write_literals(w, "Volume", (const char *const[]){"local", NULL});
    write_literals(w, "Network", (const char *const[]){"bridge", "host", "ipvlan", "macvlan", "null", NULL});
    json_member_null(w, "Authorization");
    write_literals(w, "Log", log_driver_names);
    json_end_object(w);
}

static void write_limits(struct json_writer *w, const struct cgroup_facts *facts)
{
    json_member_bool(w, "MemoryLimit", facts->memory);
    json_member_bool(w, "SwapLimit", facts->swap);
    json_member_bool(w, "CpuCfsPeriod", facts->cpu_quota);
    json_member_bool(w, "CpuCfsQuota", facts->cpu_quota);
    json_member_bool(w, "CPUShares", facts->cpu_shares);
    json_member_bool(w, "CPUSet", facts->cpuset);
    json_member_bool(w, "PidsLimit", facts->pids);
    json_member_bool(w, "IPv4Forwarding", host_ip_forwarding());
    json_member_bool(w, "OomKillDisable", facts->oom_disable);
    json_member_string(w, "CgroupDriver", "cgroupfs");
    json_member_string(w, "CgroupVersion", facts->version == 2 ? "2" : "1");
}

static void write_host(struct json_writer *w)
{
    CLEANUP_FREE char *os = NULL, *version = NULL;
    char now[TIMESTAMP_MAX];
    struct utsname name;

    uname(&name);
    host_os_release(&os, &version);
    timestamp_format(now, timestamp_now());
    json_member_string(w, "SystemTime", now);
    json_member_string(w, "KernelVersion", name.release);
    json_member_string(w, "OperatingSystem", os);
    json_member_string(w, "OSVersion", version);
    json_member_string(w, "OSType", "linux");
    json_member_string(w, "Architecture", name.machine);
    json_member_int(w, "NCPU", host_cpus());
    json_member_int(w, "MemTotal", host_memory());
    json_member_string(w, "Name", name.nodename);
}

/* URLs of mirrors end in a slash here, as docker's do. */
static void write_mirrors(struct json_writer *w, const struct strv *mirrors)
{
    CLEANUP_STRV struct strv urls = STRV_INIT;
    for (size_t i = 0; i < mirrors->count; i++) {
        const char *url = mirrors->items[i];
        strv_add_take(&urls, xasprintf("%s%s", url, url[0] != '\0' && url[strlen(url) - 1] == '/' ? "" : "/"));
    }
    write_strv(w, "Mirrors", &urls);
}

static void write_registry_entry(struct json_writer *w, const char *name, const struct strv *mirrors, bool secure)
{
    json_key(w, name);
    json_begin_object(w);
    json_member_string(w, "Name", name);
    write_mirrors(w, mirrors);
    json_member_bool(w, "Secure", secure);
    json_member_bool(w, "Official", secure);
    json_end_object(w);
}

/* Called with the reload lock held. */
static void write_registries(struct json_writer *w, const struct daemon_options *options, int version)
{
    const struct strv none = STRV_INIT;
    const struct strv *insecure = &options->insecure_registries;

    json_key(w, "RegistryConfig");
    json_begin_object(w);
    if (version < 49) {
        json_member_null(w, "AllowNondistributableArtifactsCIDRs");
        json_member_null(w, "AllowNondistributableArtifactsHostnames");
    }
    json_key(w, "InsecureRegistryCIDRs");
    json_begin_array(w);
    for (size_t i = 0; i < insecure->count; i++) {
        if (strchr(insecure->items[i], '/'))
            json_put_string(w, insecure->items[i]);
    }
    json_put_string(w, "::1/128");
    json_put_string(w, "127.0.0.0/8");
    json_end_array(w);
    json_key(w, "IndexConfigs");
    json_begin_object(w);
    write_registry_entry(w, "docker.io", &options->registry_mirrors, true);
    for (size_t i = 0; i < insecure->count; i++) {
        if (!strchr(insecure->items[i], '/'))
            write_registry_entry(w, insecure->items[i], &none, false);
    }
    json_end_object(w);
    write_mirrors(w, &options->registry_mirrors);
    json_end_object(w);
    write_strv(w, "Labels", &options->labels);
}

static void write_runtime(struct json_writer *w, const struct strmap_entry *entry)
{
    CLEANUP_STRV struct strv command = STRV_INIT;

    if (runtimes_decode(entry->value, &command) < 0)
        return; /* such a setting was not taken */
    json_key(w, entry->key);
    json_begin_object(w);
    json_member_string(w, "path", command.items[0]);
    if (command.count > 1) {
        json_key(w, "runtimeArgs");
        json_begin_array(w);
        for (size_t i = 1; i < command.count; i++)
            json_put_string(w, command.items[i]);
        json_end_array(w);
    }
    json_end_object(w);
}

/* Since 1.44 with what it can do. */
static void write_built_in(const char *name, const struct strbuf *features, int version, struct json_writer *w)
{
    json_key(w, name);
    json_begin_object(w);
    json_member_string(w, "path", "dory-shim");
    if (version >= 44) {
        json_key(w, "status");
        json_begin_object(w);
        json_member_string(w, "org.opencontainers.runtime-spec.features", features->data);
        json_end_object(w);
    }
    json_end_object(w);
}

static void write_runtimes(const struct daemon_options *options, int version, struct json_writer *w)
{
    CLEANUP_STRBUF struct strbuf features = STRBUF_INIT;
    struct json_writer own;

    json_writer_init(&own, &features);
    runtime_features_write(&own);
    json_key(w, "Runtimes");
    json_begin_object(w);
    write_built_in(RUNTIME_BUILT_IN, &features, version, w);
    for (size_t i = 0; runtimes_aliases[i] != NULL; i++)
        if (strmap_get(&options->runtimes, runtimes_aliases[i]) == NULL)
            write_built_in(runtimes_aliases[i], &features, version, w);
    for (size_t i = 0; i < options->runtimes.count; i++)
        write_runtime(w, &options->runtimes.items[i]);
    json_end_object(w);
    json_member_string(w, "DefaultRuntime", options->default_runtime);
}

static void write_swarm(struct json_writer *w, int version)
{
    json_key(w, "Swarm");
    json_begin_object(w);
    json_member_string(w, "NodeID", "");
    json_member_string(w, "NodeAddr", "");
    json_member_string(w, "LocalNodeState", "inactive");
    json_member_bool(w, "ControlAvailable", false);
    json_member_string(w, "Error", "");
    json_member_null(w, "RemoteManagers");
    json_end_object(w);
    for (const char *const *name = (const char *const[]){"ContainerdCommit", "RuncCommit", "InitCommit", NULL}; *name;
         name++) {
        json_key(w, *name);
        json_begin_object(w);
        json_member_string(w, "ID", "");
        if (version < 49)
            json_member_string(w, "Expected", "");
        json_end_object(w);
    }
}

static void write_warnings(struct json_writer *w, const struct cgroup_facts *facts,
                           const struct daemon_options *options)
{
    const struct {
        bool fine;
        const char *text;
    } checks[] = {
        {facts->memory, "WARNING: No memory limit support"},
        {facts->swap, "WARNING: No swap limit support"},
        {facts->cpu_quota, "WARNING: No cpu cfs quota support"},
        {facts->cpu_shares, "WARNING: No cpu shares support"},
        {facts->cpuset, "WARNING: No cpuset support"},
        {facts->pids, "WARNING: No pids limit support"},
        {host_ip_forwarding(), "WARNING: IPv4 forwarding is disabled"},
    };

    json_key(w, "Warnings");
    json_begin_array(w);
    for (size_t i = 0; i < options->hosts.count; i++) {
        if (strncmp(options->hosts.items[i], "tcp://", strlen("tcp://")) == 0 && !options->tls_verify) {
            CLEANUP_FREE char *text =
                options->tls
                    ? xasprintf("[DEPRECATION NOTICE]: API is accessible on https://%s without "
                                "TLS client verification.",
                                options->hosts.items[i] + strlen("tcp://"))
                    : xasprintf(
                          "WARNING: API is accessible on http://%s without encryption.\n         Access to the remote "
                          "API is equivalent to root access on the host.",
                          options->hosts.items[i] + strlen("tcp://"));

            json_put_string(w, text);
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
        if (!checks[i].fine)
            json_put_string(w, checks[i].text);
    }
    json_end_array(w);
}

/* Without the password that may stand in it. */
static void write_proxy(struct json_writer *w, const char *key, const char *variable)
{
    const char *value = getenv(variable);
    const char *at = value ? strrchr(value, '@') : NULL, *scheme = value ? strstr(value, "://") : NULL;
    CLEANUP_FREE char *masked = NULL;

    if (at && scheme && scheme < at)
        masked = xasprintf("%.*s://xxxxx:xxxxx%s", (int)(scheme - value), value, at);
    json_member_string(w, key, masked ? masked : value);
}

/* "base=10.10.0.0/16,size=24" as {"Base", "Size"}. */
static void write_address_pools(struct json_writer *w, const struct strv *pools)
{
    json_key(w, "DefaultAddressPools");
    if (pools->count == 0) {
        json_put_null(w);
        return;
    }
    json_begin_array(w);
    for (size_t i = 0; i < pools->count; i++) {
        const char *base = strstr(pools->items[i], "base="), *size = strstr(pools->items[i], "size=");
        CLEANUP_FREE char *text = base ? xstrndup(base + 5, strcspn(base + 5, ",")) : NULL;
        int64_t bits = 0;

        if (size)
            parse_int64(size + 5, 0, 128, &bits); /* a pool that cannot be read did not let the daemon start */
        json_begin_object(w);
        json_member_string(w, "Base", text);
        json_member_int(w, "Size", bits);
        json_end_object(w);
    }
    json_end_array(w);
}

static void write_security(struct json_writer *w, const struct daemon_options *options)
{
    const char *profile = options->seccomp_profile && *options->seccomp_profile ? options->seccomp_profile : "builtin";
    CLEANUP_FREE char *seccomp = xasprintf("name=seccomp,profile=%s", profile);

    json_key(w, "SecurityOptions");
    json_begin_array(w);
    json_put_string(w, seccomp);
    json_put_string(w, "name=cgroupns");
    if (options->remap)
        json_put_string(w, "name=userns");
    if (options->no_new_privileges)
        json_put_string(w, "name=no-new-privileges");
    json_end_array(w);
}

/* Whether packets on bridges pass the packet filter, as the module br_netfilter has it. */
static bool bridge_filtering(const char *name)
{
    CLEANUP_FREE char *path = xasprintf("/proc/sys/net/bridge/%s", name), *text = NULL;

    return file_read(AT_FDCWD, path, 16, &text, NULL, NULL) == 0 && *text == '1';
}

static void write_firewall(struct json_writer *w)
{
    json_key(w, "FirewallBackend");
    json_begin_object(w);
    json_member_string(w, "Driver", "nftables");
    json_end_object(w);
}

static void write_daemon(struct json_writer *w, const struct daemon_options *options, struct events *events,
                         int version)
{
    json_member_bool(w, "Debug", options->debug || strcmp(options->log_level, "debug") == 0);
    json_member_int(w, "NFd", host_count_entries("/proc/self/fd"));
    json_member_int(w, "NGoroutines", host_count_entries("/proc/self/task")); /* threads */
    json_member_int(w, "NEventsListener", (int64_t)events_subscribers(events));
    if (version < 50) {
        json_member_bool(w, "BridgeNfIptables", bridge_filtering("bridge-nf-call-iptables"));
        json_member_bool(w, "BridgeNfIp6tables", bridge_filtering("bridge-nf-call-ip6tables"));
    }
    json_member_string(w, "LoggingDriver", options->log_driver);
    json_member_string(w, "IndexServerAddress", "https://index.docker.io/v1/");
    json_member_null(w, "GenericResources");
    json_member_string(w, "DockerRootDir", options->data_root);
    write_proxy(w, "HttpProxy", "HTTP_PROXY");
    write_proxy(w, "HttpsProxy", "HTTPS_PROXY");
    write_proxy(w, "NoProxy", "NO_PROXY");
    json_member_bool(w, "ExperimentalBuild", false);
    json_member_string(w, "ServerVersion", DORY_VERSION);
    json_member_bool(w, "LiveRestoreEnabled", options->live_restore);
    json_member_string(w, "Isolation", "");
    json_member_string(w, "InitBinary", options->init_path ? options->init_path : "dory-shim");
    json_member_string(w, "ProductLicense", "Apache-2.0");
    write_address_pools(w, &options->address_pools);
    write_security(w, options);
    json_member_null(w, "CDISpecDirs");
}

int system_info(struct api_request *request, struct engine *engine, struct error *err)
{
    const struct daemon_options *options = engine_options(engine);
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct cgroup_facts facts = {0};
    struct json_writer w;
    int r, version = api_version(request);

    host_cgroup_facts(&facts);
    json_writer_init(&w, &out);
    json_begin_object(&w);
    r = write_counts(&w, engine, err);
    if (r < 0)
        return r;
    write_driver(&w, options);
    write_limits(&w, &facts);
    write_host(&w);
    pthread_rwlock_rdlock((pthread_rwlock_t *)&options->reload);
    write_daemon(&w, options, engine_events(engine), version);
    write_registries(&w, options, version);
    write_runtimes(options, version, &w);
    pthread_rwlock_unlock((pthread_rwlock_t *)&options->reload);
    if (version >= 49)
        write_firewall(&w);
    write_swarm(&w, version);
    write_warnings(&w, &facts, options);
    json_end_object(&w);
    return api_reply_json(request, 200, &out);
}
