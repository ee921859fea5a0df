/* system df: a table of kinds, or with -v everything in tables of its own. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/client.h"
#include "base/units.h"
#include "cmd/dory/container_row.h"
#include "cmd/dory/filters_query.h"
#include "cmd/dory/image_row.h"
#include "cmd/dory/template.h"
#include "cmd/dory/volume_row.h"

struct df_flags {
    char *format;
    bool verbose;
};

#define AT(member) offsetof(struct df_flags, member)
static const struct option df_options[] = {
    {"format", 0, OPTION_STRING, AT(format), "string",
     "Format output using a custom template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'", 0, 0, NULL},
    {"verbose", 'v', OPTION_BOOL, AT(verbose), NULL, "Show detailed information on space usage", 0, 0, NULL},
    {0},
};

static const struct listing_header headers[] = {
    {"Active", "ACTIVE"}, {"Reclaimable", "RECLAIMABLE"}, {"Size", "SIZE"}, {"TotalCount", "TOTAL"}, {"Type", "TYPE"},
};

/* What there is of one kind. */
struct usage {
    int64_t total, active, size, used;
    bool percent; /* of the reclaimable part is shown */
};

static int add_usage(struct listing *listing, const char *type, const struct usage *usage, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    char number[32], size[32];
    int64_t reclaimable = usage->size > usage->used ? usage->size - usage->used : 0;
    json_writer_init(&w, &text);
    json_begin_object(&w);
    snprintf(number, sizeof(number), "%" PRId64, usage->active);
    json_member_string(&w, "Active", number);
    snprintf(number, sizeof(number), "%" PRId64, usage->total);
    json_member_string(&w, "TotalCount", number);
    json_member_string(&w, "Type", type);
    units_size(size, sizeof(size), (double)usage->size);
    json_member_string(&w, "Size", size);
    units_size(size, sizeof(size), (double)reclaimable);
    CLEANUP_FREE char *part = usage->percent && usage->size > 0
                                  ? xasprintf("%s (%d%%)", size, (int)(reclaimable * 100 / usage->size))
                                  : xstrdup(size);
    json_member_string(&w, "Reclaimable", part);
    listing_put_no_labels(&w);
    json_end_object(&w);
    return listing_add(listing, &text, err);
}

static struct usage of_images(const struct json *df)
{
    const struct json *images = json_get(df, "Images");
    struct usage u = {.total = (int64_t)json_count(images), .size = json_get_int(df, "LayersSize", 0), .percent = true};
    for (size_t i = 0; i < json_count(images); i++) {
        const struct json *image = json_at(images, i);
        int64_t size = json_get_int(image, "Size", 0), shared = json_get_int(image, "SharedSize", 0);
        if (json_get_int(image, "Containers", 0) <= 0)
            continue;
        u.active++;
        u.used += size > shared && shared >= 0 ? size - shared : size < 0 ? 0 : size - (shared > 0 ? shared : 0);
    }
    return u;
}

static struct usage of_containers(const struct json *df)
{
    const struct json *containers = json_get(df, "Containers");
    struct usage u = {.total = (int64_t)json_count(containers), .percent = true};
    for (size_t i = 0; i < json_count(containers); i++) {
        const char *state = json_get_string(json_at(containers, i), "State");
        int64_t size = json_get_int(json_at(containers, i), "SizeRw", 0);
        bool active = state && (strcmp(state, "running") == 0 || strcmp(state, "paused") == 0 ||
                                strcmp(state, "restarting") == 0);
        u.active += active;
        u.size += size;
        u.used += active ? size : 0;
    }
    return u;
}

static struct usage of_volumes(const struct json *df)
{
    const struct json *volumes = json_get(df, "Volumes");
    struct usage u = {.total = (int64_t)json_count(volumes), .percent = true};
    for (size_t i = 0; i < json_count(volumes); i++) {
        const struct json *data = json_get(json_at(volumes, i), "UsageData");
        int64_t size = json_get_int(data, "Size", 0);
        bool active = json_get_int(data, "RefCount", 0) > 0;
        u.active += active;
        u.size += size > 0 ? size : 0;
        u.used += active && size > 0 ? size : 0;
    }
    return u;
}

