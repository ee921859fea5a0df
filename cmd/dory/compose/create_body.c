/* Config and the rest of HostConfig. */
#include "cmd/dory/compose/create_body.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/parse.h"
#include "cmd/dory/body_members.h"
#include "cmd/dory/compose/files.h"
#include "cmd/dory/compose/model.h"

#define SECCOMP_PROFILE_MAX (1 << 20)

/* Copies text members under docker's names. */
struct text_member {
    const char *key, *name;
};

static void put_texts(struct json_writer *w, const struct json *service, const struct text_member *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *text = json_get_string(service, rows[i].key);
        put_text(w, rows[i].name, text && *text ? text : NULL);
    }
}

/* Lists, and objects as "key=value" entries. */
static void put_lists(struct json_writer *w, const struct json *service, const struct text_member *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        CLEANUP_STRV struct strv entries = STRV_INIT;
        model_entries(json_get(service, rows[i].key), &entries);
        put_strings(w, rows[i].name, &entries);
    }
}

/* Objects of texts. */
static void put_objects(struct json_writer *w, const struct json *service, const struct text_member *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        CLEANUP_STRV struct strv entries = STRV_INIT;
        model_entries(json_get(service, rows[i].key), &entries);
        put_entries(w, rows[i].name, &entries, NULL, NULL);
    }
}

/* ---- Config ---- */

/* An array also when it is empty: that is another thing than none. */
static void put_command(struct json_writer *w, const char *name, const struct json *words)
{
    if (!words || words->kind != JSON_ARRAY)
        return;
    json_key(w, name);
    json_begin_array(w);
    for (size_t i = 0; i < json_count(words); i++)
        json_put_string(w, json_string(json_at(words, i)));
    json_end_array(w);
}

static void put_exposed(struct json_writer *w, const struct json *service)
{
    const struct json *expose = json_get(service, "expose"), *ports = json_get(service, "ports");
    CLEANUP_STRV struct strv all = STRV_INIT;
    for (size_t i = 0; i < json_count(expose); i++) {
        const char *port = json_string(json_at(expose, i));
        if (port && !strv_contains(&all, port))
            strv_addf(&all, "%s%s", port, strchr(port, '/') ? "" : "/tcp");
    }
    for (size_t i = 0; i < json_count(ports); i++) {
        const struct json *port = json_at(ports, i);
        const char *protocol = json_get_string(port, "protocol");
        CLEANUP_FREE char *text =
            xasprintf("%ld/%s", (long)model_int(port, "target", 0), protocol && *protocol ? protocol : "tcp");
        if (!strv_contains(&all, text))
            strv_add(&all, text);
    }
    put_set(w, "ExposedPorts", &all);
}

static void put_duration(struct json_writer *w, const char *name, const struct json *object, const char *key)
{
    int64_t ns = model_duration(object, key);
    if (ns >= 0)
        json_member_int(w, name, ns);
}

static void put_healthcheck(struct json_writer *w, const struct json *check)
{
    if (!check || check->kind != JSON_OBJECT)
        return;
    json_key(w, "Healthcheck");
    json_begin_object(w);
    if (model_bool(check, "disable", false)) {
        json_key(w, "Test");
        json_begin_array(w);
        json_put_string(w, "NONE");
        json_end_array(w);
    } else {
        put_command(w, "Test", json_get(check, "test"));
    }
    put_duration(w, "Interval", check, "interval");
    put_duration(w, "Timeout", check, "timeout");
    put_duration(w, "StartPeriod", check, "start_period");
    put_duration(w, "StartInterval", check, "start_interval");
    put_number(w, "Retries", model_int(check, "retries", 0));
    json_end_object(w);
}

