#include "cmd/dory/network_option.h"

#include <string.h>

#include "base/parse.h"
#include "cmd/dory/body_members.h"
#include "cmd/dory/csv_fields.h"

/* One --network: a name, or "name=NET,alias=A,ip=...". */
struct network_option {
    char *name, *ip, *ip6, *mac;
    struct strv aliases, driver_options, link_local;
    int64_t priority;
};

static void network_option_release(struct network_option *o)
{
    free(o->name);
    free(o->ip);
    free(o->ip6);
    free(o->mac);
    strv_release(&o->aliases);
    strv_release(&o->driver_options);
    strv_release(&o->link_local);
}

static int set_network_field(struct network_option *o, const char *key, const char *value, struct error *err)
{
    const struct {
        const char *key;
        char **text;
        struct strv *list;
    } fields[] = {
        {"name", &o->name, NULL},
        {"ip", &o->ip, NULL},
        {"ip6", &o->ip6, NULL},
        {"mac-address", &o->mac, NULL},
        {"alias", NULL, &o->aliases},
        {"driver-opt", NULL, &o->driver_options},
        {"link-local-ip", NULL, &o->link_local},
    };
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        if (strcmp(key, fields[i].key) != 0)
            continue;
        if (fields[i].list == &o->driver_options && !strchr(value, '='))
            return error_set(err, ERROR_INVALID, 0, "invalid key value pair format in driver options");
        if (fields[i].text)
            xstrset(fields[i].text, value);
        else
            strv_add(fields[i].list, value);
        return 0;
    }
    if (strcmp(key, "gw-priority") != 0)
        return error_set(err, ERROR_INVALID, 0, "invalid field key %s", key);
    if (parse_int64(value, INT32_MIN, INT32_MAX, &o->priority) < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid gw-priority: %s", value);
    return 0;
}

static int parse_network(const char *text, struct network_option *ret, struct error *err)
{
    if (!strchr(text, '=')) {
        ret->name = xstrdup(text);
        return 0;
    }
    CLEANUP_STRV struct strv fields = STRV_INIT;
    csv_fields_split(text, &fields);
    for (size_t i = 0; i < fields.count; i++) {
        char *equals = strchr(fields.items[i], '=');
        if (!equals)
            return error_set(err, ERROR_INVALID, 0, "invalid field %s must be a key=value pair", fields.items[i]);
        *equals = '\0';
        int r = set_network_field(ret, fields.items[i], equals + 1, err);
        if (r < 0)
            return r;
    }
    return ret->name && ret->name[0] ? 0 : error_set(err, ERROR_INVALID, 0, "no name set for network");
}

static const char *first_network(const struct container_flags *f)
{
    return f->networks.count ? f->networks.items[0] : "default";
}

static void put_endpoint(struct json_writer *w, const struct network_option *o)
{
    json_key(w, o->name);
    json_begin_object(w);
    if (o->ip || o->ip6 || o->link_local.count > 0) {
        json_key(w, "IPAMConfig");
        json_begin_object(w);
        put_text(w, "IPv4Address", o->ip);
        put_text(w, "IPv6Address", o->ip6);
        put_strings(w, "LinkLocalIPs", &o->link_local);
        json_end_object(w);
    }
    put_strings(w, "Aliases", &o->aliases);
    put_text(w, "MacAddress", o->mac);
    put_number(w, "GwPriority", o->priority);
    put_entries(w, "DriverOpts", &o->driver_options, NULL, NULL); /* without a flag's name it cannot fail */
    json_end_object(w);
}

bool network_option_takes_mac(const struct container_flags *f)
{
    struct network_option first = {0};
    bool takes = parse_network(first_network(f), &first, NULL) == 0 && strcmp(first.name, "host") != 0 &&
                 strcmp(first.name, "none") != 0 && strncmp(first.name, "container:", 10) != 0;
    network_option_release(&first);
    return f->mac_address && takes;
}

/* What the flags beside --network say is meant for the first network. */
static int merge_flags(struct network_option *o, const struct container_flags *f, struct error *err)
{
    if ((o->ip && f->ip) || (o->ip6 && f->ip6))
        return error_set(err, ERROR_INVALID, 0, "conflicting options: cannot specify both --ip and per-network IP");
    if (o->aliases.count > 0 && f->network_aliases.count > 0)
        return error_set(err, ERROR_INVALID, 0,
                         "conflicting options: cannot specify both --network-alias and per-network alias");
    if (o->link_local.count > 0 && f->link_local.count > 0)
        return error_set(err, ERROR_INVALID, 0,
                         "conflicting options: cannot specify both --link-local-ip and per-network link-local IP "
                         "addresses");
    if (o->mac && f->mac_address)
        return error_set(err, ERROR_INVALID, 0,
                         "conflicting options: cannot specify both --mac-address and per-network MAC address");
    if (network_option_takes_mac(f))
        o->mac = xstrdup(f->mac_address);
    if (f->ip)
        o->ip = xstrdup(f->ip);
    if (f->ip6)
        o->ip6 = xstrdup(f->ip6);
    strv_add_all(&o->aliases, &f->network_aliases);
    strv_add_all(&o->link_local, &f->link_local);
    return 0;
}

int network_option_put_endpoints(struct json_writer *w, const struct container_flags *f, struct error *err)
{
    bool plain = f->networks.count == 0 || (f->networks.count == 1 && !strchr(f->networks.items[0], '='));
    bool mac = network_option_takes_mac(f);
    if (plain && !mac && f->network_aliases.count == 0 && f->link_local.count == 0 && !f->ip && !f->ip6)
        return 0;
    json_key(w, "NetworkingConfig");
    json_begin_object(w);
    json_key(w, "EndpointsConfig");
    json_begin_object(w);
    int r = 0;
    for (size_t i = 0; r == 0 && (i == 0 || i < f->networks.count); i++) {
        struct network_option option = {0};
        r = parse_network(f->networks.count ? f->networks.items[i] : "default", &option, err);
        if (r == 0 && i == 0)
            r = merge_flags(&option, f, err);
        if (r == 0)
            put_endpoint(w, &option);
        network_option_release(&option);
    }
    json_end_object(w);
    json_end_object(w);
    return r;
}

int network_option_put_mode(struct json_writer *w, const struct container_flags *f, struct error *err)
{
    struct network_option option = {0};
    int r = parse_network(first_network(f), &option, err);
    if (r == 0)
        json_member_string(w, "NetworkMode", option.name);
    network_option_release(&option);
    return r;
}
