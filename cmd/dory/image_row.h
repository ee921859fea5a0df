/* Images as rows of lists, one for each name (or the first): images, system df -v. */
#ifndef DORY_CMD_DORY_IMAGE_ROW_H
#define DORY_CMD_DORY_IMAGE_ROW_H

#include "cmd/dory/listing.h"

extern const struct listing_header image_headers[];
extern const size_t image_header_count;

/* `image` is one of GET /images/json. */
int image_row_add(struct listing *listing, const struct json *image, const struct row_options *options,
                  struct error *err);

#endif
