/* compose images: the images of a project's containers. */
#include "api/client.h"
#include "base/timestamp.h"
#include "base/units.h"
#include "cmd/dory/compose/containers.h"
#include "cmd/dory/compose/project.h"
#include "cmd/dory/compose/table.h"
#include "cmd/dory/filters_query.h"
#include "image/reference.h"

struct images_flags {
    bool quiet;
    char *format;
};

#define AT(member) offsetof(struct images_flags, member)
static const struct option images_options[] = {
    {"format", 0, OPTION_STRING, AT(format), "string", "Format the output. Values: [table | json] (default \"table\")",
     0, 0, NULL},
    {"quiet", 'q', OPTION_BOOL, AT(quiet), NULL, "Only display IDs", 0, 0, NULL},
    {0},
};

/* What is printed of one container's image. */
struct image_cells {
    const char *id; /* "sha256:..." */
    char *repository, *tag, *platform;
    int64_t size, tagged; /* bytes; nanoseconds, when it got the name */
};

static void cells_release(struct image_cells *cells)
{
    free(cells->repository);
    free(cells->tag);
    free(cells->platform);
}

/* Repository and tag are those that the container was made from; an image that was named by its id has none. */
static void read_name(const char *image, struct image_cells *ret)
{
    CLEANUP(reference_release) struct reference reference = {0};
    bool named = !digest_is_valid(image) && reference_parse(image, &reference, NULL) == 0;
    if (named)
        reference_default_tag(&reference);
    ret->repository = named ? reference_familiar_name(&reference) : xstrdup("");
    ret->tag = xstrdup(named && reference.tag ? reference.tag : "");
}

static void read_image(const struct compose_container *container, const struct json *image, struct image_cells *ret)
{
    const char *os = json_get_string(image, "Os"), *architecture = json_get_string(image, "Architecture");
    const char *variant = json_get_string(image, "Variant"), *created = json_get_string(image, "Created");
    const char *tagged = json_get_string(json_get(image, "Metadata"), "LastTagTime");
    *ret = (struct image_cells){.id = json_get_string(image, "Id"), .size = json_get_int(image, "Size", 0)};
    read_name(container->image, ret);
    ret->platform = xasprintf("%s/%s%s%s", os ? os : "", architecture ? architecture : "",
                              variant && *variant ? "/" : "", variant ? variant : "");
    if ((!tagged || timestamp_parse(tagged, &ret->tagged) < 0 || ret->tagged <= 0) &&
        (!created || timestamp_parse(created, &ret->tagged) < 0))
        ret->tagged = 0;
}

static void put_json(struct json_writer *w, const char *container, const struct image_cells *cells)
{
    char tagged[TIMESTAMP_MAX];
    timestamp_format(tagged, cells->tagged);
    json_begin_object(w);
    json_member_string(w, "ID", cells->id);
    json_member_string(w, "ContainerName", container);
    json_member_string(w, "Repository", cells->repository);
    json_member_string(w, "Tag", cells->tag);
    json_member_string(w, "Platform", cells->platform);
    json_member_int(w, "Size", cells->size);
    json_member_string(w, "LastTagTime", tagged);
    json_end_object(w);
}

static void add_line(struct strv *lines, const char *container, const struct image_cells *cells)
{
    char id[13], size[32], ago[80];
    units_size_precision(size, sizeof(size), (double)cells->size, 3);
    format_ago(ago, sizeof(ago), cells->tagged / 1000000000);
    strv_addf(lines, "%s\t%s\t%s\t%s\t%s\t%s\t%s", container, *cells->repository ? cells->repository : "<none>",
              *cells->tag ? cells->tag : "<none>", cells->platform, format_id(cells->id, false, id), size, ago);
}

/* By the id: the name may meanwhile belong to another image. */
static int inspect(struct cli *cli, const struct compose_container *container, struct json **ret, struct error *err)
{
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    const char *id = json_get_string(container->row, "ImageID");
    strbuf_adds(&path, "/images/");
    client_path_escape(&path, id ? id : container->image);
    strbuf_adds(&path, "/json");
    return client_json(cli_client(cli), &(struct client_request){.path = strbuf_str(&path)}, ret, err);
}

static void print_ids(const struct strv *ids)
{
    for (size_t i = 0; i < ids->count; i++) {
        const char *colon = strchr(ids->items[i], ':');
        printf("%s\n", colon ? colon + 1 : ids->items[i]);
    }
}

static int show(struct cli *cli, const struct images_flags *flags, const struct compose_containers *containers,
                bool json, struct error *err)
{
    CLEANUP_STRV struct strv lines = STRV_INIT, ids = STRV_INIT;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &text);
    json_begin_array(&w);
    strv_add(&lines, "CONTAINER\tREPOSITORY\tTAG\tPLATFORM\tIMAGE ID\tSIZE\tCREATED");
    for (size_t i = 0; i < containers->count; i++) {
        const struct compose_container *container = &containers->items[i];
        CLEANUP_JSON struct json *image = NULL;
        int r = inspect(cli, container, &image, err);
        if (r < 0)
            return r;
        CLEANUP(cells_release) struct image_cells cells;
        read_image(container, image, &cells);
        put_json(&w, container->name, &cells);
        add_line(&lines, container->name, &cells);
        if (cells.id && !strv_contains(&ids, cells.id))
            strv_add(&ids, cells.id);
    }
    json_end_array(&w);
    if (flags->quiet)
        print_ids(&ids);
    else if (json)
        printf("%s\n", strbuf_str(&text));
    else
        compose_table_print(&lines);
    return 0;
}

static int run_images(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct images_flags *flags = data;
    CLEANUP_FREE char *project = NULL;
    CLEANUP_COMPOSE_CONTAINERS struct compose_containers containers = {0};
    struct compose_query query = {.all = true, .oneoff = COMPOSE_ONEOFF_INCLUDE, .services = arguments};
    bool json = false;
    int r = flags->quiet ? 0 : compose_table_format(flags->format, &json, err);
    if (r == 0)
        r = compose_project_name(compose_options(cli), &project, err);
    if (r == 0)
        r = compose_containers_list(cli_client(cli), project, &query, &containers, err);
    if (r < 0)
        return r;
    qsort(containers.items, containers.count, sizeof(*containers.items), compose_container_compare_names);
    return show(cli, flags, &containers, json, err);
}

const struct command command_compose_images = {
    .name = "compose images",
    .usage = "[OPTIONS] [SERVICE...]",
    .summary = "List images used by the created containers",
    .options = images_options,
    .flags_size = sizeof(struct images_flags),
    .max_arguments = -1,
    .run = run_images,
};
