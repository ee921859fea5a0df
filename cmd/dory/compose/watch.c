/* compose watch: services follow the files that they were made from. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>

#include "base/loop.h"
#include "cmd/dory/command_call.h"
#include "cmd/dory/compose/board.h"
#include "cmd/dory/compose/watch_actions.h"
#include "cmd/dory/compose/watch_tree.h"

/* Changes are taken together until nothing has changed for so long: an editor or a checkout writes many files. */
#define QUIET_MS 500
/* The exit status after Ctrl-C: docker's plugin's. */
#define EXIT_INTERRUPTED 130

struct watch_flags {
    bool no_up, prune, quiet;
};

#define AT(member) offsetof(struct watch_flags, member)
static const struct option watch_options[] = {
    {"no-up", 0, OPTION_BOOL, AT(no_up), NULL, "Do not build & start services before watching", 0, 0, NULL},
    {"prune", 0, OPTION_BOOL, AT(prune), NULL, "Prune dangling images on rebuild (default true)", 0, 0, NULL},
    {"quiet", 0, OPTION_BOOL, AT(quiet), NULL, "hide build output", 0, 0, NULL},
    {0},
};

static void watch_defaults(void *flags)
{
    ((struct watch_flags *)flags)->prune = true;
}

struct watching {
    struct watch_context context;
    struct loop *loop;
    struct watch_tree *tree;
    struct loop_source *timer; /* runs while changes are gathered */
    struct strv changed;
    int result;
    struct error error;
};

static void watching_release(struct watching *watching)
{
    loop_remove(watching->timer);
    watch_tree_free(watching->tree);
    strv_release(&watching->changed);
    loop_free(watching->loop);
}

/* A directory is of no interest when it is of none to any rule. */
static bool skip(const char *directory, void *data)
{
    const struct watch_rules *rules = data;
    for (size_t i = 0; i < rules->count; i++) {
        if (!watch_rule_prunes(&rules->items[i], directory))
            return false;
    }
    return true;
}

static void list_files(const char *path, struct strv *files, void *data)
{
    watch_tree_list(data, path, files);
}

/* Failures are told, and what changes next is another try. */
static void on_quiet(struct loop_source *source, void *data)
{
    (void)source;
    struct watching *watching = data;
    struct strv changed = watching->changed;
    struct error err = {0};
    watching->timer = NULL;
    watching->changed = (struct strv)STRV_INIT;
    if (watch_handle(&watching->context, &changed, &err) < 0) {
        CLEANUP_FREE char *text = xasprintf("Error handling changed files: %s", err.message);
        compose_warn(text);
    }
    strv_release(&changed);
}

static void on_change(struct loop_source *source, int fd, uint32_t events, void *data)
{
    (void)source, (void)fd, (void)events;
    struct watching *watching = data;
    int r = watch_tree_read(watching->tree, &watching->changed, &watching->error);
    if (r == 0 && watching->changed.count > 0) {
        loop_remove(TAKE_PTR(watching->timer));
        r = loop_add_timer(watching->loop, QUIET_MS, on_quiet, watching, &watching->timer);
    }
    if (r < 0) {
        watching->result = r;
        loop_quit(watching->loop, 0);
    }
}

static void on_signal(struct loop_source *source, int signal, void *data)
{
    (void)source, (void)signal;
    struct watching *watching = data;
    watch_say("Watch disabled");
    watching->result = EXIT_INTERRUPTED;
    loop_quit(watching->loop, 0);
}

/* The trees are watched before files are copied at first: nothing is missed in between. */
static int begin(struct watching *watching, struct watch_rules *rules, struct error *err)
{
    struct loop_source *source;
    int r = loop_new(&watching->loop, err);
    if (r == 0)
        r = watch_tree_new(skip, rules, &watching->tree, err);
    for (size_t i = 0; i < rules->count && r == 0; i++)
        r = watch_tree_add(watching->tree, rules->items[i].clean_path, err);
    if (r == 0)
        r = watch_initial_sync(&watching->context, list_files, watching->tree, err);
    if (r < 0)
        return r;
    r = loop_add_io(watching->loop, watch_tree_fd(watching->tree), EPOLLIN, on_change, watching, &source);
    return r < 0 ? error_errno(err, r, "watch for changes") : 0;
}

static int watch(struct watching *watching, struct watch_rules *rules, struct error *err)
{
    struct loop_source *source;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    int r = begin(watching, rules, err);
    if (r < 0)
        return r;
    r = loop_add_signals(watching->loop, &signals, on_signal, watching, &source);
    if (r < 0)
        return error_errno(err, r, "watch for signals");
    watch_say("Watch enabled");
    loop_run(watching->loop);
    return watching->result < 0 ? error_propagate(err, &watching->error) : watching->result;
}

/* Services are built, when they can be, and started as `up` does it. */
static int bring_up(struct cli *cli, const struct watch_flags *flags, const struct strv *services, struct error *err)
{
    CLEANUP_STRV struct strv words = STRV_INIT;
    strv_add(&words, "--detach");
    strv_add(&words, "--build");
    if (flags->quiet) {
        strv_add(&words, "--quiet-pull");
        strv_add(&words, "--quiet-build");
    }
    strv_add_all(&words, services);
    return command_call(cli, "compose up", &words, err);
}

static int run_watch(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct watch_flags *flags = data;
    CLEANUP_COMPOSE_PROJECT struct compose_project project = {0};
    CLEANUP_WATCH_RULES struct watch_rules rules = {0};
    CLEANUP(watching_release) struct watching watching = {0};
    if (compose_options(cli)->dry_run)
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "watch is not supported in dry-run mode");
    int r = compose_project_load(compose_options(cli), &project, err);
    if (r < 0)
        return r;
    compose_project_warn(&project);
    r = compose_project_enable(&project, arguments, err);
    if (r == 0)
        r = watch_rules_load(&project, arguments, &rules, err);
    if (r == 0 && !flags->no_up)
        r = bring_up(cli, flags, arguments, err);
    if (r != 0)
        return r;
    watching.context = (struct watch_context){
        .cli = cli, .project = &project, .rules = &rules, .quiet = flags->quiet, .prune = flags->prune};
    return watch(&watching, &rules, err);
}

const struct command command_compose_watch = {
    .name = "compose watch",
    .usage = "[OPTIONS] [SERVICE...]",
    .summary = "Watch build context for service and rebuild/refresh containers when files are updated",
    .options = watch_options,
    .flags_size = sizeof(struct watch_flags),
    .max_arguments = -1,
    .run = run_watch,
    .defaults = watch_defaults,
};
