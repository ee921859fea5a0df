/* network connect and disconnect. */
#include "api/client.h"
#include "cmd/dory/body_members.h"
#include "cmd/dory/command.h"

struct connect_flags {
    char *ip, *ip6;
    struct strv aliases, links, link_local, driver_options;
    int64_t priority;
    bool force;
};

#define AT(member) offsetof(struct connect_flags, member)
static const struct option connect_options[] = {
    {"alias", 0, OPTION_LIST, AT(aliases), "strings", "Add network-scoped alias for the container", 0, 0, NULL},
    {"driver-opt", 0, OPTION_LIST, AT(driver_options), "strings", "driver options for the network", 0, 0, NULL},
    {"gw-priority", 0, OPTION_INT, AT(priority), "int",
     "Highest gw-priority provides the default gateway. Accepts positive and negative values", 0, 0, NULL},
    {"ip", 0, OPTION_STRING, AT(ip), "string", "IPv4 address (e.g., \"172.30.100.104\")", 0, 0, NULL},
    {"ip6", 0, OPTION_STRING, AT(ip6), "string", "IPv6 address (e.g., \"2001:db8::33\")", 0, 0, NULL},
    {"link", 0, OPTION_LIST, AT(links), "list", "Add link to another container", 0, 0, NULL},
    {"link-local-ip", 0, OPTION_LIST, AT(link_local), "strings", "Add a link-local address for the container", 0, 0,
     NULL},
    {0},
};

static void put_settings(struct json_writer *w, const struct connect_flags *flags)
{
    json_key(w, "EndpointConfig");
    json_begin_object(w);
    json_key(w, "IPAMConfig");
    json_begin_object(w);
    put_text(w, "IPv4Address", flags->ip);
    put_text(w, "IPv6Address", flags->ip6);
    put_strings(w, "LinkLocalIPs", &flags->link_local);
    json_end_object(w);
    put_strings(w, "Links", &flags->links);
    put_strings(w, "Aliases", &flags->aliases);
    put_number(w, "GwPriority", flags->priority);
    put_entries(w, "DriverOpts", &flags->driver_options, NULL, NULL); /* without a flag's name it cannot fail */
    json_end_object(w);
}

static int send(struct cli *cli, const char *network, const char *action, const struct strbuf *body, struct error *err)
{
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    strbuf_adds(&path, "/networks/");
    client_path_escape(&path, network);
    strbuf_adds(&path, action);
    struct client_request request = {
        .method = "POST", .path = strbuf_str(&path), .body = body->data, .body_size = body->size};
    return client_call(cli_client(cli), &request, NULL, NULL, NULL, err);
}

static int run_network_connect(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct connect_flags *flags = data;
    CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
    struct json_writer w;
    for (size_t i = 0; i < flags->driver_options.count; i++) {
        if (!strchr(flags->driver_options.items[i], '='))
            return error_set(err, ERROR_INVALID, 0, "invalid key/value pair format in driver options");
    }
    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_member_string(&w, "Container", arguments->items[1]);
    put_settings(&w, flags);
    json_end_object(&w);
    return send(cli, arguments->items[0], "/connect", &body, err);
}

static const struct option disconnect_options[] = {
    {"force", 'f', OPTION_BOOL, AT(force), NULL, "Force the container to disconnect from a network", 0, 0, NULL},
    {0},
};

static int run_network_disconnect(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct connect_flags *flags = data;
    CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_member_string(&w, "Container", arguments->items[1]);
    json_member_bool(&w, "Force", flags->force);
    json_end_object(&w);
    return send(cli, arguments->items[0], "/disconnect", &body, err);
}

const struct command command_network_connect = {
    .name = "network connect",
    .usage = "[OPTIONS] NETWORK CONTAINER",
    .summary = "Connect a container to a network",
    .options = connect_options,
    .flags_size = sizeof(struct connect_flags),
    .min_arguments = 2,
    .max_arguments = 2,
    .run = run_network_connect,
};
const struct command command_network_disconnect = {
    .name = "network disconnect",
    .usage = "[OPTIONS] NETWORK CONTAINER",
    .summary = "Disconnect a container from a network",
    .options = disconnect_options,
    .flags_size = sizeof(struct connect_flags),
    .min_arguments = 2,
    .max_arguments = 2,
    .run = run_network_disconnect,
};
