#include "api/client.h"
#include "base/units.h"
#include "cmd/dory/command.h"
#include "cmd/dory/filters_query.h"
#include "cmd/dory/listing.h"
#include "cmd/dory/ports_format.h"

#define COMMAND_WIDTH 20

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

/* "/a" and "/a/b": with no_trunc links are shown too, else the container's own name only. */
static void add_names(struct json_writer *w, const struct json *names, bool no_trunc)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    for (size_t i = 0; i < json_count(names); i++) {
        const char *name = json_string(json_at(names, i));
        name += name[0] == '/';
        if (!no_trunc && strchr(name, '/'))
            continue;
        strbuf_addf(&text, "%s%s", text.size ? "," : "", name);
    }
    json_member_string(w, "Names", strbuf_str(&text));
}

static void add_mounts(struct json_writer *w, const struct json *mounts, bool no_trunc)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    int64_t local = 0;
    for (size_t i = 0; i < json_count(mounts); i++) {
        const struct json *mount = json_at(mounts, i);
        const char *name = json_get_string(mount, "Name");
        if (!name || !*name)
            name = json_get_string(mount, "Source");
        CLEANUP_FREE char *shown = no_trunc ? xstrdup(name ? name : "") : format_ellipsis(name ? name : "", 15);
        strbuf_addf(&text, "%s%s", i ? "," : "", shown);
        const char *driver = json_get_string(mount, "Driver");
        local += driver && strcmp(driver, "local") == 0;
    }
    json_member_string(w, "Mounts", strbuf_str(&text));
    CLEANUP_FREE char *count = xasprintf("%d", (int)local);
    json_member_string(w, "LocalVolumes", count);
}

static void add_networks(struct json_writer *w, const struct json *row)
{
    const struct json *networks = json_get(json_get(row, "NetworkSettings"), "Networks");
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    for (size_t i = 0; networks && networks->kind == JSON_OBJECT && i < networks->object.count; i++)
        strbuf_addf(&text, "%s%s", i ? "," : "", networks->object.keys[i]);
    json_member_string(w, "Networks", strbuf_str(&text));
}

static void add_size(struct json_writer *w, const struct json *row)
{
    char rw[32], root[32];
    int64_t virtual_size = json_get_int(row, "SizeRootFs", 0);
    units_size_precision(rw, sizeof(rw), (double)json_get_int(row, "SizeRw", 0), 3);
    units_size_precision(root, sizeof(root), (double)virtual_size, 3);
    CLEANUP_FREE char *text = virtual_size > 0 ? xasprintf("%s (virtual %s)", rw, root) : xstrdup(rw);
    json_member_string(w, "Size", text);
}

static void add_command(struct json_writer *w, const struct json *row, bool no_trunc)
{
    const char *command = json_get_string(row, "Command");
    CLEANUP_FREE char *shown =
        no_trunc ? xstrdup(command ? command : "") : format_ellipsis(command ? command : "", COMMAND_WIDTH);
    CLEANUP_STRBUF struct strbuf quoted = STRBUF_INIT;
    strbuf_addf(&quoted, "\"%s\"", shown);
    json_member_string(w, "Command", strbuf_str(&quoted));
}

static int add_row(struct listing *listing, const struct json *row, const struct ps_flags *flags, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    char id[13], ago[80];
    json_writer_init(&w, &text);
    json_begin_object(&w);
    add_command(&w, row, flags->no_trunc);
    format_ago(ago, sizeof(ago), json_get_int(row, "Created", 0));
    json_member_string(&w, "RunningFor", ago);
    json_member_string(&w, "CreatedAt", ago);
    json_member_string(&w, "ID", format_id(json_get_string(row, "Id"), flags->no_trunc, id));
    const char *image = json_get_string(row, "Image");
    char short_image[13];
    bool by_id = image && strncmp(image, "sha256:", 7) == 0;
    json_member_string(&w, "Image", by_id ? format_id(image, flags->no_trunc, short_image) : image);
    const struct json *labels = json_get(row, "Labels");
    CLEANUP_FREE char *label_text = format_labels(labels);
    json_member_string(&w, "Labels", label_text);
    json_key(&w, "LabelMap");
    if (labels && labels->kind == JSON_OBJECT) {
        json_put_value(&w, labels);
    } else {
        json_begin_object(&w);
        json_end_object(&w);
    }
    add_mounts(&w, json_get(row, "Mounts"), flags->no_trunc);
    add_names(&w, json_get(row, "Names"), flags->no_trunc);
    add_networks(&w, row);
    CLEANUP_FREE char *ports = ports_format(json_get(row, "Ports"));
    json_member_string(&w, "Ports", ports);
    add_size(&w, row);
    json_member_string(&w, "State", json_get_string(row, "State"));
    json_member_string(&w, "Status", json_get_string(row, "Status"));
    json_end_object(&w);
    return listing_add(listing, &text, err);
}

static const struct listing_header headers[] = {
    {"ID", "CONTAINER ID"},
    {"Names", "NAMES"},
    {"Image", "IMAGE"},
    {"Command", "COMMAND"},
    {"CreatedAt", "CREATED AT"},
    {"RunningFor", "CREATED"},
    {"Ports", "PORTS"},
    {"State", "STATE"},
    {"Status", "STATUS"},
    {"Size", "SIZE"},
    {"Labels", "LABELS"},
    {"Mounts", "MOUNTS"},
    {"LocalVolumes", "LOCAL VOLUMES"},
    {"Networks", "NETWORKS"},
};

static int run_ps(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    (void)arguments;
    struct ps_flags *flags = data;
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_JSON struct json *rows = NULL;
    bool size = flags->size || (flags->format && strstr(flags->format, ".Size"));
    strbuf_adds(&path, "/containers/json");
    client_query_add_bool(&path, "all", flags->all || flags->latest || flags->last >= 0);
    if (flags->latest || flags->last > 0)
        client_query_add_int(&path, "limit", flags->latest ? 1 : flags->last);
    client_query_add_bool(&path, "size", size);
    int r = filters_query_add(&path, &flags->filters, err);
    if (r == 0)
        r = client_json(cli_client(cli), &(struct client_request){.path = strbuf_str(&path)}, &rows, err);
    if (r < 0)
        return r;
    struct listing listing = {
        .format = flags->quiet && !flags->format ? "{{.ID}}" : flags->format,
        .default_table = size ? "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t"
                                "{{.Names}}\t{{.Size}}"
                              : "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t"
                                "{{.Names}}",
        .headers = headers,
        .header_count = ARRAY_SIZE(headers)};
    for (size_t i = 0; i < json_count(rows) && r == 0; i++)
        r = add_row(&listing, json_at(rows, i), flags, err);
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
