/* network ls; what else networks can do is refused by the daemon with its reason. */
#include "api/client.h"
#include "cmd/dory/command.h"
#include "cmd/dory/filters_query.h"
#include "cmd/dory/listing.h"

struct network_flags {
    bool no_trunc, quiet;
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
    {"ID", "NETWORK ID"},
    {"Name", "NAME"},
    {"Driver", "DRIVER"},
    {"Scope", "SCOPE"},
};

static int add_row(struct listing *listing, const struct json *network, bool no_trunc, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    char id[13];
    json_writer_init(&w, &text);
    json_begin_object(&w);
    json_member_string(&w, "Driver", json_get_string(network, "Driver"));
    json_member_string(&w, "ID", format_id(json_get_string(network, "Id"), no_trunc, id));
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

const struct command command_network_ls = {
    .name = "network ls",
    .aliases = "network list",
    .usage = "[OPTIONS]",
    .summary = "List networks",
    .options = network_options,
    .flags_size = sizeof(struct network_flags),
    .run = run_network_ls,
};
