#include "cmd/dory/prune.h"

#include <stdio.h>
#include <string.h>

#include "api/client.h"
#include "base/units.h"
#include "cmd/dory/config_file.h"
#include "cmd/dory/confirm.h"
#include "cmd/dory/filters_query.h"

const struct prune_kind prune_containers = {"/containers/prune", "ContainersDeleted",
                                            "Deleted Containers:", "SpaceReclaimed"};
const struct prune_kind prune_images = {"/images/prune", "ImagesDeleted", "Deleted Images:", "SpaceReclaimed"};
const struct prune_kind prune_volumes = {"/volumes/prune", "VolumesDeleted", "Deleted Volumes:", "SpaceReclaimed"};
const struct prune_kind prune_networks = {"/networks/prune", "NetworksDeleted", "Deleted Networks:", NULL};
const struct prune_kind prune_build_cache = {"/build/prune", "CachesDeleted",
                                             "Deleted build cache objects:", "SpaceReclaimed"};

/* An image's names and layers are objects: {"Untagged": name} or {"Deleted": id}. */
static void print_deleted(const struct json *entry)
{
    const char *untagged = json_get_string(entry, "Untagged"), *deleted = json_get_string(entry, "Deleted");
    if (untagged && *untagged)
        printf("untagged: %s\n", untagged);
    else if (deleted)
        printf("deleted: %s\n", deleted);
    else
        printf("%s\n", json_string(entry) ? json_string(entry) : "");
}

int prune_run(struct cli *cli, const struct prune_kind *kind, const struct strv *filters, int64_t *space,
              struct error *err)
{
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_JSON struct json *answer = NULL;
    strbuf_adds(&path, kind->path);
    int r = filters_query_add(&path, filters, err);
    struct client_request request = {.method = "POST", .path = strbuf_str(&path)};
    if (r == 0)
        r = client_json(cli_client(cli), &request, &answer, err);
    if (r < 0)
        return r;
    const struct json *deleted = json_get(answer, kind->deleted);
    if (json_count(deleted) > 0)
        printf("%s\n", kind->title);
    for (size_t i = 0; i < json_count(deleted); i++)
        print_deleted(json_at(deleted, i));
    if (json_count(deleted) > 0)
        printf("\n");
    if (kind->space)
        *space += json_get_int(answer, kind->space, 0);
    return 0;
}

void prune_print_space(int64_t space)
{
    char text[32];
    units_size(text, sizeof(text), (double)space);
    printf("Total reclaimed space: %s\n", text);
}

/* "label=x" against "label!=x". */
static bool contradicts(const struct strv *filters, const char *filter)
{
    const char *equals = strchr(filter, '=');
    if (!equals || equals == filter)
        return false;
    bool negated = equals[-1] == '!';
    CLEANUP_FREE char *other =
        xasprintf("%.*s%s%s", (int)(equals - filter - negated), filter, negated ? "" : "!", equals);
    return strv_contains(filters, other);
}

void prune_add_configured(const struct cli *cli, struct strv *filters)
{
    CLEANUP_JSON struct json *config = config_file_load(cli);
    const struct json *configured = json_get(config, "pruneFilters");
    for (size_t i = 0; i < json_count(configured); i++) {
        const char *filter = json_string(json_at(configured, i));
        bool label = filter && strncmp(filter, "label", 5) == 0;
        if (filter && strchr(filter, '=') && !(label && contradicts(filters, filter)))
            strv_add(filters, filter);
    }
}

struct prune_flags {
    bool all, force;
    struct strv filters;
};

#define AT(member) offsetof(struct prune_flags, member)
#define ALL_ROW(help)                                                                                                  \
    {                                                                                                                  \
        "all", 'a', OPTION_BOOL, AT(all), NULL, help, 0, 0, NULL                                                       \
    }
