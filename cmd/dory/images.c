#include <unistd.h>

#include "api/client.h"
#include "cmd/dory/command.h"
#include "cmd/dory/filters_query.h"
#include "cmd/dory/image_row.h"
#include "cmd/dory/image_tree.h"

struct images_flags {
    bool all, digests, no_trunc, quiet, tree;
    struct strv filters;
    char *format;
};

#define AT(member) offsetof(struct images_flags, member)
static const struct option images_options[] = {
    {"all", 'a', OPTION_BOOL, AT(all), NULL, "Show all images (default hides intermediate images)", 0, 0, NULL},
    {"digests", 0, OPTION_BOOL, AT(digests), NULL, "Show digests", 0, 0, NULL},
    {"filter", 'f', OPTION_LIST, AT(filters), "filter", "Filter output based on conditions provided", 0, 0, NULL},
    {"format", 0, OPTION_STRING, AT(format), "string",
     "Format output using a custom template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'", 0, 0, NULL},
    {"no-trunc", 0, OPTION_BOOL, AT(no_trunc), NULL, "Don't truncate output", 0, 0, NULL},
    {"quiet", 'q', OPTION_BOOL, AT(quiet), NULL, "Only show image IDs", 0, 0, NULL},
    {"tree", 0, OPTION_BOOL, AT(tree), NULL, "List multi-platform images as a tree (EXPERIMENTAL)", 0, 0, NULL},
    {0},
};

/* What a tree cannot be combined with. */
static int check_tree(const struct images_flags *flags, struct error *err)
{
    const char *other = flags->quiet                      ? "quiet"
                        : flags->no_trunc                 ? "no-trunc"
                        : flags->digests                  ? "show-digest"
                        : flags->format && *flags->format ? "format"
                                                          : NULL;
    if (flags->tree && other)
        return error_set(err, ERROR_INVALID, 0, "--%s is not yet supported with --tree", other);
    return 0;
}

static int run_images(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    struct images_flags *flags = data;
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_JSON struct json *images = NULL;
    if (arguments->count > 0) {
        CLEANUP_FREE char *filter = xasprintf("reference=%s", arguments->items[0]);
        strv_add(&flags->filters, filter);
    }
    int r = check_tree(flags, err);
    if (r < 0)
        return r;
    strbuf_adds(&path, "/images/json");
    client_query_add_bool(&path, "all", flags->all);
    client_query_add_bool(&path, "digests", flags->digests);
    client_query_add_bool(&path, "manifests", flags->tree);
    r = filters_query_add(&path, &flags->filters, err);
    if (r == 0)
        r = client_json(cli_client(cli), &(struct client_request){.path = strbuf_str(&path)}, &images, err);
    if (r < 0)
        return r;
    if (flags->tree) {
        image_tree_print(images, isatty(STDOUT_FILENO));
        return 0;
    }
    CLEANUP_FREE char *format = listing_format(cli, flags->format, flags->quiet, "imagesFormat");
    struct listing listing = {.format = flags->quiet ? "{{.ID}}" : format,
                              .default_table = flags->digests
                                                   ? "table {{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t"
                                                     "{{.CreatedSince}}\t{{.Size}}"
                                                   : "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t"
                                                     "{{.Size}}",
                              .raw = flags->quiet ? NULL
                                                  : "repository: {{.Repository}}\ntag: {{.Tag}}\nimage_id: {{.ID}}\n"
                                                    "created_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n",
                              .type_name = "*formatter.imageContext",
                              .headers = image_headers,
                              .header_count = image_header_count};
    for (size_t i = 0; i < json_count(images) && r == 0; i++)
        r = image_row_add(&listing, json_at(images, i), &(struct row_options){.no_trunc = flags->no_trunc}, err);
    if (r == 0)
        r = listing_print(&listing, err);
    listing_release(&listing);
    return r;
}

const struct command command_images = {
    .name = "images",
    .place = PLACE_COMMON,
    .aliases = "image ls,image list",
    .usage = "[OPTIONS] [REPOSITORY[:TAG]]",
    .summary = "List images",
    .options = images_options,
    .flags_size = sizeof(struct images_flags),
    .max_arguments = 1,
    .run = run_images,
};
