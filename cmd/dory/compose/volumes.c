/* compose volumes: the volumes of a project. */
#include <stdio.h>

#include "api/client.h"
#include "cmd/dory/compose/containers.h"
#include "cmd/dory/compose/lookup.h"
#include "cmd/dory/filters_query.h"
#include "cmd/dory/volume_row.h"

struct volumes_flags {
    bool quiet;
    char *format;
};

#define AT(member) offsetof(struct volumes_flags, member)
static const struct option volumes_options[] = {
    {"format", 0, OPTION_STRING, AT(format), "string",
     "Format output using a custom template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'", 0, 0, NULL},
    {"quiet", 'q', OPTION_BOOL, AT(quiet), NULL, "Only display volume names", 0, 0, NULL},
    {0},
};

static int list(struct cli *cli, const char *project, struct json **ret, struct error *err)
{
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_STRV struct strv filters = STRV_INIT;
    strbuf_adds(&path, "/volumes");
    strv_addf(&filters, "label=%s=%s", COMPOSE_LABEL_PROJECT, project);
    int r = filters_query_add(&path, &filters, err);
    return r < 0 ? r : client_json(cli_client(cli), &(struct client_request){.path = strbuf_str(&path)}, ret, err);
}

/* Names of what the running containers have mounted. */
static void add_mounted(const struct compose_containers *containers, struct strv *names)
{
    for (size_t i = 0; i < containers->count; i++) {
        const struct json *mounts = json_get(containers->items[i].row, "Mounts");
        for (size_t m = 0; m < json_count(mounts); m++) {
            const char *name = json_get_string(json_at(mounts, m), "Name"); /* binds have none */
            strv_add(names, name ? name : "");
        }
    }
}

static int show(const struct volumes_flags *flags, const struct json *volumes, const struct strv *only,
                struct error *err)
{
    struct listing listing = {.format = flags->quiet ? "{{.Name}}" : flags->format,
                              .default_table = "table {{.Driver}}\t{{.Name}}",
                              .raw = "name: {{.Name}}\ndriver: {{.Driver}}\n",
                              .type_name = "*formatter.volumeContext",
                              .parse_error = "failed to parse template",
                              .execute_error = "failed to execute template",
                              .headers = volume_headers,
                              .header_count = volume_header_count};
    int r = 0;
    for (size_t i = 0; i < json_count(volumes) && r == 0; i++) {
        const struct json *volume = json_at(volumes, i);
        const char *name = json_get_string(volume, "Name");
        if (!only || (name && strv_contains(only, name)))
            r = volume_row_add(&listing, volume, err);
    }
    if (r == 0)
        r = listing_print(&listing, err);
    listing_release(&listing);
    return r;
}

static int run_volumes(struct cli *cli, void *flags, const struct strv *arguments, struct error *err)
{
    CLEANUP_COMPOSE_LOOKUP struct compose_lookup lookup = {0};
    CLEANUP_COMPOSE_CONTAINERS struct compose_containers containers = {0};
    CLEANUP_JSON struct json *answer = NULL;
    CLEANUP_STRV struct strv mounted = STRV_INIT;
    struct compose_query query = {.oneoff = COMPOSE_ONEOFF_INCLUDE, .services = arguments};
    int r = compose_lookup(cli, arguments, &lookup, err);
    if (r == 0 && arguments->count > 0)
        r = compose_containers_list(cli_client(cli), lookup.name, &query, &containers, err);
    if (r == 0)
        r = list(cli, lookup.name, &answer, err);
    if (r < 0)
        return r;
    add_mounted(&containers, &mounted);
    return show(flags, json_get(answer, "Volumes"), arguments->count > 0 ? &mounted : NULL, err);
}

const struct command command_compose_volumes = {
    .name = "compose volumes",
    .usage = "[OPTIONS] [SERVICE...]",
    .summary = "List volumes",
    .options = volumes_options,
    .flags_size = sizeof(struct volumes_flags),
    .max_arguments = -1,
    .run = run_volumes,
};
