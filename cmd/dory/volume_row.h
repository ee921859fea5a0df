/* Volumes as rows of lists: volume ls, system df -v. */
#ifndef DORY_CMD_DORY_VOLUME_ROW_H
#define DORY_CMD_DORY_VOLUME_ROW_H

#include "cmd/dory/listing.h"

extern const struct listing_header volume_headers[];
extern const size_t volume_header_count;

/* `volume` is one of GET /volumes, with UsageData from GET /system/df. */
int volume_row_add(struct listing *listing, const struct json *volume, struct error *err);

#endif
