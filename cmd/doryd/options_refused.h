/* Settings of dockerd that are not there: each is refused by its name, with the reason. Private to options*.c. */
#ifndef DORY_CMD_DORYD_OPTIONS_REFUSED_H
#define DORY_CMD_DORYD_OPTIONS_REFUSED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/json.h"

struct refused {
    const char *flag; /* NULL: a key only */
    const char *key;  /* in daemon.json; NULL: as the flag */
    bool is_bool;     /* "false" is what is so, and taken */
    const char *reason;
};

/* NULL: no such setting. */
const struct refused *refused_flag(const char *name, size_t size);
const struct refused *refused_key(const char *key);
/* 0 for a value that asks for nothing (false, nothing at all), else ERROR_NOT_IMPLEMENTED. value may be NULL. */
int refused_take(const struct refused *refused, const char *value, struct error *err);
int refused_take_json(const struct refused *refused, const struct json *value, struct error *err);

#endif
