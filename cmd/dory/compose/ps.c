/* compose ps: the containers of a project. */
#include <stdio.h>
#include <string.h>

#include "api/client.h"
#include "cmd/dory/compose/containers.h"
#include "cmd/dory/compose/lookup.h"
#include "cmd/dory/config_file.h"
#include "cmd/dory/container_row.h"

struct ps_flags {
    bool all, no_trunc, orphans, quiet, services;
    char *filter, *format;
    struct strv statuses;
};

#define AT(member) offsetof(struct ps_flags, member)
static const struct option ps_options[] = {
    {"all", 'a', OPTION_BOOL, AT(all), NULL, "Show all stopped containers (including those created by the run command)",
     0, 0, NULL},
    {"filter", 0, OPTION_STRING, AT(filter), "string", "Filter services by a property (supported filters: status)", 0,
     0, NULL},
    {"format", 0, OPTION_STRING, AT(format), "string",
     "Format output using a custom template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'", 0, 0, NULL},
    {"no-trunc", 0, OPTION_BOOL, AT(no_trunc), NULL, "Don't truncate output", 0, 0, NULL},
    {"orphans", 0, OPTION_BOOL, AT(orphans), NULL, "Include orphaned services (not declared by project) (default true)",
     0, 0, NULL},
    {"quiet", 'q', OPTION_BOOL, AT(quiet), NULL, "Only display IDs", 0, 0, NULL},
    {"services", 0, OPTION_BOOL, AT(services), NULL, "Display services", 0, 0, NULL},
    {"status", 0, OPTION_LIST, AT(statuses), "stringArray",
     "Filter services by status. Values: [paused | restarting | removing | running | dead | created | exited]", 0, 0,
     NULL},
    {0},
};

static void ps_defaults(void *flags)
{
    ((struct ps_flags *)flags)->orphans = true;
}

/* --filter status=X is --status X. */
static int read_filter(struct ps_flags *flags, struct error *err)
{
    const char *filter = flags->filter, *equals = filter ? strchr(filter, '=') : NULL;
    if (!filter || !*filter)
        return 0;
    if (!equals)
        return error_set(err, ERROR_INVALID, 0, "arguments to --filter should be in form KEY=VAL");
    if (strncmp(filter, "status=", 7) != 0)
        return error_set(err, ERROR_INVALID, 0, "unknown filter %.*s", (int)(equals - filter), filter);
    strv_add(&flags->statuses, equals + 1);
    return 0;
}

static int list(struct cli *cli, const struct ps_flags *flags, const struct strv *services,
                struct compose_containers *ret, struct error *err)
{
    CLEANUP_COMPOSE_LOOKUP struct compose_lookup lookup = {0};
    CLEANUP_STRV struct strv names = STRV_INIT;
    int r = compose_lookup(cli, services, &lookup, err);
    if (r < 0)
        return r;
    strv_add_all(&names, services);
    if (names.count == 0 && !flags->orphans)
        compose_lookup_services(&lookup, false, &names);
    struct compose_query query = {.all = flags->all || flags->statuses.count > 0,
                                  .oneoff = flags->all ? COMPOSE_ONEOFF_INCLUDE : COMPOSE_ONEOFF_EXCLUDE,
                                  .services = &names};
    return compose_containers_list(cli_client(cli), lookup.name, &query, ret, err);
}

/* Leaves those of the statuses, by name. */
static void choose(struct compose_containers *containers, const struct strv *statuses)
{
    size_t kept = 0;
    for (size_t i = 0; i < containers->count; i++) {
        if (statuses->count == 0 || strv_contains(statuses, containers->items[i].state))
            containers->items[kept++] = containers->items[i];
    }
    containers->count = kept;
    qsort(containers->items, kept, sizeof(*containers->items), compose_container_compare_names);
}

/* By the container's port; what has the same one stays in the daemon's order (an array has its items in a row). */
static int compare_ports(const void *a, const void *b)
{
    const struct json *left = *(const struct json *const *)a, *right = *(const struct json *const *)b;
    int64_t difference = json_get_int(left, "PrivatePort", 0) - json_get_int(right, "PrivatePort", 0);
    return difference != 0 ? (difference < 0 ? -1 : 1) : left < right ? -1 : left > right;
}

static void put_publishers(struct json_writer *w, const struct json *ports)
{
    size_t count = json_count(ports);
    CLEANUP_FREE const struct json **sorted = xcalloc(count + 1, sizeof(*sorted));
    for (size_t i = 0; i < count; i++)
        sorted[i] = json_at(ports, i);
    qsort(sorted, count, sizeof(*sorted), compare_ports);
    json_key(w, "Publishers");
    json_begin_array(w);
    for (size_t i = 0; i < count; i++) {
        const struct json *port = sorted[i];
        json_begin_object(w);
        json_member_string(w, "URL", json_get_string(port, "IP"));
        json_member_int(w, "TargetPort", json_get_int(port, "PrivatePort", 0));
        json_member_int(w, "PublishedPort", json_get_int(port, "PublicPort", 0));
        json_member_string(w, "Protocol", json_get_string(port, "Type"));
        json_end_object(w);
    }
    json_end_array(w);
}