#define FORCE_ROW                                                                                                      \
    {                                                                                                                  \
        "force", 'f', OPTION_BOOL, AT(force), NULL, "Do not prompt for confirmation", 0, 0, NULL                       \
    }
#define FILTER_ROW(help)                                                                                               \
    {                                                                                                                  \
        "filter", 0, OPTION_LIST, AT(filters), "filter", help, 0, 0, NULL                                              \
    }

static const struct option container_options[] = {
    FORCE_ROW, FILTER_ROW("Provide filter values (e.g. \"until=<timestamp>\")"), {0}};
static const struct option image_options[] = {ALL_ROW("Remove all unused images, not just dangling ones"),
                                              FORCE_ROW,
                                              FILTER_ROW("Provide filter values (e.g. \"until=<timestamp>\")"),
                                              {0}};
static const struct option volume_options[] = {ALL_ROW("Remove all unused volumes, not just anonymous ones"),
                                               FORCE_ROW,
                                               FILTER_ROW("Provide filter values (e.g. \"label=<label>\")"),
                                               {0}};
static const struct option network_options[] = {
    FORCE_ROW, FILTER_ROW("Provide filter values (e.g. \"until=<timestamp>\")"), {0}};

static int run(struct cli *cli, const struct prune_kind *kind, struct prune_flags *flags, const char *warning,
               struct error *err)
{
    int64_t space = 0;
    prune_add_configured(cli, &flags->filters);
    if (!flags->force && !confirm(warning))
        return 0;
    int r = prune_run(cli, kind, &flags->filters, &space, err);
    if (r == 0 && kind->space)
        prune_print_space(space);
    return r;
}

static int run_containers(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    (void)arguments;
    return run(cli, &prune_containers, data, "WARNING! This will remove all stopped containers.\n", err);
}

static int run_images(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    (void)arguments;
    struct prune_flags *flags = data;
    strv_add(&flags->filters, flags->all ? "dangling=false" : "dangling=true");
    return run(cli, &prune_images, flags,
               flags->all ? "WARNING! This will remove all images without at least one container associated to them.\n"
                          : "WARNING! This will remove all dangling images.\n",
               err);
}

static int run_volumes(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    (void)arguments;
    struct prune_flags *flags = data;
    for (size_t i = 0; flags->all && i < flags->filters.count; i++) {
        if (strncmp(flags->filters.items[i], "all=", 4) == 0)
            return error_set(err, ERROR_INVALID, 0,
                             "conflicting options: cannot specify both --all and --filter all=1");
    }
    if (flags->all)
        strv_add(&flags->filters, "all=true");
    return run(cli, &prune_volumes, flags,
               flags->all ? "WARNING! This will remove all local volumes not used by at least one container.\n"
                          : "WARNING! This will remove anonymous local volumes not used by at least one container.\n",
               err);
}

static int run_networks(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    (void)arguments;
    return run(cli, &prune_networks, data,
               "WARNING! This will remove all custom networks not used by at least one container.\n", err);
}

const struct command command_container_prune = {
    .name = "container prune",
    .usage = "[OPTIONS]",
    .summary = "Remove all stopped containers",
    .options = container_options,
    .flags_size = sizeof(struct prune_flags),
    .run = run_containers,
};
const struct command command_image_prune = {
    .name = "image prune",
    .usage = "[OPTIONS]",
    .summary = "Remove unused images",
    .options = image_options,
    .flags_size = sizeof(struct prune_flags),
    .run = run_images,
};
const struct command command_volume_prune = {
    .name = "volume prune",
    .usage = "[OPTIONS]",
    .summary = "Remove unused local volumes",
    .options = volume_options,
    .flags_size = sizeof(struct prune_flags),
    .run = run_volumes,
};
const struct command command_network_prune = {
    .name = "network prune",
    .usage = "[OPTIONS]",
    .summary = "Remove all unused networks",
    .options = network_options,
    .flags_size = sizeof(struct prune_flags),
    .run = run_networks,
};
