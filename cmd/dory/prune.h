/* What `container prune` and the like do, for system prune too. */
#ifndef DORY_CMD_DORY_PRUNE_H
#define DORY_CMD_DORY_PRUNE_H

#include "cmd/dory/command.h"

/* A kind of object that can be pruned. */
struct prune_kind {
    const char *path;    /* "/containers/prune" */
    const char *deleted; /* member of the answer that lists what went */
    const char *title;   /* above that list; NULL: it is not shown */
    const char *space;   /* member with the bytes that were freed; NULL: nothing is said of space */
};
extern const struct prune_kind prune_containers, prune_images, prune_volumes, prune_networks, prune_build_cache;

/* Asks the daemon and prints what was deleted, with an empty line behind it. *space grows by what was freed. */
int prune_run(struct cli *cli, const struct prune_kind *kind, const struct strv *filters, int64_t *space,
              struct error *err);
/* "Total reclaimed space: 1.2MB". */
void prune_print_space(int64_t space);
/* Filters of config.json ("pruneFilters") in front of those of the command line; ones that contradict are left out. */
void prune_add_configured(const struct cli *cli, struct strv *filters);

#endif
