/* String literals of Go (strconv.Quote, strconv.Unquote). Pure. */
#ifndef DORY_CMD_DORY_TEMPLATE_QUOTE_H
#define DORY_CMD_DORY_TEMPLATE_QUOTE_H

#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

/* In double quotes, with Go's escapes; the caller frees. */
char *quote_go(const char *text, size_t size);
/* The text of a literal in ", ` or ', as the lexer cut it out. 0 or -EINVAL. */
int unquote_go(const char *literal, struct strbuf *out);

#endif
