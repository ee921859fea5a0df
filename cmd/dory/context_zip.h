/* Contexts that come as a zip file: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT. Pure and bounded. */
#ifndef DORY_CMD_DORY_CONTEXT_ZIP_H
#define DORY_CMD_DORY_CONTEXT_ZIP_H

#include <stdbool.h>

#include "base/error.h"
#include "base/strbuf.h"

bool context_zip_is_one(const struct strbuf *archive);
/* The files of a zip file as a tar for context_archive_parse(). Stored and deflated files are known; encrypted ones,
 * those that are damaged and sizes that do not fit are refused by their name. */
int context_zip_unpack(const struct strbuf *archive, struct strbuf *ret_tar, struct error *err);

#endif