static void put_config(const struct create_input *input, struct json_writer *w)
{
    static const struct text_member texts[] = {{"hostname", "Hostname"},
                                               {"domainname", "Domainname"},
                                               {"user", "User"},
                                               {"working_dir", "WorkingDir"},
                                               {"stop_signal", "StopSignal"}};
    static const struct text_member lists[] = {{"environment", "Env"}};
    const struct json *service = input->config;
    bool interactive = model_bool(service, "stdin_open", false);
    CLEANUP_FREE char *image = model_image(input->project, input->service);
    const char *named = json_get_string(service, "image");
    put_texts(w, service, texts, ARRAY_SIZE(texts));
    put_lists(w, service, lists, ARRAY_SIZE(lists));
    put_exposed(w, service);
    put_flag(w, "Tty", model_bool(service, "tty", false));
    put_flag(w, "OpenStdin", interactive);
    put_flag(w, "StdinOnce", input->attach_stdin && interactive);
    put_flag(w, "AttachStdin", input->attach_stdin);
    json_member_bool(w, "AttachStdout", true);
    json_member_bool(w, "AttachStderr", true);
    put_command(w, "Cmd", json_get(service, "command"));
    put_command(w, "Entrypoint", json_get(service, "entrypoint"));
    json_member_string(w, "Image", named && *named ? named : image);
    put_map(w, "Labels", input->labels);
    put_healthcheck(w, json_get(service, "healthcheck"));
    int64_t grace = model_duration(service, "stop_grace_period");
    if (grace >= 0)
        json_member_int(w, "StopTimeout", grace / 1000000000);
}

/* ---- HostConfig ---- */

static void put_port_bindings(struct json_writer *w, const struct json *ports)
{
    CLEANUP_STRV struct strv keys = STRV_INIT;
    for (size_t i = 0; i < json_count(ports); i++) {
        const char *protocol = json_get_string(json_at(ports, i), "protocol");
        strv_addf(&keys, "%ld/%s", (long)model_int(json_at(ports, i), "target", 0),
                  protocol && *protocol ? protocol : "tcp");
    }
    if (keys.count == 0)
        return;
    json_key(w, "PortBindings");
    json_begin_object(w);
    for (size_t i = 0; i < keys.count; i++) {
        bool first = true;
        for (size_t j = 0; j < i; j++)
            first = first && strcmp(keys.items[i], keys.items[j]) != 0;
        if (!first)
            continue;
        json_key(w, keys.items[i]);
        json_begin_array(w);
        for (size_t j = i; j < keys.count; j++) {
            if (strcmp(keys.items[i], keys.items[j]) != 0)
                continue;
            const char *ip = json_get_string(json_at(ports, j), "host_ip"),
                       *published = json_get_string(json_at(ports, j), "published");
            CLEANUP_FREE char *number = NULL;
            if (!published && model_int(json_at(ports, j), "published", 0))
                published = number = xasprintf("%ld", (long)model_int(json_at(ports, j), "published", 0));
            json_begin_object(w);
            json_member_string(w, "HostIp", ip);
            json_member_string(w, "HostPort", published);
            json_end_object(w);
        }
        json_end_array(w);
    }
    json_end_object(w);
}

/* deploy.restart_policy's conditions are named otherwise. */
static const char *restart_name(const char *condition)
{
    if (!condition || !*condition)
        return "";
    if (strcmp(condition, "none") == 0)
        return "no";
    return strcmp(condition, "any") == 0 ? "always" : condition;
}

static void put_restart(struct json_writer *w, const struct json *service)
{
    const char *restart = json_get_string(service, "restart");
    const struct json *policy = json_get(json_get(service, "deploy"), "restart_policy");
    CLEANUP_FREE char *name = NULL;
    int64_t attempts = 0;
    if (policy && policy->kind == JSON_OBJECT) {
        name = xstrdup(restart_name(json_get_string(policy, "condition")));
        attempts = model_int(policy, "max_attempts", 0);
    } else if (restart && *restart) {
        CLEANUP_FREE char *head = xstrndup(restart, strcspn(restart, ":"));
        name = xstrdup(restart_name(head));
        if (strchr(restart, ':'))
            parse_int64(strchr(restart, ':') + 1, 0, INT32_MAX, &attempts);
    }
    if (!name)
        return;
    json_key(w, "RestartPolicy");
    json_begin_object(w);
    json_member_string(w, "Name", name);
    put_number(w, "MaximumRetryCount", attempts);
    json_end_object(w);
}

static void put_logging(struct json_writer *w, const struct json *logging)
{
    static const struct text_member options[] = {{"options", "Config"}};
    if (!logging || logging->kind != JSON_OBJECT)
        return;
    json_key(w, "LogConfig");
    json_begin_object(w);
    put_text(w, "Type", json_get_string(logging, "driver"));
    put_objects(w, logging, options, ARRAY_SIZE(options));
    json_end_object(w);
}

