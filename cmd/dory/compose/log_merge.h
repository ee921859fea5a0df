/* Several logs printed as one, in the order in which their lines were written. */
#ifndef DORY_CMD_DORY_COMPOSE_LOG_MERGE_H
#define DORY_CMD_DORY_COMPOSE_LOG_MERGE_H

#include "cmd/dory/compose/log_stream.h"

/*
 * Prints all to their ends. Of each log the order of lines is kept; of lines with the same time those of the earlier
 * log come first, and lines without a time come at once. Of no log more is read ahead than one piece. streams[] is
 * changed. Blocks.
 */
int log_merge_print(struct log_stream **streams, size_t count, struct error *err);

#endif
