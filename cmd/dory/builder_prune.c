#include <stdio.h>

#include "base/parse.h"
#include "cmd/dory/confirm.h"
#include "cmd/dory/prune.h"

struct builder_prune_flags {
    bool all, force;
    struct strv filters;
    int64_t keep_storage;
};

#define AT(member) offsetof(struct builder_prune_flags, member)
static const struct option builder_prune_options[] = {
    {"all", 'a', OPTION_BOOL, AT(all), NULL, "Remove all unused build cache, not just dangling ones", 0, 0, NULL},
    {"filter", 0, OPTION_LIST, AT(filters), "filter", "Provide filter values (e.g. \"until=24h\")", 0, 0, NULL},
    {"force", 'f', OPTION_BOOL, AT(force), NULL, "Do not prompt for confirmation", 0, 0, NULL},
    {"keep-storage", 0, OPTION_BYTES, AT(keep_storage), "bytes", "Amount of disk space to keep for cache", 0, 0, NULL},
    {0},
};

static int run_builder_prune(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    (void)arguments;
    const struct builder_prune_flags *flags = data;
    int64_t space = 0;
    if (!flags->force && !confirm(flags->all ? "WARNING! This will remove all build cache."
                                             : "WARNING! This will remove all dangling build cache."))
        return 0;
    CLEANUP_FREE char *path =
        xasprintf("/build/prune?%skeep-storage=%lld", flags->all ? "all=1&" : "", (long long)flags->keep_storage);
    struct prune_kind kind = prune_build_cache;
    kind.path = path;
    int r = prune_run(cli, &kind, &flags->filters, &space, err);
    if (r == 0)
        prune_print_space(space);
    return r;
}

const struct command command_builder_prune = {
    .name = "builder prune",
    .usage = "[OPTIONS]",
    .summary = "Remove build cache",
    .options = builder_prune_options,
    .flags_size = sizeof(struct builder_prune_flags),
    .run = run_builder_prune,
};
