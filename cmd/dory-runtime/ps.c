/* ps: the processes of a container, as ps(1) or as a list of pids. */
#include <errno.h>
#include <stdio.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/parse.h"
#include "base/process.h"
#include "base/strbuf.h"
#include "cmd/dory-runtime/runtime.h"
#include "cmd/dory-runtime/state.h"

#define PS_OUTPUT_MAX (16u << 20)

static void print_pids_json(const pid_t *pids, size_t count)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &text);
    json_begin_array(&w);
    for (size_t i = 0; i < count; i++)
        json_put_int(&w, pids[i]);
    json_end_array(&w);
    printf("%s\n", strbuf_str(&text));
}

/* The header of ps(1) and those of its lines whose PID column names one of ours. */
static int filter_ps(const char *output, const pid_t *pids, size_t count, struct error *err)
{
    int column = -1;
    for (const char *line = output; line != NULL && *line != '\0';) {
        const char *end = strchr(line, '\n');
        size_t size = end != NULL ? (size_t)(end - line) : strlen(line);
        CLEANUP_FREE char *copy = xstrndup(line, size);
        bool show = column < 0;
        int i = 0;
        char *save = NULL;
        for (char *word = strtok_r(copy, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save), i++) {
            int64_t pid;
            if (column < 0 && show && strcmp(word, "PID") == 0)
                column = i;
            else if (!show && i == column && parse_int64(word, 1, INT32_MAX, &pid) == 0)
                for (size_t k = 0; k < count; k++)
                    show = show || pids[k] == pid;
        }
        if (column < 0)
            return error_set(err, ERROR_INVALID, 0, "couldn't find PID field in ps output");
        if (show)
            printf("%.*s\n", (int)size, line);
        line = end != NULL ? end + 1 : NULL;
    }
    return 0;
}

static int find_pids(const struct state *state, pid_t **ret, size_t *ret_count, struct error *err)
{
    struct runtime_cgroup *cgroup = NULL;
    int r = state_open_cgroup(state, &cgroup, err);
    r = r < 0 ? r : runtime_cgroup_pids(cgroup, ret, ret_count, err);
    runtime_cgroup_free(cgroup);
    return r;
}

int command_ps(const struct global *global, int argc, char **argv, struct error *err)
{
    const char *format = "table", *id;
    const struct option_row rows[] = {OPTION_TEXT("format", 'f', &format, "table (default) or json"), OPTION_END};
    int rest;
    int r = options_one_id(rows, argc, argv, 0, &id, &rest, err);
    if (r == 0 && strcmp(format, "table") != 0 && strcmp(format, "json") != 0)
        r = error_set(err, ERROR_INVALID, 0, "invalid format option");
    struct state state = {0};
    r = r < 0 ? r : state_read(global->root, id, &state, NULL, err);
    if (r < 0)
        return r;
    CLEANUP_FREE pid_t *pids = NULL;
    size_t count = 0;
    r = find_pids(&state, &pids, &count, err);
    state_release(&state);
    if (r < 0)
        return r;
    if (strcmp(format, "json") == 0) {
        print_pids_json(pids, count);
        return 0;
    }
    CLEANUP_STRV struct strv ps = STRV_INIT;
    strv_add(&ps, "ps");
    for (int i = rest; i < argc; i++)
        strv_add(&ps, argv[i]);
    if (rest >= argc)
        strv_add(&ps, "-ef");
    CLEANUP_FREE char *output = NULL;
    r = process_run(ps.items, NULL, PS_OUTPUT_MAX, &output, err);
    return r < 0 ? r : filter_ps(output, pids, count, err);
}
