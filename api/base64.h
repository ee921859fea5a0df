/* Base64 as credentials come in it. Pure. */
#ifndef DORY_API_BASE64_H
#define DORY_API_BASE64_H

#include "base/strbuf.h"

/* Appends the decoded bytes. Standard and URL alphabet, padding optional. 0 or -EINVAL. */
int base64_decode(const char *text, struct strbuf *out);

#endif
