/* compose ls: the projects that have containers. */
#include <regex.h>
#include <stdio.h>
#include <string.h>

#include "api/client.h"
#include "cmd/dory/compose/compose.h"
#include "cmd/dory/compose/containers.h"
#include "cmd/dory/compose/table.h"
#include "cmd/dory/filters_query.h"

struct ls_flags {
    bool all, quiet;
    struct strv filters;
    char *format;
};

#define AT(member) offsetof(struct ls_flags, member)
static const struct option ls_options[] = {
    {"all", 'a', OPTION_BOOL, AT(all), NULL, "Show all stopped Compose projects", 0, 0, NULL},
    {"filter", 0, OPTION_LIST, AT(filters), "filter", "Filter output based on conditions provided", 0, 0, NULL},
    {"format", 0, OPTION_STRING, AT(format), "string", "Format the output. Values: [table | json] (default \"table\")",
     0, 0, NULL},
    {"quiet", 'q', OPTION_BOOL, AT(quiet), NULL, "Only display project names", 0, 0, NULL},
    {0},
};

static int check_filters(const struct strv *filters, struct error *err)
{
    for (size_t i = 0; i < filters->count; i++) {
        const char *filter = filters->items[i];
        if (strncasecmp(filter, "name=", 5) != 0)
            return error_set(err, ERROR_INVALID, 0, "invalid filter '%.*s'", (int)strcspn(filter, "="), filter);
    }
    return 0;
}

/* The name itself or an expression that is found in it; any of the filters is enough. */
static bool matches(const struct strv *filters, const char *name)
{
    for (size_t i = 0; i < filters->count; i++) {
        const char *value = strchr(filters->items[i], '=') + 1;
        regex_t regex;
        if (strcmp(value, name) == 0)
            return true;
        if (regcomp(&regex, value, REG_EXTENDED | REG_NOSUB) != 0)
            continue;
        bool found = regexec(&regex, name, 0, NULL, 0) == 0;
        regfree(&regex);
        if (found)
            return true;
    }
    return filters->count == 0;
}

static int query(struct cli *cli, bool all, struct compose_containers *ret, struct error *err)
{
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_STRV struct strv filters = STRV_INIT;
    struct json *rows = NULL;
    strv_add(&filters, "label=" COMPOSE_LABEL_PROJECT);
    strv_add(&filters, "label=" COMPOSE_LABEL_CONFIG_HASH);
    strbuf_adds(&path, "/containers/json");
    client_query_add_bool(&path, "all", all);
    int r = filters_query_add(&path, &filters, err);
    if (r == 0)
        r = client_json(cli_client(cli), &(struct client_request){.path = strbuf_str(&path)}, &rows, err);
    struct compose_query every = {.all = true, .oneoff = COMPOSE_ONEOFF_INCLUDE};
    return r < 0 ? r : compose_containers_take(rows, &every, ret, err);
}

static bool is_of(const struct compose_container *container, const char *project)
{
    const char *own = compose_container_label(container, COMPOSE_LABEL_PROJECT);
    return own && strcmp(own, project) == 0;
}

/* "exited(2), running(3)" */
static char *status_of(const struct compose_containers *containers, const char *project)
{
    CLEANUP_STRV struct strv states = STRV_INIT;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    for (size_t i = 0; i < containers->count; i++) {
        if (is_of(&containers->items[i], project))
            strv_add(&states, containers->items[i].state);
    }
    strv_sort(&states);
    for (size_t i = 0; i < states.count;) {
        size_t n = 1;
        while (i + n < states.count && strcmp(states.items[i], states.items[i + n]) == 0)
            n++;
        strbuf_addf(&text, "%s%s(%zu)", i ? ", " : "", states.items[i], n);
        i += n;
    }
    return strbuf_take(&text);
}

/* Every file that one of the containers was made from, once; "N/A" when one of them does not say. */
static char *files_of(const struct compose_containers *containers, const char *project)
{
    CLEANUP_STRV struct strv files = STRV_INIT;
    for (size_t i = 0; i < containers->count; i++) {
        const struct compose_container *container = &containers->items[i];
        const char *label = compose_container_label(container, COMPOSE_LABEL_CONFIG_FILES);
        CLEANUP_STRV struct strv own = STRV_INIT;
        if (!is_of(container, project))
            continue;
        if (!label) {
            fprintf(stderr, "WARNING: no label \"%s\" set on container \"%s\" of compose project\n",
                    COMPOSE_LABEL_CONFIG_FILES, container->id);
            return xstrdup("N/A");
        }
        strv_split(&own, label, ',');
        for (size_t n = 0; n < own.count; n++) {
            if (!strv_contains(&files, own.items[n]))
                strv_add(&files, own.items[n]);
        }
    }
    return strv_join(&files, ",");
}

static void print_rows(const struct compose_containers *containers, const struct strv *projects, bool json)
{
    CLEANUP_STRV struct strv lines = STRV_INIT;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &text);
    json_begin_array(&w);
    strv_add(&lines, "NAME\tSTATUS\tCONFIG FILES");
    for (size_t i = 0; i < projects->count; i++) {
        const char *name = projects->items[i];
        CLEANUP_FREE char *status = status_of(containers, name);
        CLEANUP_FREE char *files = files_of(containers, name);
        json_begin_object(&w);
        json_member_string(&w, "Name", name);
        json_member_string(&w, "Status", status);
        json_member_string(&w, "ConfigFiles", files);
        json_end_object(&w);
        strv_addf(&lines, "%s\t%s\t%s", name, status, files);
    }
    json_end_array(&w);
    if (json)
        printf("%s\n", strbuf_str(&text));
    else
        compose_table_print(&lines);
}

static int run_ls(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    (void)arguments;
    const struct ls_flags *flags = data;
    CLEANUP_COMPOSE_CONTAINERS struct compose_containers containers = {0};
    CLEANUP_STRV struct strv projects = STRV_INIT;
    bool json = false;
    int r = check_filters(&flags->filters, err);
    if (r == 0 && !flags->quiet)
        r = compose_table_format(flags->format, &json, err);
    if (r == 0)
        r = query(cli, flags->all, &containers, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < containers.count; i++) {
        const char *name = compose_container_label(&containers.items[i], COMPOSE_LABEL_PROJECT);
        if (name && !strv_contains(&projects, name) && matches(&flags->filters, name))
            strv_add(&projects, name);
    }
    strv_sort(&projects);
    for (size_t i = 0; flags->quiet && i < projects.count; i++)
        printf("%s\n", projects.items[i]);
    if (!flags->quiet)
        print_rows(&containers, &projects, json);
    return 0;
}

const struct command command_compose_ls = {
    .name = "compose ls",
    .usage = "[OPTIONS]",
    .summary = "List running compose projects",
    .options = ls_options,
    .flags_size = sizeof(struct ls_flags),
    .run = run_ls,
};
