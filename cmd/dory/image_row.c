#include "cmd/dory/image_row.h"

#include <string.h>

#include "base/units.h"
#include "cmd/dory/filters_query.h"

const struct listing_header image_headers[] = {
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
const size_t image_header_count = ARRAY_SIZE(image_headers);

/* "N/A" where the daemon did not say (-1). */
static void put_size(struct json_writer *w, const char *key, int64_t bytes, int64_t known, int precision)
{
    char text[32] = "N/A";
    if (known >= 0)
        units_size_precision(text, sizeof(text), (double)bytes, precision);
    json_member_string(w, key, text);
}

static int add_row(struct listing *listing, const struct json *image, const char *repository, const char *tag,
                   const char *digest, const struct row_options *options, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    char id[13], ago[80];
    json_writer_init(&w, &text);
    json_begin_object(&w);
    int64_t containers = json_get_int(image, "Containers", -1);
    CLEANUP_FREE char *count = containers >= 0 ? xasprintf("%lld", (long long)containers) : xstrdup("N/A");
    json_member_string(&w, "Containers", count);
    format_ago(ago, sizeof(ago), json_get_int(image, "Created", 0));
    listing_put_time(&w, "CreatedAt", json_get_int(image, "Created", 0));
    json_member_string(&w, "CreatedSince", ago);
    json_member_string(&w, "Digest", digest);
    json_member_string(&w, "ID", format_id(json_get_string(image, "Id"), options->no_trunc, id));
    json_member_string(&w, "Repository", repository);
    int64_t total = json_get_int(image, "Size", 0), shared = json_get_int(image, "SharedSize", -1);
    put_size(&w, "SharedSize", shared, shared, 4);
    put_size(&w, "Size", total, total, 3);
    json_member_string(&w, "Tag", tag);
    put_size(&w, "UniqueSize", total - shared, shared, 4);
    put_size(&w, "VirtualSize", total, total, 4);
    listing_put_no_labels(&w);
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
int image_row_add(struct listing *listing, const struct json *image, const struct row_options *options,
                  struct error *err)
{
    const struct json *tags = json_get(image, "RepoTags"), *digests = json_get(image, "RepoDigests");
    size_t rows = 0;
    int r = 0;
    for (size_t i = 0; i < json_count(tags) && r == 0 && !(options->first_name && rows > 0); i++) {
        const char *tag = json_string(json_at(tags, i)), *colon = strrchr(tag, ':');
        if (!colon || strcmp(tag, "<none>:<none>") == 0)
            continue;
        CLEANUP_FREE char *repository = xstrndup(tag, (size_t)(colon - tag));
        CLEANUP_FREE char *digest = digest_of(image, repository);
        r = add_row(listing, image, repository, colon + 1, digest, options, err);
        rows++;
    }
    for (size_t i = 0; i < json_count(digests) && rows == 0 && r == 0; i++) {
        const char *entry = json_string(json_at(digests, i)), *at = strchr(entry, '@');
        if (!at || strcmp(entry, "<none>@<none>") == 0)
            continue;
        CLEANUP_FREE char *repository = xstrndup(entry, (size_t)(at - entry));
        r = add_row(listing, image, repository, "<none>", at + 1, options, err);
        rows++;
        break;
    }
    return rows > 0 || r < 0 ? r : add_row(listing, image, "<none>", "<none>", "<none>", options, err);
}
