#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include "api/authz.h"
#include "base/log.h"
#include "cmd/doryd/boot.h"
#include "cmd/doryd/options.h"
#include "cmd/doryd/version.h"
#include "daemon/engine.h"
#include "daemon/events.h"
#include "daemon/userns_remap.h"

/* One more is the first that asks; who insists does not want to wait for containers. */
#define IMPATIENT_SIGNALS 2

/* The allocator's habits: one arena per thread would keep pages that the few allocations of a request touched. */
static void tune_memory(void)
{
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_TRIM_THRESHOLD, 128 * 1024);
    mallopt(M_MMAP_THRESHOLD, 128 * 1024);
}

/* Blocked in every thread; the main thread takes them one by one. */
static void take_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void insist(int signal_number)
{
    static volatile sig_atomic_t count;

    if (++count >= IMPATIENT_SIGNALS)
        _exit(128 + signal_number);
}

/* From now on SIGTERM and SIGINT interrupt; the second one ends the process at once. Containers do not mind. */
static void allow_insisting(const sigset_t *set)
{
    signal(SIGTERM, insist);
    signal(SIGINT, insist);
    signal(SIGHUP, SIG_IGN);
    pthread_sigmask(SIG_UNBLOCK, set, NULL);
}

/* As docker's event "reload", whose attributes are the settings. */
static void tell_reload(const struct boot *boot)
{
    CLEANUP_STRMAP struct strmap attributes = STRMAP_INIT;
    struct utsname host = {0};

    daemon_options_describe(boot->options, &attributes);
    uname(&host);
    strmap_set(&attributes, "name", host.nodename);
    strmap_sort(&attributes);
    events_publish(engine_events(boot->engine), "daemon", "reload", engine_id(boot->engine), &attributes);
}

static void reload(const struct boot *boot, int argc, char **argv)
{
    struct daemon_options *options = boot->options;
    CLEANUP_STRV struct strv ignored = STRV_INIT;
    CLEANUP_FREE char *names = NULL, *root = NULL;
    struct daemon_options fresh = {0};
    struct invocation invocation = {0};
    struct error error = {0};
    enum log_level level;
    int r;

    boot_notify("RELOADING=1");
    daemon_options_init(&fresh);
    r = daemon_options_load(&fresh, &invocation, argc, argv, &error);
    invocation_release(&invocation);
    if (r == 0)
        r = authz_check(&fresh.authz_plugins, &error);
    if (r < 0) {
        log_error("the settings are kept as they are: %s", error.message);
        daemon_options_release(&fresh);
    } else {
        xstrset(&fresh.shim_path, options->shim_path); /* found at the start, not given */
        if (options->remap) {
            root = userns_remap_root(options->remap, fresh.data_root);
            xstrset(&fresh.data_root, root);
        }
        daemon_options_reload(options, &fresh, &ignored);
        names = strv_join(&ignored, ", ");
        if (ignored.count > 0)
            log_warn("these settings need a restart of the daemon: %s", names);
        if (log_parse_level(options->log_level, &level) == 0)
            log_set_level(level);
        tell_reload(boot);
        log_info("Got signal to reload configuration, reloaded");
    }
    boot_notify("READY=1");
}

static int serve(struct daemon_options *options, int argc, char **argv, struct error *err)
{
    struct boot boot = {.options = options, .root_lock = -1, .pid_lock = -1};
    sigset_t signals;
    int number, r;

    take_signals(&signals);
    r = boot_up(&boot, err);
    if (r < 0)
        return r;
    while (sigwait(&signals, &number) == 0 && number == SIGHUP)
        reload(&boot, argc, argv);
    log_info("Processing signal '%s'", strsignal(number));
    allow_insisting(&signals);
    boot_down(&boot);
    return 0;
}

static int run(struct daemon_options *options, struct invocation *invocation, int argc, char **argv, struct error *err)
{
    int r = daemon_options_load(options, invocation, argc, argv, err);

    if (r < 0)
        return r;
    if (invocation->help)
        daemon_options_print_help(stdout);
    else if (invocation->man)
        daemon_options_print_man(stdout);
    else if (invocation->version)
        printf("Dory version %s, build %s\n", doryd_version, doryd_git_commit);
    else if (invocation->validate)
        fprintf(stderr, "configuration OK\n");
    else if (geteuid() != 0)
        return error_set(err, ERROR_FORBIDDEN, 0, "doryd needs to be started with root privileges");
    else
        return serve(options, argc, argv, err);
    return 0;
}

int main(int argc, char **argv)
{
    struct daemon_options options = {0};
    struct invocation invocation = {0};
    struct error error = {0};
    int r;

    tune_memory();
    daemon_options_init(&options);
    r = run(&options, &invocation, argc, argv, &error);
    daemon_options_release(&options);
    invocation_release(&invocation);
    if (r < 0) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    return 0;
}
