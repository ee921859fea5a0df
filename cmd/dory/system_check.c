/* system check: is on the disk what the daemon's database says? */
#include <inttypes.h>
#include <stdio.h>

#include "api/client.h"
#include "cmd/dory/command.h"

struct check_flags {
    bool repair, contents;
};

#define AT(member) offsetof(struct check_flags, member)
static const struct option check_options[] = {
    {"contents", 0, OPTION_BOOL, AT(contents), NULL, "Read every layer and compare it with its digest", 0, 0, NULL},
    {"repair", 0, OPTION_BOOL, AT(repair), NULL, "Remove what is broken, and what belongs to nothing", 0, 0, NULL},
    {0},
};

/* What stays wrong. */
static size_t print_problems(const struct json *problems)
{
    size_t left = 0;
    for (size_t i = 0; i < json_count(problems); i++) {
        const struct json *problem = json_at(problems, i);
        bool repaired = json_get_bool(problem, "Repaired", false);
        left += !repaired;
        printf("%s %s: %s%s\n", json_get_string(problem, "Type"), json_get_string(problem, "ID"),
               json_get_string(problem, "Problem"), repaired ? " (repaired)" : "");
    }
    return left;
}

static int run_check(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct check_flags *flags = data;
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_JSON struct json *answer = NULL;
    (void)arguments;
    strbuf_adds(&path, "/system/check");
    client_query_add(&path, "repair", flags->repair ? "1" : NULL);
    client_query_add(&path, "contents", flags->contents ? "1" : NULL);
    struct client_request request = {.method = "POST", .path = strbuf_str(&path)};
    int r = client_json(cli_client(cli), &request, &answer, err);
    if (r < 0)
        return r;
    const struct json *problems = json_get(answer, "Problems");
    size_t left = print_problems(problems);
    printf("%" PRId64 " images, %" PRId64 " layers: ", json_get_int(answer, "Images", 0),
           json_get_int(answer, "Layers", 0));
    if (json_count(problems) == 0)
        printf("no problems\n");
    else
        printf("%zu problems, %zu of them repaired\n", json_count(problems), json_count(problems) - left);
    return left > 0 ? EXIT_REPORTED : 0;
}

const struct command command_system_check = {
    .name = "system check",
    .usage = "[OPTIONS]",
    .summary = "Compare what is on the disk with the daemon's database",
    .description = "Compares images and layers on the disk with the daemon's database. The exit status "
                   "is 1 when something is wrong and stays so.",
    .options = check_options,
    .flags_size = sizeof(struct check_flags),
    .max_arguments = 0,
    .run = run_check,
};
