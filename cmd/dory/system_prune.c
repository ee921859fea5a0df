#include <stdio.h>
#include <string.h>

#include "base/strbuf.h"
#include "cmd/dory/confirm.h"
#include "cmd/dory/prune.h"

struct system_prune_flags {
    bool all, force, volumes;
    struct strv filters;
};

#define AT(member) offsetof(struct system_prune_flags, member)
static const struct option system_prune_options[] = {
    {"all", 'a', OPTION_BOOL, AT(all), NULL, "Remove all unused images not just dangling ones", 0, 0, NULL},
    {"filter", 0, OPTION_LIST, AT(filters), "filter", "Provide filter values (e.g. \"label=<key>=<value>\")", 0, 0,
     NULL},
    {"force", 'f', OPTION_BOOL, AT(force), NULL, "Do not prompt for confirmation", 0, 0, NULL},
    {"volumes", 0, OPTION_BOOL, AT(volumes), NULL, "Prune anonymous volumes", 0, 0, NULL},
    {0},
};

/* The filters of one kind by their names ("label" means "label!" too). */
static void select_filters(const struct strv *from, const char *const names[], struct strv *to)
{
    for (size_t i = 0; i < from->count; i++) {
        for (size_t n = 0; names[n]; n++) {
            size_t size = strlen(names[n]);
            const char *rest = from->items[i] + size;
            if (strncmp(from->items[i], names[n], size) == 0 && (*rest == '=' || strncmp(rest, "!=", 2) == 0))
                strv_add(to, from->items[i]);
        }
    }
}

static bool has_until(const struct strv *filters)
{
    for (size_t i = 0; i < filters->count; i++) {
        if (strncmp(filters->items[i], "until=", 6) == 0)
            return true;
    }
    return false;
}

static void describe(const struct system_prune_flags *flags, struct strbuf *out)
{
    strbuf_adds(out,
                "WARNING! This will remove:\n  - all stopped containers\n  - all networks not used by at least one "
                "container\n");
    if (flags->volumes)
        strbuf_adds(out, "  - all anonymous volumes not used by at least one container\n");
    strbuf_adds(out, flags->all ? "  - all images without at least one container associated to them\n"
                                : "  - all dangling images\n");
    strbuf_adds(out, flags->all ? "  - all build cache\n" : "  - unused build cache\n");
    strbuf_addc(out, '\n');
    if (flags->filters.count > 0)
        strbuf_adds(out, "  Items to be pruned will be filtered with:\n");
    for (size_t i = 0; i < flags->filters.count; i++)
        strbuf_addf(out, "  - %s\n", flags->filters.items[i]);
    if (flags->filters.count > 0)
        strbuf_addc(out, '\n');
}

static int prune_one(struct cli *cli, const struct prune_kind *kind, const struct strv *filters, int64_t *space,
                     const char *extra, struct error *err)
{
    CLEANUP_STRV struct strv chosen = STRV_INIT;
    strv_add_all(&chosen, filters);
    strv_add(&chosen, extra);
    return prune_run(cli, kind, &chosen, space, err);
}

/* The build cache takes no labels, and a daemon without a builder has none. */
static int prune_builds(struct cli *cli, const struct system_prune_flags *flags, int64_t *space, struct error *err)
{
    static const char *const names[] = {"until", NULL};
    CLEANUP_STRV struct strv chosen = STRV_INIT;
    struct prune_kind kind = prune_build_cache;
    kind.path = flags->all ? "/build/prune?all=1" : "/build/prune";
    select_filters(&flags->filters, names, &chosen);
    int r = prune_run(cli, &kind, &chosen, space, err);
    if (r < 0 && err->kind == ERROR_NOT_IMPLEMENTED) {
        error_clear(err);
        r = 0;
    }
    return r;
}

static int run_system_prune(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    (void)arguments;
    struct system_prune_flags *flags = data;
    CLEANUP_STRBUF struct strbuf warning = STRBUF_INIT;
    int64_t space = 0;
    if (flags->volumes && has_until(&flags->filters))
        return error_set(err, ERROR_INVALID, 0, "ERROR: The \"until\" filter is not supported with \"--volumes\"");
    prune_add_configured(cli, &flags->filters);
    describe(flags, &warning);
    if (!flags->force && !confirm(strbuf_str(&warning)))
        return 0;
    int r = prune_one(cli, &prune_containers, &flags->filters, &space, NULL, err);
    if (r == 0)
        r = prune_one(cli, &prune_networks, &flags->filters, &space, NULL, err);
    if (r == 0 && flags->volumes)
        r = prune_one(cli, &prune_volumes, &flags->filters, &space, NULL, err);
    if (r == 0)
        r = prune_one(cli, &prune_images, &flags->filters, &space, flags->all ? "dangling=false" : "dangling=true",
                      err);
    if (r == 0)
        r = prune_builds(cli, flags, &space, err);
    if (r == 0)
        prune_print_space(space);
    return r;
}

const struct command command_system_prune = {
    .name = "system prune",
    .usage = "[OPTIONS]",
    .summary = "Remove unused data",
    .options = system_prune_options,
    .flags_size = sizeof(struct system_prune_flags),
    .run = run_system_prune,
};
