/* network ls, rm. */
#include <string.h>

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
    {"CreatedAt", "CREATED AT"}, {"Driver", "DRIVER"}, {"ID", "NETWORK ID"}, {"IPv4", "IPV4"},   {"IPv6", "IPV6"},
    {"Internal", "INTERNAL"},    {"Labels", "LABELS"}, {"Name", "NAME"},     {"Scope", "SCOPE"},
};

/* "2026-01-02T03:04:05.6Z" as Go prints a time: "2026-01-02 03:04:05.6 +0000 UTC". */
static void put_created(struct json_writer *w, const char *created)
{
    CLEANUP_FREE char *text = xstrdup(created ? created : "");
    size_t size = strlen(text);
    if (size > 11 && text[10] == 'T' && text[size - 1] == 'Z') {
        text[10] = ' ';
        text[size - 1] = '\0';
        CLEANUP_FREE char *shown = xasprintf("%s +0000 UTC", text);
        json_member_string(w, "CreatedAt", shown);
    } else {
        json_member_string(w, "CreatedAt", text);
    }
}

static int add_row(struct listing *listing, const struct json *network, bool no_trunc, struct error *err)
{
    static const char *const keys[] = {"Driver", "Name", "Scope"};
    static const struct {
        const char *shown, *member;
    } flags[] = {{"IPv4", "EnableIPv4"}, {"IPv6", "EnableIPv6"}, {"Internal", "Internal"}};
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    char id[13];
    json_writer_init(&w, &text);
    json_begin_object(&w);
    put_created(&w, json_get_string(network, "Created"));
    json_member_string(&w, "ID", format_id(json_get_string(network, "Id"), no_trunc, id));
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        json_member_string(&w, keys[i], json_get_string(network, keys[i]));
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
        json_member_string(&w, flags[i].shown, json_get_bool(network, flags[i].member, false) ? "true" : "false");
    listing_put_labels(&w, json_get(network, "Labels"));
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
    CLEANUP_FREE char *format = listing_format(cli, flags->format, flags->quiet, "networksFormat");
    struct listing listing = {.format = flags->quiet ? "{{.ID}}" : format,
                              .raw = flags->quiet ? NULL
                                                  : "network_id: {{.ID}}\nname: {{.Name}}\ndriver: {{.Driver}}\n"
                                                    "scope: {{.Scope}}\n",
                              .type_name = "*network.networkContext",
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
    struct error failed = {0};
    int r = name_check("network", name, err);
    if (r < 0)
        return r;
    strbuf_adds(&path, "/networks/");
    client_path_escape(&path, name);
    struct client_request request = {.method = "DELETE", .path = strbuf_str(&path)};
    r = client_call(cli_client(cli), &request, NULL, NULL, NULL, &failed);
    if (r < 0 && flags->force && failed.kind == ERROR_NOT_FOUND)
        return 1;
    return r < 0 ? error_propagate(err, &failed) : 0;
}

static int run_network_rm(struct cli *cli, void *flags, const struct strv *arguments, struct error *err)
{
    (void)err;
    return for_each_argument(cli, arguments, remove_one, flags);
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
