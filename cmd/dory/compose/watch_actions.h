/* What `compose watch` does about changes: copies files, runs commands, restarts and rebuilds services. */
#ifndef DORY_CMD_DORY_COMPOSE_WATCH_ACTIONS_H
#define DORY_CMD_DORY_COMPOSE_WATCH_ACTIONS_H

#include "cmd/dory/compose/watch_rules.h"

struct watch_context {
    struct cli *cli;
    const struct compose_project *project;
    const struct watch_rules *rules;
    bool quiet, prune; /* the build's output; images that a rebuild leaves without a name */
};

/* A sentence of watch's own on standard output, behind its mark. */
void watch_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Everything that these paths lead to, once: rebuilds first, then copies, restarts, commands. A failure ends it. */
int watch_handle(const struct watch_context *context, const struct strv *changed, struct error *err);
/* The files of rules with initial_sync that are newer than the image of the service. `list` adds the files of a path.
 */
int watch_initial_sync(const struct watch_context *context,
                       void (*list)(const char *path, struct strv *files, void *data), void *data, struct error *err);

#endif
