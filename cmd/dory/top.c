#include "api/client.h"
#include "cmd/dory/command.h"

static int run_top(struct cli *cli, void *flags, const struct strv *arguments, struct error *err)
{
    (void)flags;
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT, ps_arguments = STRBUF_INIT;
    CLEANUP_JSON struct json *answer = NULL;
    for (size_t i = 1; i < arguments->count; i++)
        strbuf_addf(&ps_arguments, "%s%s", i > 1 ? " " : "", arguments->items[i]);
    strbuf_adds(&path, "/containers/");
    client_path_escape(&path, arguments->items[0]);
    strbuf_adds(&path, "/top");
    if (ps_arguments.size)
        client_query_add(&path, "ps_args", strbuf_str(&ps_arguments));
    int r = client_json(cli_client(cli), &(struct client_request){.path = strbuf_str(&path)}, &answer, err);
    if (r < 0)
        return r;
    const struct json *titles = json_get(answer, "Titles"), *processes = json_get(answer, "Processes");
    size_t columns = json_count(titles);
    CLEANUP_FREE int *widths = xcalloc(columns + 1, sizeof(*widths));
    for (size_t row = 0; row <= json_count(processes); row++) {
        const struct json *cells = row == 0 ? titles : json_at(processes, row - 1);
        for (size_t c = 0; c < columns; c++) {
            const char *cell = json_string(json_at(cells, c));
            int width = cell ? (int)strlen(cell) : 0;
            widths[c] = width > widths[c] ? width : widths[c];
        }
    }
    for (size_t row = 0; row <= json_count(processes); row++) {
        const struct json *cells = row == 0 ? titles : json_at(processes, row - 1);
        for (size_t c = 0; c < columns; c++) {
            const char *cell = json_string(json_at(cells, c));
            int width = c + 1 == columns ? 0 : widths[c] < 17 ? 20 : widths[c] + 3;
            printf("%-*s", width, cell ? cell : "");
        }
        printf("\n");
    }
    return 0;
}

const struct command command_top = {
    .name = "top",
    .aliases = "container top",
    .usage = "CONTAINER [ps OPTIONS]",
    .summary = "Display the running processes of a container",
    .min_arguments = 1,
    .max_arguments = -1,
    .stop_at_argument = true,
    .run = run_top,
};