static struct usage of_build_cache(const struct json *df)
{
    const struct json *records = json_get(df, "BuildCache");
    struct usage u = {.total = (int64_t)json_count(records)};
    for (size_t i = 0; i < json_count(records); i++) {
        int64_t size =
            json_get_bool(json_at(records, i), "Shared", false) ? 0 : json_get_int(json_at(records, i), "Size", 0);
        bool active = json_get_bool(json_at(records, i), "InUse", false);
        u.active += active;
        u.size += size;
        u.used += active ? size : 0;
    }
    return u;
}

static int show_summary(const struct json *df, const char *format, struct error *err)
{
    struct listing listing = {.format = format,
                              .default_table =
                                  "table {{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
                              .type_name = "*formatter.diskUsageImagesContext",
                              .headers = headers,
                              .header_count = ARRAY_SIZE(headers)};
    const struct {
        const char *type;
        struct usage usage;
    } kinds[] = {{"Images", of_images(df)},
                 {"Containers", of_containers(df)},
                 {"Local Volumes", of_volumes(df)},
                 {"Build Cache", of_build_cache(df)}};
    int r = 0;
    for (size_t i = 0; i < ARRAY_SIZE(kinds) && r == 0; i++)
        r = add_usage(&listing, kinds[i].type, &kinds[i].usage, err);
    if (r == 0)
        r = listing_print(&listing, err);
    listing_release(&listing);
    return r;
}

static int add_images(struct listing *listing, const struct json *df, const struct row_options *options,
                      struct error *err)
{
    const struct json *images = json_get(df, "Images");
    int r = 0;
    for (size_t i = 0; i < json_count(images) && r == 0; i++)
        r = image_row_add(listing, json_at(images, i), options, err);
    return r;
}

static int add_containers(struct listing *listing, const struct json *df, const struct row_options *options,
                          struct error *err)
{
    const struct json *containers = json_get(df, "Containers");
    int r = 0;
    for (size_t i = 0; i < json_count(containers) && r == 0; i++)
        r = container_row_add(listing, json_at(containers, i), options, err);
    return r;
}

static int add_volumes(struct listing *listing, const struct json *df, const struct row_options *options,
                       struct error *err)
{
    (void)options;
    const struct json *volumes = json_get(df, "Volumes");
    int r = 0;
    for (size_t i = 0; i < json_count(volumes) && r == 0; i++)
        r = volume_row_add(listing, json_at(volumes, i), err);
    return r;
}

static const struct listing_header cache_headers[] = {
    {"CacheType", "CACHE TYPE"},    {"CreatedSince", "CREATED"}, {"ID", "CACHE ID"},
    {"LastUsedSince", "LAST USED"}, {"Shared", "SHARED"},        {"Size", "SIZE"},
    {"UsageCount", "USAGE"},
};

static int add_build_cache(struct listing *listing, const struct json *df, const struct row_options *options,
                           struct error *err)
{
    const struct json *records = json_get(df, "BuildCache");
    int r = 0;
    for (size_t i = 0; i < json_count(records) && r == 0; i++) {
        const struct json *record = json_at(records, i);
        CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
        struct json_writer w;
        char size[32], id[13], number[32], created[80], used[80];
        CLEANUP_FREE char *name = xasprintf("%s%s", format_id(json_get_string(record, "ID"), options->no_trunc, id),
                                            json_get_bool(record, "InUse", false) ? "*" : "");
        json_writer_init(&w, &text);
        json_begin_object(&w);
        json_member_string(&w, "CacheType", json_get_string(record, "Type"));
        format_time_ago(created, sizeof(created), json_get_string(record, "CreatedAt"));
        json_member_string(&w, "CreatedSince", created);
        json_member_string(&w, "ID", name);
        format_time_ago(used, sizeof(used), json_get_string(record, "LastUsedAt"));
        json_member_string(&w, "LastUsedSince", used);
        json_member_string(&w, "Shared", json_get_bool(record, "Shared", false) ? "true" : "false");
        units_size_precision(size, sizeof(size), (double)json_get_int(record, "Size", 0), 3);
        json_member_string(&w, "Size", size);
        snprintf(number, sizeof(number), "%" PRId64, json_get_int(record, "UsageCount", 0));
        json_member_string(&w, "UsageCount", number);
        listing_put_no_labels(&w);
        json_end_object(&w);
        r = listing_add(listing, &text, err);
    }
    return r;
}

