#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "api/client.h"
#include "base/timestamp.h"
#include "base/units.h"
#include "cmd/dory/filters_query.h"
#include "cmd/dory/listing.h"

#define CREATED_BY_WIDTH 45

struct history_flags {
    char *format, *platform;
    bool human, no_trunc, quiet;
};

#define AT(member) offsetof(struct history_flags, member)
static const struct option history_options[] = {
    {"format", 0, OPTION_STRING, AT(format), "string",
     "Format output using a custom template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'", 0, 0, NULL},
    {"human", 'H', OPTION_BOOL, AT(human), NULL, "Print sizes and dates in human readable format (default true)", 0, 0,
     NULL},
    {"no-trunc", 0, OPTION_BOOL, AT(no_trunc), NULL, "Don't truncate output", 0, 0, NULL},
    {"platform", 0, OPTION_STRING, AT(platform), "string",
     "Show history for the given platform. Formatted as \"os[/arch[/variant]]\" (e.g., \"linux/amd64\")", 0, 0, NULL},
    {"quiet", 'q', OPTION_BOOL, AT(quiet), NULL, "Only show image IDs", 0, 0, NULL},
    {0},
};

static void history_defaults(void *flags)
{
    ((struct history_flags *)flags)->human = true;
}

static const struct listing_header headers[] = {
    {"Comment", "COMMENT"},
    {"CreatedAt", "CREATED AT"},
    {"CreatedBy", "CREATED BY"},
    {"CreatedSince", "CREATED"},
    {"ID", "IMAGE"},
    {"Size", "SIZE"},
};

/* Seconds as RFC 3339 in the local time zone. */
static void format_local(char *buf, size_t size, int64_t seconds)
{
    time_t t = (time_t)seconds;
    struct tm tm;
    char zone[16];
    if (!localtime_r(&t, &tm)) {
        snprintf(buf, size, "N/A");
        return;
    }
    strftime(zone, sizeof(zone), "%z", &tm);
    size_t n = strftime(buf, size, "%Y-%m-%dT%H:%M:%S", &tm);
    if (strcmp(zone, "+0000") == 0)
        snprintf(buf + n, size - n, "Z");
    else
        snprintf(buf + n, size - n, "%.3s:%s", zone, zone + 3);
}

static int add_row(struct listing *listing, const struct json *layer, const struct history_flags *flags,
                   struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT, by = STRBUF_INIT;
    struct json_writer w;
    char id[13], ago[80], at[64], size[32];
    int64_t created = json_get_int(layer, "Created", 0);
    const char *created_by = json_get_string(layer, "CreatedBy");
    json_writer_init(&w, &text);
    json_begin_object(&w);
    json_member_string(&w, "Comment", json_get_string(layer, "Comment"));
    format_local(at, sizeof(at), created);
    json_member_string(&w, "CreatedAt", at);
    for (const char *p = created_by; p && *p; p++)
        strbuf_addc(&by, *p == '\t' ? ' ' : *p);
    CLEANUP_FREE char *shown =
        flags->no_trunc ? xstrdup(strbuf_str(&by)) : format_ellipsis(strbuf_str(&by), CREATED_BY_WIDTH);
    json_member_string(&w, "CreatedBy", shown);
    format_ago(ago, sizeof(ago), created);
    json_member_string(&w, "CreatedSince", created <= 0 ? "N/A" : flags->human ? ago : at);
    const char *image = json_get_string(layer, "Id");
    json_member_string(&w, "ID",
                       image && strcmp(image, "<missing>") == 0 ? image : format_id(image, flags->no_trunc, id));
    if (flags->human)
        units_size_precision(size, sizeof(size), (double)json_get_int(layer, "Size", 0), 3);
    else
        snprintf(size, sizeof(size), "%" PRId64, json_get_int(layer, "Size", 0));
    json_member_string(&w, "Size", size);
    listing_put_no_labels(&w);
    json_end_object(&w);
    return listing_add(listing, &text, err);
}

static int run_history(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct history_flags *flags = data;
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_JSON struct json *layers = NULL;
    strbuf_adds(&path, "/images/");
    client_path_escape(&path, arguments->items[0]);
    strbuf_adds(&path, "/history");
    client_query_add(&path, "platform", flags->platform);
    int r = client_json(cli_client(cli), &(struct client_request){.path = strbuf_str(&path)}, &layers, err);
    if (r < 0)
        return r;
    struct listing listing = {
        .format = flags->quiet ? "{{.ID}}" : flags->format,
        .default_table = flags->human ? "table {{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
                                      : "table {{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
        .type_name = "*formatter.historyContext",
        .headers = headers,
        .header_count = ARRAY_SIZE(headers)};
    for (size_t i = 0; i < json_count(layers) && r == 0; i++)
        r = add_row(&listing, json_at(layers, i), flags, err);
    if (r == 0)
        r = listing_print(&listing, err);
    listing_release(&listing);
    return r;
}

const struct command command_history = {
    .name = "history",
    .aliases = "image history",
    .usage = "[OPTIONS] IMAGE",
    .summary = "Show the history of an image",
    .options = history_options,
    .flags_size = sizeof(struct history_flags),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_history,
    .defaults = history_defaults,
};
