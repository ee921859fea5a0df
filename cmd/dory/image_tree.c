#include "cmd/dory/image_tree.h"

#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "cmd/dory/filters_query.h"

#define UNTAGGED "<untagged>"

/* One line: of an image or of one of its platforms. */
struct tree_row {
    char *name, id[13], usage[32], content[32];
    bool in_use, values; /* without values it is another name of the image below */
};
struct tree_rows {
    struct tree_row *items;
    size_t count, capacity;
};

static struct tree_row *add(struct tree_rows *rows, char *name)
{
    xgrow((void **)&rows->items, rows->count, &rows->capacity, sizeof(*rows->items));
    rows->items[rows->count] = (struct tree_row){.name = name};
    return &rows->items[rows->count++];
}

static void set_values(struct tree_row *row, const char *id, int64_t usage, int64_t content, bool in_use)
{
    char buf[13];
    snprintf(row->id, sizeof(row->id), "%s", format_id(id, false, buf));
    units_size_precision(row->usage, sizeof(row->usage), (double)usage, 3);
    units_size_precision(row->content, sizeof(row->content), (double)content, 3);
    row->in_use = in_use;
    row->values = true;
}

static char *platform_name(const struct json *platform)
{
    const char *variant = json_get_string(platform, "variant");
    return xasprintf("%s/%s%s%s", json_get_string(platform, "os"), json_get_string(platform, "architecture"),
                     variant && *variant ? "/" : "", variant ? variant : "");
}

/* What of an index is here; attestations are not images. */
static void add_platforms(struct tree_rows *rows, const struct json *manifests)
{
    for (size_t i = 0; i < json_count(manifests); i++) {
        const struct json *manifest = json_at(manifests, i), *data = json_get(manifest, "ImageData");
        const struct json *platform = json_get(data, "Platform"), *size = json_get(manifest, "Size");
        const char *kind = json_get_string(manifest, "Kind");
        if (!kind || strcmp(kind, "image") != 0 || !json_get_string(platform, "os"))
            continue;
        CLEANUP_FREE char *name = platform_name(platform);
        struct tree_row *row = add(rows, xasprintf("\xe2\x94\x94\xe2\x94\x80 %s", name));
        set_values(row, json_get_string(manifest, "ID"), json_get_int(size, "Total", 0),
                   json_get_int(size, "Content", 0), json_count(json_get(data, "Containers")) > 0);
    }
}

static void add_image(struct tree_rows *rows, const struct json *image)
{
    const struct json *tags = json_get(image, "RepoTags"), *manifests = json_get(image, "Manifests");
    struct tree_row *row = NULL;
    int64_t content = 0;
    for (size_t i = 0; i < json_count(tags); i++)
        row = add(rows, xstrdup(json_string(json_at(tags, i))));
    if (!row)
        row = add(rows, xstrdup(UNTAGGED));
    for (size_t i = 0; i < json_count(manifests); i++)
        content += json_get_int(json_get(json_at(manifests, i), "Size"), "Content", 0);
    set_values(row, json_get_string(image, "Id"), json_get_int(image, "Size", 0), content,
               json_get_int(image, "Containers", 0) > 0);
    add_platforms(rows, manifests);
}

static int columns_of(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void print_title(const char *text, int width, bool bold)
{
    printf("%s%s%s%*s", bold ? "\x1b[1m" : "", text, bold ? "\x1b[0m" : "", width - (int)strlen(text), "");
}

void image_tree_print(const struct json *images, bool terminal)
{
    struct tree_rows rows = {0};
    int width = (int)strlen("IMAGE");
    for (size_t i = 0; i < json_count(images); i++)
        add_image(&rows, json_at(images, i));
    for (size_t i = 0; i < rows.count; i++) {
        int n = columns_of(rows.items[i].name);
        width = n > width ? n : width;
    }
    print_title("IMAGE", width + 3, terminal);
    print_title("ID", 15, terminal);
    print_title("DISK USAGE", 13, terminal);
    print_title("CONTENT SIZE", 15, terminal);
    print_title("EXTRA", 5, terminal);
    printf("\n");
    for (size_t i = 0; i < rows.count; i++) {
        struct tree_row *row = &rows.items[i];
        if (row->values)
            printf("%s%*s%-12s   %10s   %12s   %s\n", row->name, width + 3 - columns_of(row->name), "", row->id,
                   row->usage, row->content, row->in_use ? "U" : "");
        else
            printf("%s\n", row->name);
        free(row->name);
    }
    free(rows.items);
}