/* The parts of -v, each with a title of its own. */
static const struct part {
    const char *name, *title, *table;
    const struct listing_header *headers;
    const size_t *header_count;
    int (*add)(struct listing *listing, const struct json *df, const struct row_options *options, struct error *err);
} parts[] = {
    {"Images", "Images space usage:\n\n",
     "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t"
     "{{.Containers}}",
     image_headers, &image_header_count, add_images},
    {"Containers", "\nContainers space usage:\n\n",
     "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}",
     container_headers, &container_header_count, add_containers},
    {"Volumes", "\nLocal Volumes space usage:\n\n", "table {{.Name}}\t{{.Links}}\t{{.Size}}", volume_headers,
     &volume_header_count, add_volumes},
    {"BuildCache", NULL,
     "table {{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.CreatedSince}}\t{{.LastUsedSince}}\t{{.UsageCount}}\t{{.Shared}}",
     cache_headers, &(const size_t){ARRAY_SIZE(cache_headers)}, add_build_cache},
};

static int show_tables(const struct json *df, struct error *err)
{
    int r = 0;
    for (size_t i = 0; i < ARRAY_SIZE(parts) && r == 0; i++) {
        struct listing listing = {
            .default_table = parts[i].table, .headers = parts[i].headers, .header_count = *parts[i].header_count};
        char size[32];
        units_size(size, sizeof(size), (double)of_build_cache(df).size);
        if (parts[i].title)
            printf("%s", parts[i].title);
        else
            printf("\nBuild cache usage: %s\n\n", size);
        r = parts[i].add(&listing, df, &(struct row_options){.first_name = true, .no_virtual = true}, err);
        if (r == 0)
            r = listing_print(&listing, err);
        listing_release(&listing);
    }
    return r;
}

/* One object of lists of rows for a template. */
static int show_template(const struct json *df, const char *format, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT, out = STRBUF_INIT;
    CLEANUP_JSON struct json *tree = NULL;
    const struct row_options options = {.no_trunc = true, .first_name = true, .no_virtual = true};
    strbuf_addc(&text, '{');
    int r = 0;
    for (size_t i = 0; i < ARRAY_SIZE(parts) && r == 0; i++) {
        struct listing listing = {0};
        r = parts[i].add(&listing, df, &options, err);
        strbuf_addf(&text, "%s\"%s\":", i ? "," : "", parts[i].name);
        listing_print_rows(&listing, &text);
        listing_release(&listing);
    }
    strbuf_addc(&text, '}');
    if (r == 0)
        r = json_parse(strbuf_str(&text), text.size, &tree, err);
    if (r == 0)
        r = template_render(strcmp(format, "json") == 0 ? "{{json .}}" : format, tree,
                            &(struct template_options){.typed = true}, &out, err);
    if (r == 0)
        printf("%s", strbuf_str(&out));
    return r;
}

static int run_df(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    (void)arguments;
    const struct df_flags *flags = data;
    CLEANUP_JSON struct json *df = NULL;
    int r = client_json(cli_client(cli), &(struct client_request){.path = "/system/df"}, &df, err);
    if (r < 0)
        return r;
    bool custom = flags->format && *flags->format && strcmp(flags->format, "table") != 0;
    if (!flags->verbose)
        return show_summary(df, flags->format, err);
    return custom ? show_template(df, flags->format, err) : show_tables(df, err);
}

const struct command command_system_df = {
    .name = "system df",
    .usage = "[OPTIONS]",
    .summary = "Show disk usage",
    .options = df_options,
    .flags_size = sizeof(struct df_flags),
    .run = run_df,
};
