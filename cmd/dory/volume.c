/* volume create, ls, rm, prune. */
#include "api/client.h"
#include "base/units.h"
#include "cmd/dory/each.h"
#include "cmd/dory/filters_query.h"
#include "cmd/dory/listing.h"

struct volume_flags {
    char *driver, *format, *name;
    struct strv labels, options, filters;
    bool quiet, force, all;
};

#define AT(member) offsetof(struct volume_flags, member)
static const struct option create_volume_options[] = {
    {"driver", 'd', OPTION_STRING, AT(driver), "string", "Specify volume driver name (default \"local\")", 0, 0, NULL},
    {"label", 0, OPTION_LIST, AT(labels), "list", "Set metadata for a volume", 0, 0, NULL},
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

static const struct listing_header headers[] = {
    {"Name", "VOLUME NAME"}, {"Driver", "DRIVER"}, {"Scope", "SCOPE"}, {"Mountpoint", "MOUNTPOINT"},
    {"Labels", "LABELS"},    {"Size", "SIZE"},     {"Links", "LINKS"},
};

static int add_row(struct listing *listing, const struct json *volume, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &text);
    json_begin_object(&w);
    static const char *const keys[] = {"Driver", "Mountpoint", "Name", "Scope"};
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        json_member_string(&w, keys[i], json_get_string(volume, keys[i]));
    const struct json *labels = json_get(volume, "Labels");
    CLEANUP_FREE char *label_text = format_labels(labels);
    json_member_string(&w, "Labels", label_text);
    json_member_string(&w, "Links", "N/A");
    json_member_string(&w, "Size", "N/A");
    json_key(&w, "LabelMap");
    if (labels && labels->kind == JSON_OBJECT) {
        json_put_value(&w, labels);
    } else {
        json_begin_object(&w);
        json_end_object(&w);
    }
    json_end_object(&w);
    return listing_add(listing, &text, err);
}

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
    struct listing listing = {.format = flags->quiet && !flags->format ? "{{.Name}}" : flags->format,
                              .default_table = "table {{.Driver}}\t{{.Name}}",
                              .headers = headers,
                              .header_count = ARRAY_SIZE(headers)};
    const struct json *volumes = json_get(answer, "Volumes");
    for (size_t i = 0; i < json_count(volumes) && r == 0; i++)
        r = add_row(&listing, json_at(volumes, i), err);
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

static const struct option prune_options[] = {
    {"all", 'a', OPTION_BOOL, AT(all), NULL, "Remove all unused volumes, not just anonymous ones", 0, 0, NULL},
    {"filter", 0, OPTION_LIST, AT(filters), "filter", "Provide filter values (e.g. \"label=<label>\")", 0, 0, NULL},
    {"force", 'f', OPTION_BOOL, AT(force), NULL, "Do not prompt for confirmation", 0, 0, NULL},
    {0},
};

static int run_prune(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    (void)arguments;
    struct volume_flags *flags = data;
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_JSON struct json *answer = NULL;
    if (!flags->force) {
        printf("WARNING! This will remove %s not used by at least one container.\nAre you sure you want to continue? "
               "[y/N] ",
               flags->all ? "all volumes" : "anonymous local volumes");
        fflush(stdout);
        char line[16];
        if (!fgets(line, sizeof(line), stdin) || (line[0] != 'y' && line[0] != 'Y'))
            return 0;
    }
    if (flags->all)
        strv_add(&flags->filters, "all=true");
    strbuf_adds(&path, "/volumes/prune");
    int r = filters_query_add(&path, &flags->filters, err);
    struct client_request request = {.method = "POST", .path = strbuf_str(&path)};
    if (r == 0)
        r = client_json(cli_client(cli), &request, &answer, err);
    if (r < 0)
        return r;
    const struct json *deleted = json_get(answer, "VolumesDeleted");
    if (json_count(deleted) > 0)
        printf("Deleted Volumes:\n");
    for (size_t i = 0; i < json_count(deleted); i++)
        printf("%s\n", json_string(json_at(deleted, i)));
    char size[32];
    units_size(size, sizeof(size), (double)json_get_int(answer, "SpaceReclaimed", 0));
    printf("%sTotal reclaimed space: %s\n", json_count(deleted) ? "\n" : "", size);
    return 0;
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
const struct command command_volume_prune = {
    .name = "volume prune",
    .usage = "[OPTIONS]",
    .summary = "Remove unused local volumes",
    .options = prune_options,
    .flags_size = sizeof(struct volume_flags),
    .run = run_prune,
};
