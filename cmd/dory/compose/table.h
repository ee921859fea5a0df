/* The lists of `compose ls` and `compose images`: a table, or JSON. */
#ifndef DORY_CMD_DORY_COMPOSE_TABLE_H
#define DORY_CMD_DORY_COMPOSE_TABLE_H

#include <stdbool.h>

#include "base/error.h"
#include "base/strv.h"

/* What --format asks for: "json", or "table", "pretty", "" and NULL. Others are an error in Compose's words. */
int compose_table_format(const char *format, bool *ret_json, struct error *err);
/* Lines of cells separated by tabs, the titles first. */
void compose_table_print(const struct strv *lines);

#endif
