/* compose top: the processes of all containers in one table. */
#include "api/client.h"
#include "cmd/dory/columns.h"
#include "cmd/dory/compose/containers.h"
#include "cmd/dory/compose/project.h"

#define CELL_MIN 4
#define CELL_PADDING 2

/* The columns that any container has, in the order in which they turn up; CMD is the last one. */
static void add_titles(const struct json *titles, struct strv *columns)
{
    bool command = columns->count > 0 && strcmp(columns->items[columns->count - 1], "CMD") == 0;
    if (command)
        strv_remove(columns, columns->count - 1);
    for (size_t i = 0; i < json_count(titles); i++) {
        const char *title = json_string(json_at(titles, i));
        if (title && strcmp(title, "CMD") == 0)
            command = true;
        else if (title && !strv_contains(columns, title))
            strv_add(columns, title);
    }
    if (command)
        strv_add(columns, "CMD");
}

static const char *cell(const struct json *titles, const struct json *process, const char *column)
{
    for (size_t i = 0; i < json_count(titles); i++) {
        const char *title = json_string(json_at(titles, i));
        if (title && strcmp(title, column) == 0 && json_string(json_at(process, i)))
            return json_string(json_at(process, i));
    }
    return "-";
}

static void add_lines(const struct compose_container *container, const struct json *answer, const struct strv *columns,
                      struct strv *lines)
{
    const char *number = compose_container_label(container, COMPOSE_LABEL_NUMBER);
    const struct json *titles = json_get(answer, "Titles"), *processes = json_get(answer, "Processes");
    for (size_t i = 0; i < json_count(processes); i++) {
        CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;
        strbuf_addf(&line, "%s\t%s", *container->service ? container->service : container->name, number ? number : "");
        for (size_t c = 0; c < columns->count; c++)
            strbuf_addf(&line, "\t%s", cell(titles, json_at(processes, i), columns->items[c]));
        strv_add(lines, strbuf_str(&line));
    }
}

/* One that ended since it was listed has no processes. */
static int ask(struct cli *cli, const struct compose_container *container, struct json **ret, struct error *err)
{
    CLEANUP_FREE char *path = xasprintf("/containers/%s/top", container->id);
    int r = client_json(cli_client(cli), &(struct client_request){.path = path}, ret, err);
    if (r < 0 && (err->kind == ERROR_NOT_FOUND || err->kind == ERROR_CONFLICT)) {
        error_clear(err);
        r = 0;
    }
    return r;
}

static int collect(struct cli *cli, const struct compose_containers *containers, struct json **answers,
                   struct error *err)
{
    CLEANUP_STRV struct strv columns = STRV_INIT, lines = STRV_INIT;
    for (size_t i = 0; i < containers->count; i++) {
        int r = ask(cli, &containers->items[i], &answers[i], err);
        if (r < 0)
            return r;
        add_titles(json_get(answers[i], "Titles"), &columns);
    }
    CLEANUP_FREE char *titles = strv_join(&columns, "\t");
    strv_addf(&lines, "SERVICE\t#\t%s", titles);
    for (size_t i = 0; i < containers->count; i++)
        add_lines(&containers->items[i], answers[i], &columns, &lines);
    if (lines.count > 1)
        columns_print(&lines, CELL_MIN, CELL_PADDING);
    return 0;
}

static int run_top(struct cli *cli, void *flags, const struct strv *arguments, struct error *err)
{
    (void)flags;
    CLEANUP_FREE char *project = NULL;
    CLEANUP_COMPOSE_CONTAINERS struct compose_containers containers = {0};
    struct compose_query query = {.oneoff = COMPOSE_ONEOFF_INCLUDE, .services = arguments};
    int r = compose_project_name(compose_options(cli), &project, err);
    if (r == 0)
        r = compose_containers_list(cli_client(cli), project, &query, &containers, err);
    if (r < 0)
        return r;
    qsort(containers.items, containers.count, sizeof(*containers.items), compose_container_compare_names);
    CLEANUP_FREE struct json **answers = xcalloc(containers.count + 1, sizeof(*answers));
    r = collect(cli, &containers, answers, err);
    for (size_t i = 0; i < containers.count; i++)
        json_free(answers[i]);
    return r;
}

const struct command command_compose_top = {
    .name = "compose top",
    .usage = "[SERVICES...]",
    .summary = "Display the running processes",
    .max_arguments = -1,
    .run = run_top,
};
