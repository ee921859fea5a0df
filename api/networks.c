/* The three predefined networks. Those of users are not here yet and say so. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "api/server.h"
#include "base/timestamp.h"
#include "daemon/container.h"
#include "daemon/engine.h"
#include "daemon/network/network.h"

#define NETWORKS 3

/* ---- containers on a network ---- */

/* The running containers as the list has them: what each network knows of its members stands there. */
static int running_containers(struct engine *engine, struct json **ret, struct error *err)
{
    const struct container_list all_running = {0};
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    int r = container_list(engine, &all_running, &text, err);

    return r < 0 ? r : json_parse(text.data, text.size, ret, err);
}

static void write_member(struct json_writer *w, const struct json *container, const struct json *endpoint)
{
    const char *name = json_string(json_at(json_get(container, "Names"), 0));
    const char *address = json_get_string(endpoint, "IPAddress");
    CLEANUP_FREE char *with_prefix = NULL;

    if (address && *address)
        with_prefix = xasprintf("%s/%d", address, (int)json_get_int(endpoint, "IPPrefixLen", 0));
    json_key(w, json_get_string(container, "Id"));
    json_begin_object(w);
    json_member_string(w, "Name", name && name[0] == '/' ? name + 1 : name);
    json_member_string(w, "EndpointID", json_get_string(endpoint, "EndpointID"));
    json_member_string(w, "MacAddress", json_get_string(endpoint, "MacAddress"));
    json_member_string(w, "IPv4Address", with_prefix);
    json_member_string(w, "IPv6Address", "");
    json_end_object(w);
}

static void write_members(struct json_writer *w, const char *network, const struct json *containers)
{
    json_key(w, "Containers");
    json_begin_object(w);
    for (size_t i = 0; i < json_count(containers); i++) {
        const struct json *container = json_at(containers, i);
        const struct json *networks = json_get(json_get(container, "NetworkSettings"), "Networks");
        const struct json *endpoint = json_get(networks, network);

        if (endpoint)
            write_member(w, container, endpoint);
    }
    json_end_object(w);
}

/* ---- one network ---- */

static void write_ipam(struct json_writer *w, const struct network_info *info)
{
    json_key(w, "IPAM");
    json_begin_object(w);
    json_member_string(w, "Driver", "default");
    json_member_null(w, "Options");
    json_key(w, "Config");
    if (info->subnet[0]) {
        json_begin_array(w);
        json_begin_object(w);
        json_member_string(w, "Subnet", info->subnet);
        json_member_string(w, "Gateway", info->gateway);
        json_end_object(w);
        json_end_array(w);
    } else {
        json_put_null(w);
    }
    json_end_object(w);
}

static void write_options(struct json_writer *w, const struct network_info *info, const struct daemon_options *options)
{
    char mtu[16];

    json_key(w, "Options");
    json_begin_object(w);
    if (info->bridge[0]) {
        snprintf(mtu, sizeof(mtu), "%d", info->mtu);
        json_member_string(w, "com.docker.network.bridge.default_bridge", "true");
        json_member_string(w, "com.docker.network.bridge.enable_icc", "true");
        json_member_string(w, "com.docker.network.bridge.enable_ip_masquerade", options->ip_masq ? "true" : "false");
        json_member_string(w, "com.docker.network.bridge.host_binding_ipv4", options->ip);
        json_member_string(w, "com.docker.network.bridge.name", info->bridge);
        json_member_string(w, "com.docker.network.driver.mtu", mtu);
    }
    json_end_object(w);
    json_key(w, "Labels");
    json_begin_object(w);
    json_end_object(w);
}

/* The predefined networks are as old as the data root. */
static void write_created(struct json_writer *w, const struct daemon_options *options)
{
    char text[TIMESTAMP_MAX];
    struct statx st = {0};
    int64_t created = 0;

    if (statx(AT_FDCWD, options->data_root, 0, STATX_BTIME | STATX_CTIME, &st) == 0) {
        const struct statx_timestamp *time = st.stx_mask & STATX_BTIME ? &st.stx_btime : &st.stx_ctime;

        created = time->tv_sec * INT64_C(1000000000) + time->tv_nsec;
    }
    timestamp_format(text, created);
    json_member_string(w, "Created", text);
}

/* containers: NULL where they are not asked for. */
static void write_network(struct json_writer *w, const struct network_info *info, struct engine *engine,
                          const struct json *containers)
{
    json_begin_object(w);
    json_member_string(w, "Name", info->name);
    json_member_string(w, "Id", info->id);
    write_created(w, engine_options(engine));
    json_member_string(w, "Scope", "local");
    json_member_string(w, "Driver", info->driver);
    json_member_bool(w, "EnableIPv6", false);
    write_ipam(w, info);
    json_member_bool(w, "Internal", false);
    json_member_bool(w, "Attachable", false);
    json_member_bool(w, "Ingress", false);
    json_key(w, "ConfigFrom");
    json_begin_object(w);
    json_member_string(w, "Network", "");
    json_end_object(w);
    json_member_bool(w, "ConfigOnly", false);
    write_members(w, info->name, containers);
    write_options(w, info, engine_options(engine));
    json_end_object(w);
}

