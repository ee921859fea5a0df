/* Members of a request's body that are left out when they hold nothing, as docker's client leaves them out. */
#ifndef DORY_CMD_DORY_BODY_MEMBERS_H
#define DORY_CMD_DORY_BODY_MEMBERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"
#include "base/strmap.h"
#include "base/strv.h"

void put_strings(struct json_writer *w, const char *key, const struct strv *list);
void put_text(struct json_writer *w, const char *key, const char *value); /* NULL: left out */
void put_number(struct json_writer *w, const char *key, int64_t value);
void put_flag(struct json_writer *w, const char *key, bool value);
/* {"80/tcp":{}} out of a list of keys. */
void put_set(struct json_writer *w, const char *key, const struct strv *keys);
void put_map(struct json_writer *w, const char *key, const struct strmap *map);
/* An object out of "key=value" entries; without '=' the value is empty, or an error when `need_value` names the flag.
 */
int put_entries(struct json_writer *w, const char *key, const struct strv *entries, const char *need_value,
                struct error *err);

#endif
