#include "cmd/dory/container_row.h"

#include "base/units.h"
#include "cmd/dory/filters_query.h"
#include "cmd/dory/ports_format.h"

#define COMMAND_WIDTH 20

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

static void add_size(struct json_writer *w, const struct json *row, bool no_virtual)
{
    char rw[32], root[32];
    int64_t virtual_size = json_get_int(row, "SizeRootFs", 0);
    units_size_precision(rw, sizeof(rw), (double)json_get_int(row, "SizeRw", 0), 3);
    units_size_precision(root, sizeof(root), (double)virtual_size, 3);
    CLEANUP_FREE char *text = virtual_size > 0 && !no_virtual ? xasprintf("%s (virtual %s)", rw, root) : xstrdup(rw);
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

void container_row_put(struct json_writer *w, const struct json *row, const struct row_options *options)
{
    bool no_trunc = options->no_trunc;
    char id[13], ago[80];
    add_command(w, row, no_trunc);
    format_ago(ago, sizeof(ago), json_get_int(row, "Created", 0));
    json_member_string(w, "RunningFor", ago);
    listing_put_time(w, "CreatedAt", json_get_int(row, "Created", 0));
    json_member_string(w, "ID", format_id(json_get_string(row, "Id"), no_trunc, id));
    const char *image = json_get_string(row, "Image");
    char short_image[13];
    bool by_id = image && strncmp(image, "sha256:", 7) == 0;
    json_member_string(w, "Image", by_id ? format_id(image, no_trunc, short_image) : image);
    listing_put_labels(w, json_get(row, "Labels"));
    add_mounts(w, json_get(row, "Mounts"), no_trunc);
    add_names(w, json_get(row, "Names"), no_trunc);
    add_networks(w, row);
    CLEANUP_FREE char *ports = ports_format(json_get(row, "Ports"));
    json_member_string(w, "Ports", ports);
    add_size(w, row, options->no_virtual);
    json_member_string(w, "State", json_get_string(row, "State"));
    json_member_string(w, "Status", json_get_string(row, "Status"));
}

int container_row_add(struct listing *listing, const struct json *row, const struct row_options *options,
                      struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &text);
    json_begin_object(&w);
    container_row_put(&w, row, options);
    json_member_null(&w, "Platform");
    json_end_object(&w);
    return listing_add(listing, &text, err);
}

const struct listing_header container_headers[] = {
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
const size_t container_header_count = ARRAY_SIZE(container_headers);
