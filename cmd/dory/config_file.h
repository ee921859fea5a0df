/* docker's config.json: credentials, default formats, detach keys, the context in use. Members that dory does not know
 * are kept when it is written. */
#ifndef DORY_CMD_DORY_CONFIG_FILE_H
#define DORY_CMD_DORY_CONFIG_FILE_H

#include "base/json.h"
#include "cmd/dory/command.h"

/* Reads it. *ret is an object, empty when there is no file (json_free). */
int config_file_read(const struct cli *cli, struct json **ret, struct error *err);
/* The same where it is an extra: a file that cannot be read is told on standard error, once, and is empty. Never
 * NULL. */
struct json *config_file_load(const struct cli *cli);
/* Tells of a file that cannot be read, whether the command needs it or not: as docker does. */
void config_file_check(const struct cli *cli);
/* Replaces it atomically, readable by its owner only; the directory is made. A symlink is followed. */
int config_file_write(const struct cli *cli, const struct json *config, struct error *err);
/* A string member such as "psFormat", or NULL; the caller frees. */
char *config_file_string(const struct cli *cli, const char *member);
/* Sets a flag that was not given to what its member says; NULL stays when there is none. */
void config_file_default(const struct cli *cli, const char *member, char **flag);

#endif
