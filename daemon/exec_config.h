/* What an exec was asked to be: the body of POST /containers/{id}/exec, and what is kept of it in its record. */
#ifndef DORY_DAEMON_EXEC_CONFIG_H
#define DORY_DAEMON_EXEC_CONFIG_H

#include "base/json_table.h"

struct exec_config {
    bool attach_stdin, attach_stdout, attach_stderr, tty, privileged;
    char *detach_keys; /* NULL: the default; "": none */
    char *user, *working_dir;
    struct strv env, cmd;
    uint32_t console_size[2]; /* rows, columns; 0: unknown */
};

extern const struct json_table exec_config_table;
#define exec_config_release(c) json_table_release(&exec_config_table, (c))
/* "No exec command specified", bad detach keys, bad environment variables. Pure. */
int exec_config_validate(const struct exec_config *config, struct error *err);

#endif