static int read_seccomp(const struct create_input *input, const char *path, struct strv *out, struct error *err)
{
    CLEANUP_FREE char *full = compose_path_join(input->project->directory, path), *text = NULL;
    CLEANUP_JSON struct json *profile = NULL;
    CLEANUP_STRBUF struct strbuf compact = STRBUF_INIT;
    struct json_writer w;
    size_t size;
    int r = file_read(AT_FDCWD, full, SECCOMP_PROFILE_MAX, &text, &size, err);
    if (r < 0)
        return error_context(err, "opening seccomp profile (%s) failed", path);
    r = json_parse(text, size, &profile, err);
    if (r < 0)
        return error_context(err, "compacting json for seccomp profile (%s) failed", path);
    strbuf_adds(&compact, "seccomp=");
    json_writer_init(&w, &compact);
    json_put_value(&w, profile);
    strv_add(out, strbuf_str(&compact));
    return 0;
}

static int put_security(const struct create_input *input, struct json_writer *w, struct error *err)
{
    const struct json *options = json_get(input->config, "security_opt");
    CLEANUP_STRV struct strv out = STRV_INIT;
    bool unconfined = false;
    for (size_t i = 0; i < json_count(options); i++) {
        const char *option = json_string(json_at(options, i));
        size_t key = option ? strcspn(option, "=:") : 0;
        const char *value = option && option[key] ? option + key + 1 : NULL;
        if (!option)
            continue;
        if (strcmp(option, "systempaths=unconfined") == 0) {
            unconfined = true;
        } else if (!value && strcmp(option, "no-new-privileges") != 0) {
            return error_set(err, ERROR_INVALID, 0, "invalid security-opt: \"%s\"", option);
        } else if (value && key == 7 && strncmp(option, "seccomp", 7) == 0 && strcmp(value, "unconfined") != 0 &&
                   strcmp(value, "builtin") != 0) {
            int r = read_seccomp(input, value, &out, err);
            if (r < 0)
                return r;
        } else {
            strv_add(&out, option);
        }
    }
    put_strings(w, "SecurityOpt", &out);
    for (size_t i = 0; unconfined && i < 2; i++) {
        json_key(w, i == 0 ? "MaskedPaths" : "ReadonlyPaths");
        json_begin_array(w);
        json_end_array(w);
    }
    return 0;
}

static void put_tmpfs(struct json_writer *w, const struct json *tmpfs)
{
    CLEANUP_STRMAP struct strmap map = STRMAP_INIT;
    const char *single = json_string(tmpfs);
    for (size_t i = 0; i < (single ? 1 : json_count(tmpfs)); i++) {
        const char *text = single ? single : json_string(json_at(tmpfs, i));
        CLEANUP_FREE char *path = text ? xstrndup(text, strcspn(text, ":")) : NULL;
        if (path)
            strmap_set(&map, path, strchr(text, ':') ? strchr(text, ':') + 1 : "");
    }
    put_map(w, "Tmpfs", &map);
}

/* "name=address" of the model's lists as "name:address". */
static void put_extra_hosts(struct json_writer *w, const struct json *hosts)
{
    CLEANUP_STRV struct strv entries = STRV_INIT, out = STRV_INIT;
    for (size_t i = 0; i < model_members(hosts); i++) {
        const struct json *addresses = &hosts->object.values[i];
        if (json_string(addresses))
            strv_addf(&entries, "%s=%s", hosts->object.keys[i], json_string(addresses));
        for (size_t j = 0; j < json_count(addresses); j++)
            strv_addf(&entries, "%s=%s", hosts->object.keys[i], json_string(json_at(addresses, j)));
    }
    if (model_members(hosts) == 0)
        model_entries(hosts, &entries);
    for (size_t i = 0; i < entries.count; i++) {
        char *text = entries.items[i];
        size_t end = strcspn(text, "=:");
        if (text[end])
            text[end] = ':';
        strv_add(&out, text);
    }
    put_strings(w, "ExtraHosts", &out);
}

