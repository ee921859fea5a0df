/* volume create, ls, rm. */
#include "api/client.h"
#include "cmd/dory/container_flags_check.h"
#include "cmd/dory/each.h"
#include "cmd/dory/filters_query.h"
#include "cmd/dory/volume_row.h"

struct volume_flags {
    char *driver, *format, *name;
    struct strv labels, options, filters;
    bool quiet, force;
};

#define AT(member) offsetof(struct volume_flags, member)
static const struct option create_volume_options[] = {
    {"driver", 'd', OPTION_STRING, AT(driver), "string", "Specify volume driver name (default \"local\")", 0, 0, NULL},
    {"label", 0, OPTION_LIST, AT(labels), "list", "Set metadata for a volume", 0, 0, check_label},
    {"name", 0, OPTION_STRING, AT(name), "string", "Specify volume name", OPTION_HIDDEN, 0, NULL},
    {"opt", 'o', OPTION_LIST, AT(options), "map", "Set driver specific options", 0, 0, NULL},
    {0},
};

static void write_map(struct json_writer *w, const char *key, const struct strv *entries)
{
    json_key(w, key);
    json_begin_object(w);
    for (size_t i = 0; i < entries->count; i++) {
        const char *equals = strchr(entries->items[i], '=');
        CLEANUP_FREE char *name =
            equals ? xstrndup(entries->items[i], (size_t)(equals - entries->items[i])) : xstrdup(entries->items[i]);
        json_member_string(w, name, equals ? equals + 1 : "");
    }
    json_end_object(w);
}

static int run_create_volume(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct volume_flags *flags = data;
    CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
    CLEANUP_JSON struct json *answer = NULL;
    const char *name = arguments->count ? arguments->items[0] : flags->name;
    if (arguments->count && flags->name)
        return error_set(
            err, ERROR_INVALID, 0,
            "conflicting options: cannot specify a volume-name through both --name and as a positional arg");
    struct json_writer w;
    json_writer_init(&w, &body);
    json_begin_object(&w);
    if (name)
        json_member_string(&w, "Name", name);
    json_member_string(&w, "Driver", flags->driver ? flags->driver : "local");
    write_map(&w, "DriverOpts", &flags->options);
    write_map(&w, "Labels", &flags->labels);
    json_end_object(&w);
    struct client_request request = {
        .method = "POST", .path = "/volumes/create", .body = body.data, .body_size = body.size};
    int r = client_json(cli_client(cli), &request, &answer, err);
    if (r == 0)
        printf("%s\n", json_get_string(answer, "Name"));
    return r;
}

static const struct option list_options[] = {
    {"filter", 'f', OPTION_LIST, AT(filters), "filter", "Provide filter values (e.g. \"dangling=true\")", 0, 0, NULL},
    {"format", 0, OPTION_STRING, AT(format), "string",
     "Format output using a custom template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'", 0, 0, NULL},
    {"quiet", 'q', OPTION_BOOL, AT(quiet), NULL, "Only display volume names", 0, 0, NULL},
    {0},
};

static int run_list(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    (void)arguments;
    const struct volume_flags *flags = data;
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_JSON struct json *answer = NULL;
    strbuf_adds(&path, "/volumes");
    int r = filters_query_add(&path, &flags->filters, err);
    if (r == 0)
        r = client_json(cli_client(cli), &(struct client_request){.path = strbuf_str(&path)}, &answer, err);
    if (r < 0)
        return r;
    CLEANUP_FREE char *format = listing_format(cli, flags->format, flags->quiet, "volumesFormat");
    struct listing listing = {.format = flags->quiet ? "{{.Name}}" : format,
                              .default_table = "table {{.Driver}}\t{{.Name}}",
                              .raw = flags->quiet ? NULL : "name: {{.Name}}\ndriver: {{.Driver}}\n",
                              .type_name = "*formatter.volumeContext",
                              .headers = volume_headers,
                              .header_count = volume_header_count};
    const struct json *volumes = json_get(answer, "Volumes");
    for (size_t i = 0; i < json_count(volumes) && r == 0; i++)
        r = volume_row_add(&listing, json_at(volumes, i), err);
    if (r == 0)
        r = listing_print(&listing, err);
    listing_release(&listing);
    return r;
}

static const struct option remove_options[] = {
    {"force", 'f', OPTION_BOOL, AT(force), NULL, "Force the removal of one or more volumes", 0, 0, NULL},
    {0},
};

static int remove_one(struct cli *cli, const char *name, void *data, struct error *err)
{
    const struct volume_flags *flags = data;
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    int r = name_check("volume", name, err);
    if (r < 0)
        return r;
    strbuf_adds(&path, "/volumes/");
    client_path_escape(&path, name);
    client_query_add_bool(&path, "force", flags->force);
    struct client_request request = {.method = "DELETE", .path = strbuf_str(&path)};
    return client_call(cli_client(cli), &request, NULL, NULL, NULL, err);
}

static int run_remove(struct cli *cli, void *flags, const struct strv *arguments, struct error *err)
{
    (void)err;
    return for_each_argument(cli, arguments, remove_one, flags);
}

const struct command command_volume_create = {
    .name = "volume create",
    .usage = "[OPTIONS] [VOLUME]",
    .summary = "Create a volume",
    .options = create_volume_options,
    .flags_size = sizeof(struct volume_flags),
    .max_arguments = 1,
    .run = run_create_volume,
};
const struct command command_volume_ls = {
    .name = "volume ls",
    .aliases = "volume list",
    .usage = "[OPTIONS]",
    .summary = "List volumes",
    .options = list_options,
    .flags_size = sizeof(struct volume_flags),
    .run = run_list,
};
const struct command command_volume_rm = {
    .name = "volume rm",
    .aliases = "volume remove",
    .usage = "[OPTIONS] VOLUME [VOLUME...]",
    .summary = "Remove one or more volumes",
    .options = remove_options,
    .flags_size = sizeof(struct volume_flags),
    .min_arguments = 1,
    .max_arguments = -1,
    .run = run_remove,
};
