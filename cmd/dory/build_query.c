/* The parameters of a build as POST /build takes them. */
#include <stdio.h>
#include <string.h>

#include "api/client.h"
#include "base/base64.h"
#include "base/json.h"
#include "base/strmap.h"
#include "cmd/dory/build.h"
#include "cmd/dory/build_source.h"
#include "cmd/dory/config_file.h"
#include "cmd/dory/container_flags.h"
#include "cmd/dory/credentials.h"

static void query_number(struct strbuf *path, const char *name, int64_t value)
{
    if (value != 0)
        client_query_add_int(path, name, value);
}

/* A parameter whose value is JSON. */
static void query_json(struct strbuf *path, const char *name, const struct strbuf *json)
{
    client_query_add(path, name, strbuf_str(json));
}

static void query_list(struct strbuf *path, const char *name, const struct strv *list)
{
    for (size_t i = 0; i < list->count; i++)
        client_query_add(path, name, list->items[i]);
}

static void query_strings(struct strbuf *path, const char *name, const struct strv *list)
{
    CLEANUP_STRBUF struct strbuf json = STRBUF_INIT;
    struct json_writer w;
    if (list->count == 0)
        return;
    json_writer_init(&w, &json);
    json_begin_array(&w);
    for (size_t i = 0; i < list->count; i++)
        json_put_string(&w, list->items[i]);
    json_end_array(&w);
    query_json(path, name, &json);
}

/* NAME=VALUE; a NAME alone takes the caller's variable, or is null where there
 * is none. */
static void write_build_args(struct json_writer *w, const struct strv *args)
{
    CLEANUP_STRMAP struct strmap values = STRMAP_INIT;
    CLEANUP_STRV struct strv unset = STRV_INIT;
    for (size_t i = 0; i < args->count; i++) {
        const char *arg = args->items[i], *equals = strchr(arg, '=');
        CLEANUP_FREE char *name = equals ? xstrndup(arg, (size_t)(equals - arg)) : xstrdup(arg);
        const char *value = equals ? equals + 1 : getenv(arg);
        if (value)
            strmap_set(&values, name, value);
        else if (!strv_contains(&unset, name))
            strv_add(&unset, name);
    }
    json_begin_object(w);
    for (size_t i = 0; i < values.count; i++)
        json_member_string(w, values.items[i].key, values.items[i].value);
    for (size_t i = 0; i < unset.count; i++) {
        if (!strmap_get(&values, unset.items[i]))
            json_member_null(w, unset.items[i]);
    }
    json_end_object(w);
}

static void write_labels(struct json_writer *w, const struct strv *labels)
{
    CLEANUP_STRMAP struct strmap map = STRMAP_INIT;
    for (size_t i = 0; i < labels->count; i++) {
        const char *equals = strchr(labels->items[i], '=');
        CLEANUP_FREE char *name =
            equals ? xstrndup(labels->items[i], (size_t)(equals - labels->items[i])) : xstrdup(labels->items[i]);
        strmap_set(&map, name, equals ? equals + 1 : "");
    }
    json_begin_object(w);
    for (size_t i = 0; i < map.count; i++)
        json_member_string(w, map.items[i].key, map.items[i].value);
    json_end_object(w);
}

/* "host:ip" of "host=ip", which the daemons do not know. */
static void query_hosts(struct strbuf *path, const struct strv *hosts)
{
    for (size_t i = 0; i < hosts->count; i++) {
        CLEANUP_FREE char *host = xstrdup(hosts->items[i]);
        char *equals = strchr(host, '='), *colon = strchr(host, ':');
        if (equals && (!colon || equals < colon))
            *equals = ':';
        client_query_add(path, "extrahosts", host);
    }
}