/* A list in docker's one spelling ("net_admin" is CAP_NET_ADMIN), in order, each once; ALL is more than all others. */
static void read_capabilities(const struct json *list, struct strv *out)
{
    CLEANUP_STRV struct strv words = STRV_INIT;
    model_entries(list, &words);
    for (size_t i = 0; i < words.count; i++) {
        CLEANUP_FREE char *name = xstrdup(words.items[i] + strspn(words.items[i], " \t"));
        name[strcspn(name, " \t")] = '\0';
        for (char *c = name; *c; c++)
            *c = (char)toupper((unsigned char)*c);
        bool whole = strcmp(name, "ALL") == 0 || strncmp(name, "CAP_", 4) == 0;
        CLEANUP_FREE char *full = xasprintf("%s%s", whole ? "" : "CAP_", name);
        if (!strv_contains(out, full))
            strv_add(out, full);
    }
    if (strv_contains(out, "ALL")) {
        strv_clear(out);
        strv_add(out, "ALL");
    }
    strv_sort(out);
}

/* What is added is not dropped, although the engine drops last. */
static void put_capabilities(struct json_writer *w, const struct json *service)
{
    CLEANUP_STRV struct strv add = STRV_INIT, drop = STRV_INIT;
    read_capabilities(json_get(service, "cap_add"), &add);
    read_capabilities(json_get(service, "cap_drop"), &drop);
    for (size_t i = drop.count; i-- > 0;) {
        if (strv_contains(&add, drop.items[i]))
            strv_remove(&drop, i);
    }
    put_strings(w, "CapAdd", &add);
    put_strings(w, "CapDrop", &drop);
}

static void put_namespaces(const struct create_input *input, struct json_writer *w)
{
    static const struct text_member texts[] = {{"cgroup", "CgroupnsMode"}, {"userns_mode", "UsernsMode"},
                                               {"uts", "UTSMode"},         {"isolation", "Isolation"},
                                               {"runtime", "Runtime"},     {"volume_driver", "VolumeDriver"}};
    CLEANUP_FREE char *network = create_body_network_mode(input);
    json_member_string(w, "NetworkMode", network);
    put_text(w, "IpcMode", input->ipc ? input->ipc : json_get_string(input->config, "ipc"));
    put_text(w, "PidMode", input->pid ? input->pid : json_get_string(input->config, "pid"));
    put_texts(w, input->config, texts, ARRAY_SIZE(texts));
}

static int put_host_config(const struct create_input *input, struct json_writer *w, struct strv *warnings,
                           struct error *err)
{
    static const struct text_member lists[] = {
        {"dns", "Dns"}, {"dns_search", "DnsSearch"}, {"dns_opt", "DnsOptions"}, {"group_add", "GroupAdd"}};
    static const struct text_member objects[] = {
        {"annotations", "Annotations"}, {"sysctls", "Sysctls"}, {"storage_opt", "StorageOpt"}};
    const struct json *service = input->config;
    put_flag(w, "AutoRemove", input->auto_remove);
    int r = create_body_mounts(input, w, warnings, err);
    if (r == 0)
        r = put_security(input, w, err);
    if (r < 0)
        return r;
    put_namespaces(input, w);
    put_capabilities(w, service);
    put_lists(w, service, lists, ARRAY_SIZE(lists));
    put_objects(w, service, objects, ARRAY_SIZE(objects));
    if (json_get(service, "init") && json_get(service, "init")->kind == JSON_BOOL)
        json_member_bool(w, "Init", json_get_bool(service, "init", false));
    put_flag(w, "ReadonlyRootfs", model_bool(service, "read_only", false));
    put_flag(w, "Privileged", model_bool(service, "privileged", false));
    put_restart(w, service);
    put_number(w, "ShmSize", model_int(service, "shm_size", 0));
    put_number(w, "OomScoreAdj", model_int(service, "oom_score_adj", 0));
    put_port_bindings(w, json_get(service, "ports"));
    put_strings(w, "VolumesFrom", &input->volumes_from);
    put_strings(w, "Links", &input->links);
    put_extra_hosts(w, json_get(service, "extra_hosts"));
    put_tmpfs(w, json_get(service, "tmpfs"));
    put_logging(w, json_get(service, "logging"));
    create_body_resources(service, w);
    return 0;
}

int create_body_write(const struct create_input *input, struct strbuf *body, struct strv *warnings, struct error *err)
{
    struct json_writer w;
    json_writer_init(&w, body);
    json_begin_object(&w);
    put_config(input, &w);
    json_key(&w, "HostConfig");
    json_begin_object(&w);
    int r = put_host_config(input, &w, warnings, err);
    if (r < 0)
        return r;
    json_end_object(&w);
    create_body_endpoints(input, &w);
    json_end_object(&w);
    return 0;
}
