/* The networks of a container. */
#include <string.h>

#include "cmd/dory/body_members.h"
#include "cmd/dory/compose/create_body.h"
#include "cmd/dory/compose/model.h"

#define OPTION_INTERFACE "com.docker.network.endpoint.ifname"

static const char *network_name(const struct compose_project *project, const char *key)
{
    const char *name = json_get_string(json_get(json_get(project->model, "networks"), key), "name");
    return name ? name : key;
}

char *create_body_network_mode(const struct create_input *input)
{
    const char *mode = input->network_mode ? input->network_mode : json_get_string(input->config, "network_mode");
    CLEANUP_STRV struct strv networks = STRV_INIT;
    if (mode && *mode)
        return xstrdup(mode);
    model_networks(input->config, &networks);
    return xstrdup(networks.count > 0 ? network_name(input->project, networks.items[0]) : "none");
}

static void put_ipam(struct json_writer *w, const struct json *settings)
{
    const char *v4 = json_get_string(settings, "ipv4_address"), *v6 = json_get_string(settings, "ipv6_address");
    CLEANUP_STRV struct strv local = STRV_INIT;
    model_entries(json_get(settings, "link_local_ips"), &local);
    if (!v4 && !v6 && local.count == 0)
        return;
    json_key(w, "IPAMConfig");
    json_begin_object(w);
    put_text(w, "IPv4Address", v4);
    put_text(w, "IPv6Address", v6);
    put_strings(w, "LinkLocalIPs", &local);
    json_end_object(w);
}

static void put_endpoint(const struct create_input *input, const char *key, bool main, struct json_writer *w)
{
    const struct json *settings = json_get(json_get(input->config, "networks"), key);
    CLEANUP_STRV struct strv aliases = STRV_INIT, options = STRV_INIT;
    const char *mac = json_get_string(settings, "mac_address");
    const char *interface = json_get_string(settings, "interface_name");
    strv_add(&aliases, input->container_name);
    if (input->use_aliases) {
        strv_add(&aliases, input->service);
        model_entries(json_get(settings, "aliases"), &aliases);
    }
    model_entries(json_get(settings, "driver_opts"), &options);
    if (interface)
        strv_addf(&options, "%s=%s", OPTION_INTERFACE, interface);
    if (!mac && main)
        mac = json_get_string(input->config, "mac_address");
    json_key(w, network_name(input->project, key));
    json_begin_object(w);
    put_strings(w, "Aliases", &aliases);
    put_strings(w, "Links", &input->links);
    put_ipam(w, settings);
    put_text(w, "MacAddress", mac);
    put_entries(w, "DriverOpts", &options, NULL, NULL);
    put_number(w, "GwPriority", model_int(settings, "gw_priority", 0));
    json_end_object(w);
}

void create_body_endpoints(const struct create_input *input, struct json_writer *w)
{
    const char *mode = input->network_mode ? input->network_mode : json_get_string(input->config, "network_mode");
    CLEANUP_STRV struct strv networks = STRV_INIT;
    model_networks(input->config, &networks);
    if ((mode && *mode) || networks.count == 0) {
        put_text(w, "MacAddress", json_get_string(input->config, "mac_address"));
        return;
    }
    json_key(w, "NetworkingConfig");
    json_begin_object(w);
    json_key(w, "EndpointsConfig");
    json_begin_object(w);
    for (size_t i = 0; i < networks.count; i++)
        put_endpoint(input, networks.items[i], i == 0, w);
    json_end_object(w);
    json_end_object(w);
}