static void query_maps(struct strbuf *path, const struct build_flags *flags)
{
    CLEANUP_STRBUF struct strbuf args = STRBUF_INIT, labels = STRBUF_INIT, ulimits = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &args);
    write_build_args(&w, &flags->build_args);
    if (flags->build_args.count > 0)
        query_json(path, "buildargs", &args);
    json_writer_init(&w, &labels);
    write_labels(&w, &flags->labels);
    if (flags->labels.count > 0)
        query_json(path, "labels", &labels);
    json_writer_init(&w, &ulimits);
    ulimits_write(&w, &flags->ulimits);
    if (flags->ulimits.count > 0)
        query_json(path, "ulimits", &ulimits);
}

void build_query(const struct build_flags *flags, const struct build_source *source, const char *dockerfile,
                 struct strbuf *path)
{
    strbuf_adds(path, "/build");
    query_list(path, "t", &flags->tags);
    client_query_add(path, "dockerfile", dockerfile);
    client_query_add(path, "remote", source->remote);
    client_query_add_bool(path, "q", flags->quiet);
    client_query_add_bool(path, "nocache", flags->no_cache);
    query_strings(path, "cachefrom", &flags->cache_from);
    client_query_add_bool(path, "pull", flags->pull);
    client_query_add(path, "rm", flags->remove ? "1" : "0");
    client_query_add_bool(path, "forcerm", flags->force_remove);
    query_number(path, "memory", flags->memory);
    query_number(path, "memswap", flags->memory_swap);
    query_number(path, "cpushares", flags->cpu_shares);
    query_number(path, "cpuperiod", flags->cpu_period);
    query_number(path, "cpuquota", flags->cpu_quota);
    client_query_add(path, "cpusetcpus", flags->cpuset_cpus);
    client_query_add(path, "cpusetmems", flags->cpuset_mems);
    client_query_add(path, "cgroupparent", flags->cgroup_parent);
    query_number(path, "shmsize", flags->shm_size);
    client_query_add_bool(path, "squash", flags->squash);
    client_query_add(path, "networkmode", flags->network);
    client_query_add(path, "platform", build_is_of_several(flags) ? NULL : flags->platform);
    client_query_add(path, "target", flags->target);
    client_query_add(path, "isolation", flags->isolation);
    query_list(path, "securityopt", &flags->security_options);
    query_hosts(path, &flags->add_hosts);
    query_maps(path, flags);
}

/* ---- credentials ---- */

static void write_registry(struct json_writer *w, const struct cli *cli, const char *server)
{
    CLEANUP_CREDENTIALS struct credentials credentials = {0};
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct error err = {0};
    if (credentials_get(cli, server, &credentials, &err) < 0) {
        fprintf(stderr, "WARNING: %s: %s\n", server, err.message);
        return;
    }
    if (!credentials.token && !credentials.username)
        return;
    credentials_write(&credentials, &text);
    json_key(w, server);
    json_put_raw(w, text.data, text.size);
}

char *registry_config_header(const struct cli *cli)
{
    static const char *const lists[] = {"auths", "credHelpers"};
    CLEANUP_JSON struct json *config = config_file_load(cli);
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT, encoded = STRBUF_INIT;
    CLEANUP_STRV struct strv servers = STRV_INIT;
    struct json_writer w;
    for (size_t k = 0; k < ARRAY_SIZE(lists); k++) {
        const struct json *list = json_get(config, lists[k]);
        for (size_t i = 0; list && list->kind == JSON_OBJECT && i < list->object.count; i++) {
            if (!strv_contains(&servers, list->object.keys[i]))
                strv_add(&servers, list->object.keys[i]);
        }
    }
    if (servers.count == 0)
        return NULL;
    json_writer_init(&w, &text);
    json_begin_object(&w);
    for (size_t i = 0; i < servers.count; i++)
        write_registry(&w, cli, servers.items[i]);
    json_end_object(&w);
    if (strcmp(strbuf_str(&text), "{}") == 0)
        return NULL;
    base64_encode(strbuf_str(&text), text.size, true, &encoded);
    return strbuf_take(&encoded);
}
