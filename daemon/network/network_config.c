#include "daemon/network/network_config.h"

#define ROW(holder, kind, json, member, ...)                                                                           \
    {                                                                                                                  \
        .name = json, .type = JSON_FIELD_##kind, .offset = offsetof(struct holder, member), ##__VA_ARGS__              \
    }

static const struct json_field subnet_rows[] = {
    ROW(network_subnet, STRING, "Subnet", subnet, .flags = JSON_OMIT_EMPTY),
    ROW(network_subnet, STRING, "IPRange", range, .flags = JSON_OMIT_EMPTY),
    ROW(network_subnet, STRING, "Gateway", gateway, .flags = JSON_OMIT_EMPTY),
    ROW(network_subnet, STRMAP, "AuxiliaryAddresses", auxiliary, .flags = JSON_OMIT_EMPTY),
    ROW(network_subnet, BOOL, "Chosen", chosen, .flags = JSON_OMIT_EMPTY),
    ROW(network_subnet, BOOL, "GatewayChosen", gateway_chosen, .flags = JSON_OMIT_EMPTY),
};
static const struct json_table subnet_table = JSON_TABLE(struct network_subnet, subnet_rows);

static const struct json_field config_rows[] = {
    ROW(network_config, STRING, "Id", id),
    ROW(network_config, STRING, "Name", name),
    ROW(network_config, STRING, "Driver", driver),
    ROW(network_config, INT, "Created", created),
    ROW(network_config, BOOL, "EnableIPv6", ipv6),
    ROW(network_config, BOOL, "DisableIPv4", no_ipv4, .flags = JSON_OMIT_EMPTY),
    ROW(network_config, BOOL, "Internal", internal),
    ROW(network_config, BOOL, "Attachable", attachable),
    ROW(network_config, OBJECT, "IPv4", v4, .table = &subnet_table),
    ROW(network_config, OBJECT, "IPv6", v6, .table = &subnet_table),
    ROW(network_config, BOOL, "IPv6First", v6_first, .flags = JSON_OMIT_EMPTY),
    ROW(network_config, ARRAY, "IPv4Further", further, .table = &subnet_table, .flags = JSON_OMIT_EMPTY),
    ROW(network_config, ARRAY, "IPv6Further", further6, .table = &subnet_table, .flags = JSON_OMIT_EMPTY),
    ROW(network_config, STRMAP, "Options", options),
    ROW(network_config, STRMAP, "Labels", labels),
    ROW(network_config, STRMAP, "IPAMOptions", ipam_options),
    ROW(network_config, BOOL, "IPAMOptionsAsked", ipam_options_asked, .flags = JSON_OMIT_EMPTY),
    ROW(network_config, BOOL, "ConfigOnly", config_only, .flags = JSON_OMIT_EMPTY),
    ROW(network_config, STRING, "ConfigFrom", config_from, .flags = JSON_OMIT_EMPTY),
    ROW(network_config, BOOL, "InterfaceMade", interface_made),
    ROW(network_config, STRING, "Interface", interface, .flags = JSON_OMIT_EMPTY),
};
const struct json_table network_config_table = JSON_TABLE(struct network_config, config_rows);

struct network_subnet *network_config_add_subnet(struct json_array *further)
{
    struct network_subnet *items = xreallocarray(further->items, further->count + 1, sizeof(*items));
    further->items = items;
    items[further->count] = (struct network_subnet){0};
    return &items[further->count++];
}

void network_config_release(struct network_config *config)
{
    json_table_release(&network_config_table, config);
}
