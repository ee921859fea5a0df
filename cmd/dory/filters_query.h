/* --filter and common pieces of list rows. */
#ifndef DORY_CMD_DORY_FILTERS_QUERY_H
#define DORY_CMD_DORY_FILTERS_QUERY_H

#include "base/error.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "base/strv.h"

/* Adds "filters={...}" to a path from "key=value" entries; empty entries are nothing. */
int filters_query_add(struct strbuf *path, const struct strv *filters, struct error *err);

/* "2 minutes ago" for Unix seconds. */
void format_ago(char *buf, size_t size, int64_t created);
/* The same for a time as the API writes it; "" for one that is none or lies before 1970 (docker's "never"). */
void format_time_ago(char *buf, size_t size, const char *time);
/* "a=1,b=2" of an object of strings. The caller frees. */
char *format_labels(const struct json *labels);
/* Cut to `width` columns with an ellipsis, as docker cuts commands. The caller frees. */
char *format_ellipsis(const char *text, size_t width);
/* "sha256:0123..." -> the short id, or the whole when no_trunc. Points into id or into buf. */
const char *format_id(const char *id, bool no_trunc, char buf[13]);

#endif
