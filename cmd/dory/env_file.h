/* --env-file and --label-file: lines of NAME=value, as docker's client reads them. */
#ifndef DORY_CMD_DORY_ENV_FILE_H
#define DORY_CMD_DORY_ENV_FILE_H

#include <stdbool.h>

#include "base/error.h"
#include "base/strv.h"

/*
 * Sets NAME=value in `env` (strv_env_set). Blanks in front of a name, empty lines and lines that begin with # count for
 * nothing, nor does a byte order mark. A NAME alone takes the caller's value when `environment` is set and there is
 * one; else it is passed over. Errors: a file that cannot be read, text that is not UTF-8, lines of 64 KiB and more, a
 * line without a name or with blanks in it.
 */
int env_file_read(const char *path, bool environment, struct strv *env, struct error *err);

#endif
