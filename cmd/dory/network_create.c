/* network create. */
#include "api/client.h"
#include "cmd/dory/command.h"
#include "cmd/dory/container_flags_check.h"

struct create_flags {
    char *driver, *config_from, *ipam_driver, *scope;
    struct strv subnets, ranges, gateways, auxiliary, labels, options, ipam_options;
    bool attachable, internal, ipv4, ipv6, ingress, config_only;
};

#define AT(member) offsetof(struct create_flags, member)
static const struct option network_create_options[] = {
    {"attachable", 0, OPTION_BOOL, AT(attachable), NULL, "Enable manual container attachment", 0, 0, NULL},
    {"aux-address", 0, OPTION_LIST, AT(auxiliary), "map", "Auxiliary IPv4 or IPv6 addresses used by Network driver", 0,
     0, NULL},
    {"config-from", 0, OPTION_STRING, AT(config_from), "string", "The network from which to copy the configuration", 0,
     0, NULL},
    {"config-only", 0, OPTION_BOOL, AT(config_only), NULL, "Create a configuration only network", 0, 0, NULL},
    {"driver", 'd', OPTION_STRING, AT(driver), "string", "Driver to manage the Network (default \"bridge\")", 0, 0,
     NULL},
    {"gateway", 0, OPTION_LIST, AT(gateways), "strings", "IPv4 or IPv6 Gateway for the master subnet", 0, 0, NULL},
    {"ingress", 0, OPTION_BOOL, AT(ingress), NULL, "Create swarm routing-mesh network", OPTION_REFUSED, 0, NULL},
    {"internal", 0, OPTION_BOOL, AT(internal), NULL, "Restrict external access to the network", 0, 0, NULL},
    {"ip-range", 0, OPTION_LIST, AT(ranges), "strings", "Allocate container ip from a sub-range", 0, 0, NULL},
    {"ipam-driver", 0, OPTION_STRING, AT(ipam_driver), "string", "IP Address Management Driver (default \"default\")",
     0, 0, NULL},
    {"ipam-opt", 0, OPTION_LIST, AT(ipam_options), "map", "Set IPAM driver specific options", 0, 0, NULL},
    {"ipv4", 0, OPTION_BOOL, AT(ipv4), NULL, "Enable or disable IPv4 address assignment (default true)", 0, 0, NULL},
    {"ipv6", 0, OPTION_BOOL, AT(ipv6), NULL, "Enable IPv6 networking", 0, 0, NULL},
    {"label", 0, OPTION_LIST, AT(labels), "list", "Set metadata on a network", 0, 0, check_label},
    {"opt", 'o', OPTION_LIST, AT(options), "map", "Set driver specific options", 0, 0, NULL},
    {"scope", 0, OPTION_STRING, AT(scope), "string", "Control the network's scope", 0, 0, NULL},
    {"subnet", 0, OPTION_LIST, AT(subnets), "strings", "Subnet in CIDR format that represents a network segment", 0, 0,
     NULL},
    {0},
};

/* Splits "name=value". */
static void put_pair(struct json_writer *w, const char *entry)
{
    const char *equals = strchr(entry, '=');
    CLEANUP_FREE char *name = equals ? xstrndup(entry, (size_t)(equals - entry)) : xstrdup(entry);
    json_member_string(w, name, equals ? equals + 1 : "");
}

static void put_map(struct json_writer *w, const char *key, const struct strv *entries)
{
    json_key(w, key);
    json_begin_object(w);
    for (size_t i = 0; i < entries->count; i++)
        put_pair(w, entries->items[i]);
    json_end_object(w);
}

/* Values may also come in one flag, with commas between. */
static void split(struct strv *list)
{
    struct strv parts = STRV_INIT;
    for (size_t i = 0; i < list->count; i++)
        strv_split(&parts, list->items[i], ',');
    strv_release(list);
    *list = parts;
}

static bool is_ipv6(const char *address)
{
    return strchr(address, ':') != NULL;
}

/* The one of its address family; which of several subnets is meant only the daemon could say. */
static const char *take_of_family(struct strv *list, bool ipv6, char **ret)
{
    for (size_t i = 0; i < list->count; i++) {
        if (is_ipv6(list->items[i]) == ipv6) {
            *ret = xstrdup(list->items[i]);
            strv_remove(list, i);
            return *ret;
        }
    }
    return NULL;
}

