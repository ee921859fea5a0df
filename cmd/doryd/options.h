/*
 * Settings of the daemon as one table: flags, keys of daemon.json, --help and the manual page come from its rows. Names
 * are dockerd's.
 */
#ifndef DORY_CMD_DORYD_OPTIONS_H
#define DORY_CMD_DORYD_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"
#include "daemon/options.h"

#define DEFAULT_CONFIG_FILE "/etc/dory/daemon.json"

/* What the command line says beside the settings. */
struct invocation {
    char *config_file; /* NULL: the default one, which may be missing */
    bool help, man, version, validate;
};
void invocation_release(struct invocation *invocation);

/* Zeroed storage gets the defaults; released with daemon_options_release(). */
void daemon_options_init(struct daemon_options *options);
void daemon_options_release(struct daemon_options *options);

/*
 * Defaults, then daemon.json, then flags; a setting in both places is an error, as are unknown names (dockerd's
 * wording). options comes from daemon_options_init().
 */
int daemon_options_load(struct daemon_options *options, struct invocation *invocation, int argc, char **argv,
                        struct error *err);
/* The part that reads daemon.json's text. `given` has a byte per row: set for rows that a flag gave; may be NULL. */
int daemon_options_read_json(struct daemon_options *options, const char *text, size_t size, const bool *given,
                             struct error *err);
/* Checks that concern single values and their combination. */
int daemon_options_check(const struct daemon_options *options, struct error *err);
/* Takes over what may change while the daemon runs (SIGHUP) from `from`, which is released. The names of what differs
 * but cannot change are added to ignored. */
void daemon_options_reload(struct daemon_options *options, struct daemon_options *from, struct strv *ignored);

/* What a reload may change, by its key in daemon.json: text, numbers and switches as they are, the rest as JSON. */
void daemon_options_describe(const struct daemon_options *options, struct strmap *ret);

void daemon_options_print_help(FILE *out);
void daemon_options_print_man(FILE *out);

#endif
