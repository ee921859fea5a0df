/* Base64 as credentials come in it. Pure. */
#ifndef DORY_BASE_BASE64_H
#define DORY_BASE_BASE64_H

#include <stdbool.h>

#include "base/strbuf.h"

/* Appends the decoded bytes. Standard and URL alphabet, padding optional. 0 or -EINVAL. */
int base64_decode(const char *text, struct strbuf *out);
/* Appends the text, padded. `url`: with - and _ instead of + and / (RFC 4648, section 5). */
void base64_encode(const void *data, size_t size, bool url, struct strbuf *out);

#endif
