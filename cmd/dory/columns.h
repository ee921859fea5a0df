/* Tables on standard output, aligned as Go's text/tabwriter aligns them. */
#ifndef DORY_CMD_DORY_COLUMNS_H
#define DORY_CMD_DORY_COLUMNS_H

#include "base/strv.h"

/* Cells of each line are separated by tabs; each is at least `min` columns wide, with `padding` blanks behind the
 * widest. The last cell of a line is not padded. A character is taken to be one column wide. */
void columns_print(const struct strv *lines, size_t min, size_t padding);

#endif
