/* The bar and the numbers behind a status, as docker draws them. Pure. */
#ifndef DORY_CMD_DORY_PROGRESS_BAR_H
#define DORY_CMD_DORY_PROGRESS_BAR_H

#include "base/json.h"
#include "base/strbuf.h"

/* `detail` is a line's progressDetail {"current","total","units","hidecounts"}; nothing is appended when it says
 * nothing. Narrow terminals get the numbers only. */
void progress_bar(const struct json *detail, int width, struct strbuf *out);

#endif
