/*
 * develop.watch of services: which changes of files matter, and what they lead to. Patterns are those of .dockerignore
 * files, relative to the rule's path; what the .dockerignore of the service's build context hides, .git directories and
 * the temporary files of editors never matter. Matching is pure.
 */
#ifndef DORY_CMD_DORY_COMPOSE_WATCH_RULES_H
#define DORY_CMD_DORY_COMPOSE_WATCH_RULES_H

#include "archive/ignore.h"
#include "cmd/dory/compose/project.h"

enum watch_action {
    WATCH_SYNC = 1 << 0,
    WATCH_RESTART = 1 << 1,
    WATCH_REBUILD = 1 << 2,
    WATCH_EXEC = 1 << 3,
};

struct watch_rule {
    const char *service;
    const char *path;   /* absolute, a directory or a file */
    const char *target; /* where it is in the container; NULL without WATCH_SYNC */
    unsigned actions;
    bool initial_sync;
    const struct json *exec; /* the hook of WATCH_EXEC */
    /* private */
    char *clean_path, *context;
    bool has_include;
    struct ignore include, ignore, context_ignore;
};

struct watch_rules {
    struct watch_rule *items;
    size_t count, capacity;
};
#define CLEANUP_WATCH_RULES CLEANUP(watch_rules_release)
void watch_rules_release(struct watch_rules *rules);

/* Those of the services (empty: of all). Texts live in the project. Rules that a bind mount makes pointless are left
 * out with a warning on standard error. No rule at all, and actions that a service cannot do, are errors. */
int watch_rules_load(const struct compose_project *project, const struct strv *services, struct watch_rules *ret,
                     struct error *err);

/* Does a change of `path` (absolute, clean) concern the rule? */
bool watch_rule_matches(const struct watch_rule *rule, const char *path);
/* A directory that cannot hold anything of interest to the rule. */
bool watch_rule_prunes(const struct watch_rule *rule, const char *directory);
/* Where `path`, which matches, is in the container. The caller frees. */
char *watch_rule_target(const struct watch_rule *rule, const char *path);

#endif
