/* Containers as rows of lists: ps, compose ps, system df -v. */
#ifndef DORY_CMD_DORY_CONTAINER_ROW_H
#define DORY_CMD_DORY_CONTAINER_ROW_H

#include "cmd/dory/listing.h"

extern const struct listing_header container_headers[];
extern const size_t container_header_count;

/* `row` is one of GET /containers/json. */
int container_row_add(struct listing *listing, const struct json *row, const struct row_options *options,
                      struct error *err);
/* The members of such a row alone, for lists that add their own. */
void container_row_put(struct json_writer *w, const struct json *row, const struct row_options *options);

#endif
