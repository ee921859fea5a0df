#include "cmd/dory/command.h"
#include "cmd/dory/container_wait.h"

struct wait_flags {
    char *condition;
};

static int check_condition(const char *value, struct error *err)
{
    static const char *const known[] = {"not-running", "next-exit", "removed", "healthy"};
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (strcmp(value, known[i]) == 0)
            return 0;
    return error_set(err, ERROR_INVALID, 0, "must be one of not-running, next-exit, removed, healthy");
}

static const struct option wait_options[] = {
    {"condition", 0, OPTION_STRING, offsetof(struct wait_flags, condition), "string",
     "What to wait for: \"not-running\", \"next-exit\", \"removed\", \"healthy\" (default \"not-running\")", 0, 0,
     check_condition},
    {0},
};

static int wait_one(struct cli *cli, const char *name, const char *condition, struct error *err)
{
    struct container_wait wait = {0};
    int status, r = container_wait_begin(cli_client(cli), name, condition, &wait, err);
    if (r == 0)
        r = container_wait_end(&wait, &status, err);
    container_wait_release(&wait);
    if (r == 0) {
        printf("%d\n", status);
        fflush(stdout);
    }
    return r;
}

static int run_wait(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct wait_flags *flags = data;
    const char *condition = flags->condition ? flags->condition : "not-running";
    CLEANUP_STRBUF struct strbuf errors = STRBUF_INIT;
    for (size_t i = 0; i < arguments->count; i++) {
        if (wait_one(cli, arguments->items[i], condition, err) < 0)
            strbuf_addf(&errors, "%s\n", err->message);
    }
    fputs(strbuf_str(&errors), stderr);
    return errors.size > 0 ? 1 : 0;
}

const struct command command_wait = {
    .name = "wait",
    .aliases = "container wait",
    .usage = "[OPTIONS] CONTAINER [CONTAINER...]",
    .summary = "Block until one or more containers stop, then print their exit codes",
    .options = wait_options,
    .flags_size = sizeof(struct wait_flags),
    .min_arguments = 1,
    .max_arguments = -1,
    .run = run_wait,
};
