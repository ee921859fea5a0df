#include "api/client.h"
#include "cmd/dory/command.h"
#include "cmd/dory/container_row.h"
#include "cmd/dory/filters_query.h"

struct ps_flags {
    bool all, latest, no_trunc, quiet, size;
    int64_t last;
    struct strv filters;
    char *format;
};

#define AT(member) offsetof(struct ps_flags, member)
static const struct option ps_options[] = {
    {"all", 'a', OPTION_BOOL, AT(all), NULL, "Show all containers (default shows just running)", 0, 0, NULL},
    {"filter", 'f', OPTION_LIST, AT(filters), "filter", "Filter output based on conditions provided", 0, 0, NULL},
    {"format", 0, OPTION_STRING, AT(format), "string",
     "Format output using a custom template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'", 0, 0, NULL},
    {"last", 'n', OPTION_INT, AT(last), "int", "Show n last created containers (includes all states) (default -1)", 0,
     0, NULL},
    {"latest", 'l', OPTION_BOOL, AT(latest), NULL, "Show the latest created container (includes all states)", 0, 0,
     NULL},
    {"no-trunc", 0, OPTION_BOOL, AT(no_trunc), NULL, "Don't truncate output", 0, 0, NULL},
    {"quiet", 'q', OPTION_BOOL, AT(quiet), NULL, "Only display container IDs", 0, 0, NULL},
    {"size", 's', OPTION_BOOL, AT(size), NULL, "Display total file sizes", 0, 0, NULL},
    {0},
};

static void ps_defaults(void *flags)
{
    ((struct ps_flags *)flags)->last = -1;
}

/* Sizes cost the daemon a walk over the files: they are asked for when they will be shown. */
static bool shows_size(const char *format)
{
    return format && (strstr(format, ".Size") || strstr(format, "json ."));
}

static int run_ps(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    (void)arguments;
    struct ps_flags *flags = data;
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_JSON struct json *rows = NULL;
    CLEANUP_FREE char *format = listing_format(cli, flags->format, flags->quiet, "psFormat");
    bool size = flags->size || shows_size(format);
    strbuf_adds(&path, "/containers/json");
    client_query_add_bool(&path, "all", flags->all || flags->latest || flags->last > 0);
    if (flags->latest || flags->last > 0)
        client_query_add_int(&path, "limit", flags->latest ? 1 : flags->last);
    client_query_add_bool(&path, "size", size);
    int r = filters_query_add(&path, &flags->filters, err);
    if (r == 0)
        r = client_json(cli_client(cli), &(struct client_request){.path = strbuf_str(&path)}, &rows, err);
    if (r < 0)
        return r;
    struct listing listing = {
        .format = flags->quiet ? "{{.ID}}" : format,
        .default_table = flags->size ? "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t"
                                       "{{.Ports}}\t{{.Names}}\t{{.Size}}"
                                     : "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t"
                                       "{{.Ports}}\t{{.Names}}",
        .raw = flags->quiet ? NULL
                            : "container_id: {{.ID}}\nimage: {{.Image}}\ncommand: {{.Command}}\ncreated_at: "
                              "{{.CreatedAt}}\nstate: {{.State}}\nstatus: {{.Status}}\nnames: {{.Names}}\nlabels: "
                              "{{.Labels}}\nports: {{.Ports}}\n",
        .type_name = "*formatter.ContainerContext",
        .parse_error = "failed to parse template",
        .execute_error = "failed to execute template",
        .headers = container_headers,
        .header_count = container_header_count};
    for (size_t i = 0; i < json_count(rows) && r == 0; i++)
        r = container_row_add(&listing, json_at(rows, i), &(struct row_options){.no_trunc = flags->no_trunc}, err);
    if (r == 0)
        r = listing_print(&listing, err);
    listing_release(&listing);
    return r;
}

const struct command command_ps = {
    .name = "ps",
    .place = PLACE_COMMON,
    .aliases = "container ls,container list,container ps",
    .usage = "[OPTIONS]",
    .summary = "List containers",
    .options = ps_options,
    .flags_size = sizeof(struct ps_flags),
    .run = run_ps,
    .defaults = ps_defaults,
};
