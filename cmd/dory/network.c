/* network ls, rm and prune. */
#include "api/client.h"
#include "cmd/dory/each.h"
#include "cmd/dory/filters_query.h"
#include "cmd/dory/listing.h"

struct network_flags {
    bool no_trunc, quiet, force;
    struct strv filters;
    char *format;
};

#define AT(member) offsetof(struct network_flags, member)
static const struct option network_options[] = {
    {"filter", 'f', OPTION_LIST, AT(filters), "filter", "Provide filter values (e.g. \"driver=bridge\")", 0, 0, NULL},
    {"format", 0, OPTION_STRING, AT(format), "string",
     "Format output using a custom template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'", 0, 0, NULL},
    {"no-trunc", 0, OPTION_BOOL, AT(no_trunc), NULL, "Do not truncate the output", 0, 0, NULL},
    {"quiet", 'q', OPTION_BOOL, AT(quiet), NULL, "Only display network IDs", 0, 0, NULL},
    {0},
};

static const struct listing_header headers[] = {
    {"ID", "NETWORK ID"}, {"Name", "NAME"},         {"Driver", "DRIVER"}, {"Scope", "SCOPE"},
    {"IPv6", "IPV6"},     {"Internal", "INTERNAL"}, {"Labels", "LABELS"}, {"CreatedAt", "CREATED AT"},
};

static int add_row(struct listing *listing, const struct json *network, bool no_trunc, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    char id[13];
    json_writer_init(&w, &text);
    json_begin_object(&w);
    CLEANUP_FREE char *labels = format_labels(json_get(network, "Labels"));
    json_member_string(&w, "CreatedAt", json_get_string(network, "Created"));
    json_member_string(&w, "Driver", json_get_string(network, "Driver"));
    json_member_string(&w, "ID", format_id(json_get_string(network, "Id"), no_trunc, id));
    json_member_string(&w, "IPv6", json_get_bool(network, "EnableIPv6", false) ? "true" : "false");
    json_member_string(&w, "Internal", json_get_bool(network, "Internal", false) ? "true" : "false");
    json_member_string(&w, "Labels", labels);
    json_member_string(&w, "Name", json_get_string(network, "Name"));
    json_member_string(&w, "Scope", json_get_string(network, "Scope"));
    json_end_object(&w);
    return listing_add(listing, &text, err);
}

static int run_network_ls(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    (void)arguments;
    const struct network_flags *flags = data;
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_JSON struct json *networks = NULL;
    strbuf_adds(&path, "/networks");
    int r = filters_query_add(&path, &flags->filters, err);
    if (r == 0)
        r = client_json(cli_client(cli), &(struct client_request){.path = strbuf_str(&path)}, &networks, err);
    if (r < 0)
        return r;
    struct listing listing = {.format = flags->quiet && !flags->format ? "{{.ID}}" : flags->format,
                              .default_table = "table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}",
                              .headers = headers,
                              .header_count = ARRAY_SIZE(headers)};
    for (size_t i = 0; i < json_count(networks) && r == 0; i++)
        r = add_row(&listing, json_at(networks, i), flags->no_trunc, err);
    if (r == 0)
        r = listing_print(&listing, err);
    listing_release(&listing);
    return r;
}

static const struct option remove_options[] = {
    {"force", 'f', OPTION_BOOL, AT(force), NULL, "Do not error if the network does not exist", 0, 0, NULL},
    {0},
};

static int remove_one(struct cli *cli, const char *name, void *data, struct error *err)
{
    const struct network_flags *flags = data;
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    strbuf_adds(&path, "/networks/");
    client_path_escape(&path, name);
    struct client_request request = {.method = "DELETE", .path = strbuf_str(&path)};
    struct error failed = {0};
    int r = client_call(cli_client(cli), &request, NULL, NULL, NULL, &failed);
    if (r < 0 && flags->force && failed.kind == ERROR_NOT_FOUND)
        return 0;
    return r < 0 ? error_propagate(err, &failed) : 0;
}

static int run_network_rm(struct cli *cli, void *flags, const struct strv *arguments, struct error *err)
{
    (void)err;
    return for_each_argument(cli, arguments, remove_one, flags);
}

static const struct option prune_options[] = {
    {"filter", 0, OPTION_LIST, AT(filters), "filter", "Provide filter values (e.g. \"until=<timestamp>\")", 0, 0, NULL},
    {"force", 'f', OPTION_BOOL, AT(force), NULL, "Do not prompt for confirmation", 0, 0, NULL},
    {0},
};

static int run_network_prune(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    (void)arguments;
    const struct network_flags *flags = data;
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_JSON struct json *answer = NULL;
    if (!flags->force) {
        printf("WARNING! This will remove all custom networks not used by at least one container.\n"
               "Are you sure you want to continue? [y/N] ");
        fflush(stdout);
        char line[16];
        if (!fgets(line, sizeof(line), stdin) || (line[0] != 'y' && line[0] != 'Y'))
            return 0;
    }
    strbuf_adds(&path, "/networks/prune");
    int r = filters_query_add(&path, &flags->filters, err);
    struct client_request request = {.method = "POST", .path = strbuf_str(&path)};
    if (r == 0)
        r = client_json(cli_client(cli), &request, &answer, err);
    if (r < 0)
        return r;
    const struct json *deleted = json_get(answer, "NetworksDeleted");
    if (json_count(deleted) == 0)
        return 0;
    printf("Deleted Networks:\n");
    for (size_t i = 0; i < json_count(deleted); i++)
        printf("%s\n", json_string(json_at(deleted, i)));
    printf("\n");
    return 0;
}

const struct command command_network_ls = {
    .name = "network ls",
    .aliases = "network list",
    .usage = "[OPTIONS]",
    .summary = "List networks",
    .options = network_options,
    .flags_size = sizeof(struct network_flags),
    .run = run_network_ls,
};
const struct command command_network_rm = {
    .name = "network rm",
    .aliases = "network remove",
    .usage = "NETWORK [NETWORK...]",
    .summary = "Remove one or more networks",
    .options = remove_options,
    .flags_size = sizeof(struct network_flags),
    .min_arguments = 1,
    .max_arguments = -1,
    .run = run_network_rm,
};
const struct command command_network_prune = {
    .name = "network prune",
    .usage = "[OPTIONS]",
    .summary = "Remove all unused networks",
    .options = prune_options,
    .flags_size = sizeof(struct network_flags),
    .run = run_network_prune,
};
