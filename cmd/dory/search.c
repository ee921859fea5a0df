#include <inttypes.h>
#include <stdio.h>

#include "api/client.h"
#include "cmd/dory/container_create.h"
#include "cmd/dory/filters_query.h"
#include "cmd/dory/listing.h"

#define DESCRIPTION_WIDTH 45

struct search_flags {
    struct strv filters;
    char *format;
    int64_t limit;
    bool no_trunc;
};

#define AT(member) offsetof(struct search_flags, member)
static const struct option search_options[] = {
    {"filter", 'f', OPTION_LIST, AT(filters), "filter", "Filter output based on conditions provided", 0, 0, NULL},
    {"format", 0, OPTION_STRING, AT(format), "string", "Pretty-print search using a Go template", 0, 0, NULL},
    {"limit", 0, OPTION_INT, AT(limit), "int", "Max number of search results", 0, 0, NULL},
    {"no-trunc", 0, OPTION_BOOL, AT(no_trunc), NULL, "Don't truncate output", 0, 0, NULL},
    {0},
};

static const struct listing_header headers[] = {
    {"Description", "DESCRIPTION"}, {"IsAutomated", "AUTOMATED"}, {"IsOfficial", "OFFICIAL"}, {"Name", "NAME"},
    {"StarCount", "STARS"},
};

static int add_row(struct listing *listing, const struct json *result, bool no_trunc, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT, line = STRBUF_INIT;
    struct json_writer w;
    char stars[32];
    const char *description = json_get_string(result, "description");
    json_writer_init(&w, &text);
    json_begin_object(&w);
    for (const char *p = description; p && *p; p++)
        strbuf_addc(&line, *p == '\n' || *p == '\r' ? ' ' : *p);
    CLEANUP_FREE char *shown =
        no_trunc ? xstrdup(strbuf_str(&line)) : format_ellipsis(strbuf_str(&line), DESCRIPTION_WIDTH);
    json_member_string(&w, "Description", shown);
    json_member_string(&w, "IsAutomated", json_get_bool(result, "is_automated", false) ? "[OK]" : "");
    json_member_string(&w, "IsOfficial", json_get_bool(result, "is_official", false) ? "[OK]" : "");
    json_member_string(&w, "Name", json_get_string(result, "name"));
    snprintf(stars, sizeof(stars), "%" PRId64, json_get_int(result, "star_count", 0));
    json_member_string(&w, "StarCount", stars);
    listing_put_no_labels(&w);
    json_end_object(&w);
    return listing_add(listing, &text, err);
}

static int run_search(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct search_flags *flags = data;
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_JSON struct json *results = NULL;
    /* "host/term" is looked for at that registry, with its credentials. */
    CLEANUP_FREE char *auth = registry_auth_header(cli, arguments->items[0]);
    const char *const request_headers[] = {auth, NULL};
    strbuf_adds(&path, "/images/search");
    client_query_add(&path, "term", arguments->items[0]);
    if (flags->limit > 0)
        client_query_add_int(&path, "limit", flags->limit);
    int r = filters_query_add(&path, &flags->filters, err);
    struct client_request request = {.path = strbuf_str(&path), .headers = request_headers};
    if (r == 0)
        r = client_json(cli_client(cli), &request, &results, err);
    if (r < 0)
        return r;
    struct listing listing = {.format = flags->format,
                              .default_table = "table {{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}",
                              .type_name = "*search.searchContext",
                              .headers = headers,
                              .header_count = ARRAY_SIZE(headers)};
    for (size_t i = 0; i < json_count(results) && r == 0; i++)
        r = add_row(&listing, json_at(results, i), flags->no_trunc, err);
    if (r == 0)
        r = listing_print(&listing, err);
    listing_release(&listing);
    return r;
}

const struct command command_search = {
    .name = "search",
    .place = PLACE_COMMON,
    .usage = "[OPTIONS] TERM",
    .summary = "Search a registry for images",
    .options = search_options,
    .flags_size = sizeof(struct search_flags),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_search,
};
