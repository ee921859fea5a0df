#include "api/client.h"
#include "base/units.h"
#include "cmd/dory/command.h"
#include "cmd/dory/filters_query.h"
#include "cmd/dory/listing.h"

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
    {"tree", 0, OPTION_BOOL, AT(tree), NULL, "", OPTION_REFUSED, 0, NULL},
    {0},
};

static const struct listing_header headers[] = {
    {"Repository", "REPOSITORY"},
    {"Tag", "TAG"},
    {"Digest", "DIGEST"},
    {"ID", "IMAGE ID"},
    {"CreatedSince", "CREATED"},
    {"CreatedAt", "CREATED AT"},
    {"Size", "SIZE"},
    {"VirtualSize", "SIZE"},
    {"SharedSize", "SHARED SIZE"},
    {"UniqueSize", "UNIQUE SIZE"},
    {"Containers", "CONTAINERS"},
};

static int add_row(struct listing *listing, const struct json *image, const char *repository, const char *tag,
                   const char *digest, const struct images_flags *flags, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    char id[13], ago[80], size[32];
    json_writer_init(&w, &text);
    json_begin_object(&w);
    json_member_string(&w, "Containers", "N/A");
    format_ago(ago, sizeof(ago), json_get_int(image, "Created", 0));
    json_member_string(&w, "CreatedAt", ago);
    json_member_string(&w, "CreatedSince", ago);
    json_member_string(&w, "Digest", digest);
    json_member_string(&w, "ID", format_id(json_get_string(image, "Id"), flags->no_trunc, id));
    json_member_string(&w, "Repository", repository);
    json_member_string(&w, "SharedSize", "N/A");
    units_size_precision(size, sizeof(size), (double)json_get_int(image, "Size", 0), 3);
    json_member_string(&w, "Size", size);
    json_member_string(&w, "Tag", tag);
    json_member_string(&w, "UniqueSize", "N/A");
    json_member_string(&w, "VirtualSize", size);
    json_end_object(&w);
    return listing_add(listing, &text, err);
}

/* The digest under which `repository` holds the image, or "<none>". The caller frees. */
static char *digest_of(const struct json *image, const char *repository)
{
    const struct json *digests = json_get(image, "RepoDigests");
    size_t size = strlen(repository);
    for (size_t i = 0; i < json_count(digests); i++) {
        const char *entry = json_string(json_at(digests, i));
        if (strncmp(entry, repository, size) == 0 && entry[size] == '@')
            return xstrdup(entry + size + 1);
    }
    return xstrdup("<none>");
}

/* One row per name; an image with a digest only has the tag <none>, one without any name both. */
static int add_image(struct listing *listing, const struct json *image, const struct images_flags *flags,
                     struct error *err)
{
    const struct json *tags = json_get(image, "RepoTags"), *digests = json_get(image, "RepoDigests");
    size_t rows = 0;
    int r = 0;
    for (size_t i = 0; i < json_count(tags) && r == 0; i++) {
        const char *tag = json_string(json_at(tags, i)), *colon = strrchr(tag, ':');
        if (!colon || strcmp(tag, "<none>:<none>") == 0)
            continue;
        CLEANUP_FREE char *repository = xstrndup(tag, (size_t)(colon - tag));
        CLEANUP_FREE char *digest = digest_of(image, repository);
        r = add_row(listing, image, repository, colon + 1, digest, flags, err);
        rows++;
    }
    for (size_t i = 0; i < json_count(digests) && rows == 0 && r == 0; i++) {
        const char *entry = json_string(json_at(digests, i)), *at = strchr(entry, '@');
        if (!at || strcmp(entry, "<none>@<none>") == 0)
            continue;
        CLEANUP_FREE char *repository = xstrndup(entry, (size_t)(at - entry));
        r = add_row(listing, image, repository, "<none>", at + 1, flags, err);
        rows++;
        break;
    }
    return rows > 0 || r < 0 ? r : add_row(listing, image, "<none>", "<none>", "<none>", flags, err);
}

static int print_ids(const struct json *images, bool no_trunc)
{
    for (size_t i = 0; i < json_count(images); i++) {
        char id[13];
        printf("%s\n", format_id(json_get_string(json_at(images, i), "Id"), no_trunc, id));
    }
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
    strbuf_adds(&path, "/images/json");
    client_query_add_bool(&path, "all", flags->all);
    client_query_add_bool(&path, "digests", flags->digests);
    int r = filters_query_add(&path, &flags->filters, err);
    if (r == 0)
        r = client_json(cli_client(cli), &(struct client_request){.path = strbuf_str(&path)}, &images, err);
    if (r < 0)
        return r;
    if (flags->quiet && !flags->format)
        return print_ids(images, flags->no_trunc);
    struct listing listing = {.format = flags->format,
                              .default_table = flags->digests
                                                   ? "table {{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t"
                                                     "{{.CreatedSince}}\t{{.Size}}"
                                                   : "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t"
                                                     "{{.Size}}",
                              .headers = headers,
                              .header_count = ARRAY_SIZE(headers)};
    for (size_t i = 0; i < json_count(images) && r == 0; i++)
        r = add_image(&listing, json_at(images, i), flags, err);
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