static void put_auxiliary(struct json_writer *w, const struct strv *auxiliary, bool ipv6)
{
    json_key(w, "AuxiliaryAddresses");
    json_begin_object(w);
    for (size_t i = 0; i < auxiliary->count; i++)
        if (is_ipv6(auxiliary->items[i]) == ipv6)
            put_pair(w, auxiliary->items[i]);
    json_end_object(w);
}

static int put_pools(struct json_writer *w, struct create_flags *flags, struct error *err)
{
    split(&flags->subnets);
    split(&flags->ranges);
    split(&flags->gateways);
    json_key(w, "Config");
    json_begin_array(w);
    for (size_t i = 0; i < flags->subnets.count; i++) {
        bool ipv6 = is_ipv6(flags->subnets.items[i]);
        CLEANUP_FREE char *range = NULL;
        CLEANUP_FREE char *gateway = NULL;
        json_begin_object(w);
        json_member_string(w, "Subnet", flags->subnets.items[i]);
        if (take_of_family(&flags->ranges, ipv6, &range))
            json_member_string(w, "IPRange", range);
        if (take_of_family(&flags->gateways, ipv6, &gateway))
            json_member_string(w, "Gateway", gateway);
        put_auxiliary(w, &flags->auxiliary, ipv6);
        json_end_object(w);
    }
    json_end_array(w);
    if (flags->ranges.count > 0)
        return error_set(err, ERROR_INVALID, 0, "no matching subnet for range %s", flags->ranges.items[0]);
    if (flags->gateways.count > 0)
        return error_set(err, ERROR_INVALID, 0, "no matching subnet for gateway %s", flags->gateways.items[0]);
    if (flags->auxiliary.count > 0 && flags->subnets.count == 0)
        return error_set(err, ERROR_INVALID, 0, "no matching subnet for aux-address %s", flags->auxiliary.items[0]);
    return 0;
}

static void create_defaults(void *data)
{
    struct create_flags *flags = data;
    flags->ipv4 = true;
}

static int run_network_create(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    struct create_flags *flags = data;
    CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
    CLEANUP_JSON struct json *answer = NULL;
    struct json_writer w;
    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_member_string(&w, "Name", arguments->items[0]);
    json_member_string(&w, "Driver", flags->driver ? flags->driver : "bridge");
    json_member_string(&w, "Scope", flags->scope);
    if (!flags->ipv4)
        json_member_bool(&w, "EnableIPv4", false);
    json_member_bool(&w, "EnableIPv6", flags->ipv6);
    json_member_bool(&w, "Internal", flags->internal);
    json_member_bool(&w, "Attachable", flags->attachable);
    json_member_bool(&w, "ConfigOnly", flags->config_only);
    if (flags->config_from) {
        json_key(&w, "ConfigFrom");
        json_begin_object(&w);
        json_member_string(&w, "Network", flags->config_from);
        json_end_object(&w);
    }
    json_key(&w, "IPAM");
    json_begin_object(&w);
    json_member_string(&w, "Driver", flags->ipam_driver ? flags->ipam_driver : "default");
    put_map(&w, "Options", &flags->ipam_options);
    int r = put_pools(&w, flags, err);
    json_end_object(&w);
    put_map(&w, "Options", &flags->options);
    put_map(&w, "Labels", &flags->labels);
    json_end_object(&w);
    struct client_request request = {
        .method = "POST", .path = "/networks/create", .body = body.data, .body_size = body.size};
    if (r == 0)
        r = client_json(cli_client(cli), &request, &answer, err);
    if (r == 0)
        printf("%s\n", json_get_string(answer, "Id"));
    return r;
}

const struct command command_network_create = {
    .name = "network create",
    .usage = "[OPTIONS] NETWORK",
    .summary = "Create a network",
    .options = network_create_options,
    .flags_size = sizeof(struct create_flags),
    .min_arguments = 1,
    .max_arguments = 1,
    .defaults = create_defaults,
    .run = run_network_create,
};
