/* Which files a project is made of, and the directory that it lives in. */
#ifndef DORY_CMD_DORY_COMPOSE_FILES_H
#define DORY_CMD_DORY_COMPOSE_FILES_H

#include "base/error.h"
#include "base/strv.h"
#include "cmd/dory/compose/compose.h"

/*
 * The Compose files, absolute or "-": of -f, of COMPOSE_FILE (separated by COMPOSE_PATH_SEPARATOR or ":"; read from
 * `environment`), else compose.yaml, compose.yml, docker-compose.yml or docker-compose.yaml of the directory or the
 * nearest one above, with its override file. ret_warnings gets a sentence when there are several.
 */
int compose_files_find(const struct compose_options *options, const struct strv *environment, struct strv *ret_files,
                       struct strv *ret_warnings, struct error *err);
/* The text of one (at most YAML_SIZE_MAX); "-" is standard input. */
int compose_file_read(const char *path, char **ret_text, size_t *ret_size, struct error *err);
/* `path` made absolute against `directory` (itself absolute), "." and ".." and double slashes gone; "~" is not
 * expanded. The caller frees. */
char *compose_path_join(const char *directory, const char *path);
/* The part before the last slash ("/" at least); the caller frees. */
char *compose_path_parent(const char *path);

#endif
