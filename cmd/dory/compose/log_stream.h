/* The log of one container, printed as it comes: by a loop while it is followed, or at once. */
#ifndef DORY_CMD_DORY_COMPOSE_LOG_STREAM_H
#define DORY_CMD_DORY_COMPOSE_LOG_STREAM_H

#include "api/client.h"
#include "base/loop.h"
#include "cmd/dory/compose/log_printer.h"
#include "cmd/dory/log_query.h"

struct log_stream;

/*
 * Asks for the log. `raw`: the container has a terminal, so that its log has no frames. `printer` outlives the stream.
 * *ret: log_stream_free.
 */
int log_stream_open(struct client *client, const struct log_query *query, const char *container, bool raw,
                    struct log_printer *printer, size_t source, struct log_stream **ret, struct error *err);
/* When the newest line was written that has been printed, in nanoseconds since the epoch: what comes behind it is new.
 * 0: unknown (nothing printed yet, or the container has a terminal). */
int64_t log_stream_last(const struct log_stream *stream);
/* NULL is fine. A line that has no end yet is not printed any more. */
void log_stream_free(struct log_stream *stream);

/* Prints everything to the end. Blocks. */
int log_stream_print(struct log_stream *stream, struct error *err);

/* The stream has ended: r is 0, or an error and err tells which. The callback may free the stream. */
typedef void (*log_stream_ended)(struct log_stream *stream, int r, const struct error *err, void *data);
/* Prints from the loop, whole lines as they come. Freeing the stream takes it out of the loop. */
int log_stream_follow(struct log_stream *stream, struct loop *loop, log_stream_ended ended, void *data,
                      struct error *err);

#endif
