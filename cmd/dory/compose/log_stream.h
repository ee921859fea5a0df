/* The log of one container, printed as it comes by a loop while it is followed, or taken line by line. */
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

/* Goes to the next line, for callers that print several logs in one order. *ret_more false: that was the end. Blocks.
 */
int log_stream_next(struct log_stream *stream, bool *ret_more, struct error *err);
/* When the line was written, in nanoseconds since the epoch; 0: unknown, as the container has a terminal and no times
 * were asked for. */
int64_t log_stream_time(const struct log_stream *stream);
/* Prints the line; the caller flushes standard output. */
void log_stream_print(const struct log_stream *stream);

/* The stream has ended: r is 0, or an error and err tells which. The callback may free the stream. */
typedef void (*log_stream_ended)(struct log_stream *stream, int r, const struct error *err, void *data);
/* Prints from the loop, whole lines as they come. Freeing the stream takes it out of the loop. */
int log_stream_follow(struct log_stream *stream, struct loop *loop, log_stream_ended ended, void *data,
                      struct error *err);

#endif
