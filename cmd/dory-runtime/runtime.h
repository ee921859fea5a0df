/* dory-runtime: what its commands share. */
#ifndef DORY_CMD_RUNTIME_H
#define DORY_CMD_RUNTIME_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/strv.h"

#define DEFAULT_ROOT "/run/dory-runtime"

struct global {
    const char *root;
    char *default_root; /* what root points to unless --root is given */
    const char *log;    /* file, or NULL */
    bool log_json;
    bool debug;
    const char *criu; /* program, NULL: in PATH */
    bool systemd;     /* cgroups are units of systemd */
    bool rootless;    /* what takes privilege is done without where the spec does not ask for it */
};

/* A runtime_warn: says it on standard error and in the log. The context is the struct global. */
void global_warn(void *context, const char *text);

/* One row per option of a command; the value goes where the row points to: one of text, flag and list. */
struct option_row {
    const char *name; /* without dashes */
    char letter;      /* or 0 */
    const char **text;
    bool *flag;
    const char *help;
    struct strv *list; /* may be given several times */
    bool *given;       /* with flag, may be NULL: it was said, true or false */
};

#define OPTION_TEXT(name_, letter_, to, help_)                                                                         \
    {                                                                                                                  \
        .name = name_, .letter = letter_, .text = to, .help = help_                                                    \
    }
#define OPTION_FLAG(name_, letter_, to, help_)                                                                         \
    {                                                                                                                  \
        .name = name_, .letter = letter_, .flag = to, .help = help_                                                    \
    }
#define OPTION_LIST(name_, letter_, to, help_)                                                                         \
    {                                                                                                                  \
        .name = name_, .letter = letter_, .list = to, .help = help_                                                    \
    }
#define OPTION_END                                                                                                     \
    {                                                                                                                  \
        .name = NULL                                                                                                   \
    }

struct command {
    const char *name;
    const char *arguments;
    const char *help;
    /* argv[0] is the command's name. Exit status, or -errno with *err. */
    int (*run)(const struct global *global, int argc, char **argv, struct error *err);
};

/*
 * Go's flags, as runc takes them: --name=value, --name value, -n value, --flag, --flag=false. Stops at the first
 * argument; *ret_first is its place in argv. `rows` ends with a row without name. --help prints what argv[0] is for and
 * its rows, and ends the program.
 */
int options_parse(const struct option_row *rows, int argc, char **argv, int *ret_first, struct error *err);
/* For commands whose first argument is a container's id. `most`: the number of arguments there may be, and options may
 * stand before, between and behind them; 0: what is behind the id, *ret_rest, is a command's, options and all. */
int options_one_id(const struct option_row *rows, int argc, char **argv, int most, const char **ret_id, int *ret_rest,
                   struct error *err);
void options_print(const struct option_row *rows);
/* main.c: the help of the command of this name (or of the whole program) with these rows. */
__attribute__((noreturn)) void command_help(const char *name, const struct option_row *rows);

/* rootless.c: --rootless true, false or auto: an ordinary user, or root of a user namespace. */
int rootless_parse(const char *text, bool *ret, struct error *err);
/* Where states are kept by default; the caller frees. ERROR_INVALID when an ordinary user has no XDG_RUNTIME_DIR. */
int rootless_root(bool rootless, char **ret, struct error *err);
/* The default of linux.cgroupsPath: for an ordinary user beside its own cgroup. The caller frees. */
char *rootless_cgroup(bool rootless, const char *id);
/* --preserve-fds and, when we were activated with sockets, those: together they start at 3 and must be open. To be
 * called before anything is opened. */
int preserve_fds(const char *text, unsigned *ret_count, unsigned *ret_listen, struct error *err);
/* LISTEN_FDS and its kin for the container's first process. */
void preserve_announce(struct strv *env, unsigned listen);

int command_create(const struct global *global, int argc, char **argv, struct error *err);
int command_run(const struct global *global, int argc, char **argv, struct error *err);
int command_start(const struct global *global, int argc, char **argv, struct error *err);
int command_state(const struct global *global, int argc, char **argv, struct error *err);
int command_kill(const struct global *global, int argc, char **argv, struct error *err);
int command_delete(const struct global *global, int argc, char **argv, struct error *err);
int command_list(const struct global *global, int argc, char **argv, struct error *err);
int command_ps(const struct global *global, int argc, char **argv, struct error *err);
int command_pause(const struct global *global, int argc, char **argv, struct error *err);
int command_resume(const struct global *global, int argc, char **argv, struct error *err);
int command_update(const struct global *global, int argc, char **argv, struct error *err);
int command_events(const struct global *global, int argc, char **argv, struct error *err);
/* events_stats.c: the data of an event of type "stats". */
struct json_writer;
struct runtime_stats_detail;
void events_write_stats(const struct runtime_stats_detail *stats, struct json_writer *w);

int command_checkpoint(const struct global *global, int argc, char **argv, struct error *err);
int command_restore(const struct global *global, int argc, char **argv, struct error *err);
int command_exec(const struct global *global, int argc, char **argv, struct error *err);
int command_spec(const struct global *global, int argc, char **argv, struct error *err);
int command_features(const struct global *global, int argc, char **argv, struct error *err);

/* Replaces the process by one that runs from a sealed copy of the program, so that no container can write to the file
 * on disk through /proc/PID/exe (CVE-2019-5736). Returns when that is already so. */
int sealed_exec(char **argv, struct error *err);

/* The number behind `text`, an option's value: ERROR_INVALID names the option. */
int option_number(const char *option, const char *text, int64_t min, int64_t max, int64_t *ret, struct error *err);
/* Writes the pid as --pid-file wants it: no newline, replaced atomically. */
int pid_file_write(const char *path, pid_t pid, struct error *err);

/* Copies bytes between our terminal and the container's until the process ends; *ret_status is its wait status. */
int terminal_proxy(int master_fd, int pid_fd, pid_t pid, int *ret_status, struct error *err);
/* Hands the pty master to whoever listens on the socket (--console-socket). */
int console_send(const char *path, int master_fd, struct error *err);
/* The same for a pidfd (--pidfd-socket). */
int pidfd_send(const char *path, int pid_fd, struct error *err);

#endif