/* By name, id or unique prefix of the id. */
static int find(struct engine *engine, const char *name, struct network_info *ret, struct error *err)
{
    struct network_info all[NETWORKS];
    size_t count = network_list(engine_networks(engine), all), length = strlen(name), matches = 0;

    for (size_t i = 0; i < count; i++) {
        if (strcmp(all[i].name, name) == 0 || strcmp(all[i].id, name) == 0) {
            *ret = all[i];
            return 0;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (length > 0 && strncmp(all[i].id, name, length) == 0) {
            *ret = all[i];
            matches++;
        }
    }
    if (matches == 1)
        return 0;
    if (matches > 1)
        return error_set(err, ERROR_INVALID, 0, "network %s is ambiguous (%zu matches found based on ID prefix)", name,
                         matches);
    return error_set(err, ERROR_NOT_FOUND, 0, "network %s not found", name);
}

/* ---- list ---- */

static const char *const list_filters[] = {"driver", "type", "name", "id", "label", "scope", "dangling", NULL};

/* Any of the values; `part`: a part of the text is enough, as docker has it for names and ids. */
static bool any_matches(const struct json *values, const char *text, bool part)
{
    for (size_t i = 0; i < json_count(values); i++) {
        const char *value = json_string(json_at(values, i));

        if (part ? strstr(text, value) != NULL : strcmp(text, value) == 0)
            return true;
    }
    return json_count(values) == 0;
}

static bool network_matches(const struct network_info *info, const struct json *filters)
{
    const struct json *dangling = json_get(filters, "dangling");
    bool wants_dangling = json_count(dangling) > 0 && any_matches(dangling, "true", false);

    /* The predefined ones are builtin, have no labels and never dangle. */
    return any_matches(json_get(filters, "driver"), info->driver, false) &&
           any_matches(json_get(filters, "name"), info->name, true) &&
           any_matches(json_get(filters, "id"), info->id, true) &&
           any_matches(json_get(filters, "scope"), "local", false) &&
           any_matches(json_get(filters, "type"), "builtin", false) && json_count(json_get(filters, "label")) == 0 &&
           !wants_dangling;
}

static int list(struct api_request *request, struct engine *engine, struct error *err)
{
    struct network_info all[NETWORKS];
    size_t count = network_list(engine_networks(engine), all);
    CLEANUP_JSON struct json *filters = NULL;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct json_writer w;
    int r = api_filters(request, list_filters, &filters, err);

    if (r < 0)
        return r;
    json_writer_init(&w, &out);
    json_begin_array(&w);
    for (size_t i = 0; i < count; i++) {
        if (network_matches(&all[i], filters))
            write_network(&w, &all[i], engine, NULL);
    }
    json_end_array(&w);
    return api_reply_json(request, 200, &out);
}

static int inspect(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_JSON struct json *containers = NULL;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct network_info info;
    struct json_writer w;
    int r = find(engine, api_path(request, 0), &info, err);

    if (r == 0)
        r = running_containers(engine, &containers, err);
    if (r < 0)
        return r;
    json_writer_init(&w, &out);
    write_network(&w, &info, engine, containers);
    return api_reply_json(request, 200, &out);
}

/* ---- what needs networks of users ---- */

static int create(struct api_request *request, struct engine *engine, struct error *err)
{
    const struct json *body = NULL;
    struct network_info info;
    const char *name;
    int r = api_body(request, &body, err);

    if (r < 0)
        return r;
    name = json_get_string(body, "Name");
    if (!name || !*name)
        return error_set(err, ERROR_INVALID, 0, "invalid network name: name is empty");
    if (find(engine, name, &info, NULL) == 0 && strcmp(info.name, name) == 0)
        return error_set(err, ERROR_FORBIDDEN, 0, "operation is not permitted on predefined %s network", name);
    return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "networks beside bridge, host and none are not implemented");
}

static int remove_network(struct api_request *request, struct engine *engine, struct error *err)
{
    struct network_info info;
    int r = find(engine, api_path(request, 0), &info, err);

    if (r < 0)
        return r;
    return error_set(err, ERROR_FORBIDDEN, 0, "%s is a pre-defined network and cannot be removed", info.name);
}

static int change_members(struct api_request *request, struct engine *engine, struct error *err)
{
    struct network_info info;
    int r = find(engine, api_path(request, 0), &info, err);

    if (r < 0)
        return r;
    return error_set(err, ERROR_NOT_IMPLEMENTED, 0,
                     "connecting and disconnecting containers after their creation is not implemented");
}

/* There is never anything to prune: the predefined networks stay. */
static int prune(struct api_request *request, struct engine *engine, struct error *err)
{
    static const char *const filters[] = {"until", "label", "label!", NULL};
    CLEANUP_JSON struct json *tree = NULL;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    int r = api_filters(request, filters, &tree, err);

    (void)engine;
    if (r < 0)
        return r;
    strbuf_adds(&out, "{\"NetworksDeleted\":null}");
    return api_reply_json(request, 200, &out);
}

const struct api_route api_network_routes[] = {
    {"GET", "/networks", list, 0},
    {"GET", "/networks/{}", inspect, 0},
    {"POST", "/networks/create", create, API_BODY_JSON},
    {"POST", "/networks/prune", prune, 0},
    {"POST", "/networks/{}/connect", change_members, API_BODY_JSON},
    {"POST", "/networks/{}/disconnect", change_members, API_BODY_JSON},
    {"DELETE", "/networks/{}", remove_network, 0},
    {0},
};
