/*
 * Files of variables as Compose reads them (.env, --env-file, env_file, label_file): NAME=value or NAME: value, a
 * leading "export", comments, 'literal' and "escaped" values over several lines, variables in values; a NAME alone
 * takes the value of the lookup. The raw format takes what is behind the first '=' as it is. Pure but for
 * compose_dotenv_load; bounded.
 */
#ifndef DORY_CMD_DORY_COMPOSE_DOTENV_H
#define DORY_CMD_DORY_COMPOSE_DOTENV_H

#include "cmd/dory/compose/interpolate.h"

#define DOTENV_SIZE_MAX (4u << 20)

enum dotenv_format { DOTENV_DEFAULT, DOTENV_RAW };

/*
 * Reads `text` and sets what it says in `into` ("NAME=value" entries; a name that is there already is replaced).
 * Variables in values are looked up with `outside`, and then among what `into` has. Errors: "line N: what is wrong".
 */
int dotenv_parse(const char *text, enum dotenv_format format, const struct interpolation *outside, struct strv *into,
                 struct error *err);
/* The same for a file; errors begin with its path. */
int dotenv_load(const char *path, enum dotenv_format format, const struct interpolation *outside, struct strv *into,
                struct error *err);

#endif
