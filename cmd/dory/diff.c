#include <stdio.h>

#include "api/client.h"
#include "cmd/dory/command.h"

static int run_diff(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    static const char letters[] = "CAD";
    (void)data;
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_JSON struct json *changes = NULL;
    if (arguments->items[0][0] == '\0')
        return error_set(err, ERROR_INVALID, 0, "Container name cannot be empty");
    strbuf_adds(&path, "/containers/");
    client_path_escape(&path, arguments->items[0]);
    strbuf_adds(&path, "/changes");
    int r = client_json(cli_client(cli), &(struct client_request){.path = strbuf_str(&path)}, &changes, err);
    for (size_t i = 0; r == 0 && i < json_count(changes); i++) {
        int64_t kind = json_get_int(json_at(changes, i), "Kind", -1);
        const char *name = json_get_string(json_at(changes, i), "Path");
        if (kind >= 0 && kind < 3 && name != NULL)
            printf("%c %s\n", letters[kind], name);
    }
    return r;
}

const struct command command_diff = {
    .name = "diff",
    .aliases = "container diff",
    .usage = "CONTAINER",
    .summary = "Inspect changes to files or directories on a container's filesystem",
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_diff,
};
