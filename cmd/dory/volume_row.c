#include "cmd/dory/volume_row.h"

#include <inttypes.h>

#include "base/units.h"

const struct listing_header volume_headers[] = {
    {"Availability", "AVAILABILITY"},
    {"Driver", "DRIVER"},
    {"Group", "GROUP"},
    {"Labels", "LABELS"},
    {"Links", "LINKS"},
    {"Mountpoint", "MOUNTPOINT"},
    {"Name", "VOLUME NAME"},
    {"Scope", "SCOPE"},
    {"Size", "SIZE"},
    {"Status", "STATUS"},
};
const size_t volume_header_count = ARRAY_SIZE(volume_headers);

/* What the daemon counted, when it was asked to. */
static void put_usage(struct json_writer *w, const struct json *usage)
{
    char links[32] = "N/A", size[32] = "N/A";
    int64_t count = json_get_int(usage, "RefCount", -1), bytes = json_get_int(usage, "Size", -1);
    if (usage && count >= 0)
        snprintf(links, sizeof(links), "%" PRId64, count);
    if (usage && bytes >= 0)
        units_size(size, sizeof(size), (double)bytes);
    json_member_string(w, "Links", links);
    json_member_string(w, "Size", size);
}

int volume_row_add(struct listing *listing, const struct json *volume, struct error *err)
{
    static const char *const keys[] = {"Driver", "Mountpoint", "Name", "Scope"};
    static const char *const cluster_only[] = {"Availability", "Group", "Status"};
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    const struct json *usage = json_get(volume, "UsageData");
    json_writer_init(&w, &text);
    json_begin_object(&w);
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        json_member_string(&w, keys[i], json_get_string(volume, keys[i]));
    for (size_t i = 0; i < ARRAY_SIZE(cluster_only); i++)
        json_member_string(&w, cluster_only[i], "N/A");
    put_usage(&w, usage && usage->kind == JSON_OBJECT ? usage : NULL);
    listing_put_labels(&w, json_get(volume, "Labels"));
    json_end_object(&w);
    return listing_add(listing, &text, err);
}
