#include "daemon/endpoint_settings.h"

#include "daemon/network/endpoint_options.h"

#define ROW(holder, kind, json, member, ...)                                                                           \
    {                                                                                                                  \
        .name = json, .type = JSON_FIELD_##kind, .offset = offsetof(struct holder, member), ##__VA_ARGS__              \
    }

static const struct json_field ipam_rows[] = {
    ROW(endpoint_ipam, STRING, "IPv4Address", ipv4, .flags = JSON_OMIT_EMPTY),
    ROW(endpoint_ipam, STRING, "IPv6Address", ipv6, .flags = JSON_OMIT_EMPTY),
    ROW(endpoint_ipam, STRV, "LinkLocalIPs", link_local, .flags = JSON_OMIT_EMPTY),
};
static const struct json_table ipam_table = JSON_TABLE(struct endpoint_ipam, ipam_rows);

static const struct json_field settings_rows[] = {
    ROW(endpoint_settings, STRING, "Name", name, .flags = JSON_OMIT_EMPTY),
    ROW(endpoint_settings, STRING, "NetworkID", network_id, .flags = JSON_OMIT_EMPTY),
    ROW(endpoint_settings, OBJECT, "IPAMConfig", ipam, .table = &ipam_table),
    ROW(endpoint_settings, STRING, "MacAddress", mac, .flags = JSON_OMIT_EMPTY),
    ROW(endpoint_settings, STRV, "Aliases", aliases, .flags = JSON_OMIT_EMPTY),
    ROW(endpoint_settings, STRV, "Links", links, .flags = JSON_OMIT_EMPTY),
    ROW(endpoint_settings, STRMAP, "DriverOpts", driver_options, .flags = JSON_OMIT_EMPTY),
    ROW(endpoint_settings, INT, "GwPriority", gateway_priority, .flags = JSON_OMIT_EMPTY),
};
const struct json_table endpoint_settings_table = JSON_TABLE(struct endpoint_settings, settings_rows);

void endpoint_settings_release(struct endpoint_settings *settings)
{
    json_table_release(&endpoint_settings_table, settings);
}

static void drop_empty(char **text)
{
    if (*text && !**text) {
        xstrset(text, NULL);
    }
}

int endpoint_settings_decode(const struct json *value, struct endpoint_settings *ret, struct error *err)
{
    if (!value || value->kind == JSON_NULL) {
        return 0;
    }
    int r = json_table_decode(&endpoint_settings_table, value, ret, err);
    if (r < 0) {
        return r;
    }
    /* What inspect shows comes back from clients that copy it: which network it is, its key says. */
    xstrset(&ret->name, NULL);
    xstrset(&ret->network_id, NULL);
    drop_empty(&ret->ipam.ipv4);
    drop_empty(&ret->ipam.ipv6);
    drop_empty(&ret->mac);
    struct endpoint_options options;
    r = endpoint_options_parse(&ret->driver_options, &ret->ipam.link_local, &options, err);
    if (r == 0) {
        endpoint_options_release(&options);
    }
    return r;
}

void endpoint_settings_put_ipam(const struct endpoint_settings *settings, struct json_writer *w)
{
    json_key(w, "IPAMConfig");
    if (!settings->ipam.ipv4 && !settings->ipam.ipv6 && settings->ipam.link_local.count == 0) {
        json_put_null(w);
        return;
    }
    json_table_encode(&ipam_table, &settings->ipam, w);
}