/* What only an inspection tells; a container that vanished meanwhile has none of it. */
static int put_state(struct cli *cli, struct json_writer *w, const struct compose_container *container, bool inspect,
                     struct error *err)
{
    CLEANUP_JSON struct json *details = NULL;
    CLEANUP_FREE char *path = xasprintf("/containers/%s/json", container->id);
    if (inspect) {
        int r = client_json(cli_client(cli), &(struct client_request){.path = path}, &details, err);
        if (r < 0 && err->kind != ERROR_NOT_FOUND)
            return r;
        error_clear(err);
    }
    const struct json *state = json_get(details, "State");
    json_member_int(w, "ExitCode", json_get_int(state, "ExitCode", 0));
    json_member_string(w, "Health", json_get_string(json_get(state, "Health"), "Status"));
    return 0;
}

static int add_row(struct cli *cli, struct listing *listing, const struct compose_container *container, bool no_trunc,
                   bool inspect, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &text);
    json_begin_object(&w);
    container_row_put(&w, container->row, &(struct row_options){.no_trunc = no_trunc});
    json_member_string(&w, "Name", container->name);
    json_member_string(&w, "Project", compose_container_label(container, COMPOSE_LABEL_PROJECT));
    json_member_string(&w, "Service", container->service);
    put_publishers(&w, json_get(container->row, "Ports"));
    int r = put_state(cli, &w, container, inspect, err);
    if (r < 0)
        return r;
    json_end_object(&w);
    return listing_add(listing, &text, err);
}

static void print_services(const struct compose_containers *containers)
{
    CLEANUP_STRV struct strv names = STRV_INIT;
    for (size_t i = 0; i < containers->count; i++) {
        if (!strv_contains(&names, containers->items[i].service))
            strv_add(&names, containers->items[i].service);
    }
    CLEANUP_FREE char *text = strv_join(&names, "\n");
    printf("%s\n", text);
}

static int print_list(struct cli *cli, const struct ps_flags *flags, const struct compose_containers *containers,
                      struct error *err)
{
    static const struct listing_header headers[] = {
        {"ID", "CONTAINER ID"},    {"Name", "NAME"},       {"Project", "PROJECT"}, {"Service", "SERVICE"},
        {"Image", "IMAGE"},        {"Command", "COMMAND"}, {"State", "STATE"},     {"CreatedAt", "CREATED AT"},
        {"RunningFor", "CREATED"}, {"Ports", "PORTS"},     {"Status", "STATUS"},   {"Size", "SIZE"},
        {"Labels", "LABELS"}};
    bool empty = flags->format && !*flags->format;
    CLEANUP_FREE char *configured = empty ? config_file_string(cli, "psFormat") : NULL;
    const char *format = empty ? configured : flags->format;
    struct listing listing = {.format = format,
                              .default_table = "table {{.Name}}\t{{.Image}}\t{{.Command}}\t{{.Service}}\t"
                                               "{{.RunningFor}}\t{{.Status}}\t{{.Ports}}",
                              .raw = "container_id: {{.ID}}\nimage: {{.Image}}\ncommand: {{.Command}}\ncreated_at: "
                                     "{{.CreatedAt}}\nstate: {{.State}}\nstatus: {{.Status}}\nnames: {{.Names}}\n"
                                     "labels: {{.Labels}}\nports: {{.Ports}}\n",
                              .type_name = "*formatter.ContainerContext",
                              .parse_error = "failed to parse template",
                              .execute_error = "failed to execute template",
                              .headers = headers,
                              .header_count = ARRAY_SIZE(headers)};
    bool inspect = format && (strstr(format, "json") || strstr(format, ".ExitCode") || strstr(format, ".Health"));
    int r = 0;
    for (size_t i = 0; i < containers->count && r == 0; i++)
        r = add_row(cli, &listing, &containers->items[i], flags->no_trunc, inspect, err);
    if (r == 0)
        r = listing_print(&listing, err);
    listing_release(&listing);
    return r;
}

static int run_ps(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    struct ps_flags *flags = data;
    CLEANUP_COMPOSE_CONTAINERS struct compose_containers containers = {0};
    int r = read_filter(flags, err);
    if (r == 0)
        r = list(cli, flags, arguments, &containers, err);
    if (r < 0)
        return r;
    choose(&containers, &flags->statuses);
    if (!flags->quiet && !flags->services)
        return print_list(cli, flags, &containers, err);
    for (size_t i = 0; flags->quiet && i < containers.count; i++)
        printf("%s\n", containers.items[i].id);
    if (!flags->quiet)
        print_services(&containers);
    return 0;
}

const struct command command_compose_ps = {
    .name = "compose ps",
    .usage = "[OPTIONS] [SERVICE...]",
    .summary = "List containers",
    .options = ps_options,
    .flags_size = sizeof(struct ps_flags),
    .max_arguments = -1,
    .run = run_ps,
    .defaults = ps_defaults,
};
