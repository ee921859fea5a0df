/* --secret as an option of a build session. */
#ifndef DORY_CMD_DORY_BUILD_SECRETS_H
#define DORY_CMD_DORY_BUILD_SECRETS_H

#include "base/json.h"
#include "base/strmap.h"
#include "cmd/dory/build.h"

#define SECRET_SIZE_MAX ((size_t)500 * 1024) /* BuildKit's */

/* Reads the files and variables that --secret names; writes a list of {"id","data"}. */
int build_secrets_write(struct json_writer *w, const struct strv *secrets, struct error *err);

#endif
