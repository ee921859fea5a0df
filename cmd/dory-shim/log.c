#include <errno.h>
#include <sys/epoll.h>

#include "base/timestamp.h"
#include "cmd/dory-shim/shim.h"
#include "daemon/shim_sink.h"

static struct log_sink *sink_of(const struct streams *streams)
{
    return streams->log ? log_writer_sink(streams->log) : streams->rest;
}

/* The container goes on when its log cannot be written; the daemon is told when that begins. */
static void note_result(struct streams *streams, int result)
{
    struct shim_failure failure = {.kind = ERROR_SYSTEM, .errnum = -result};

    if (result < 0 && !streams->log_failing)
        control_say(streams->shim, SHIM_LOG_FAILED, &failure, sizeof(failure), strerror(-result));
    streams->log_failing = result < 0;
}

static void on_room(struct loop_source *source, int fd, uint32_t events, void *data);
static void on_retry(struct loop_source *source, void *data);

/* While something is queued without a connection it is time that is waited for; also when a silent one is given up. */
static void watch_time(struct streams *streams, const struct log_sink *sink)
{
    int64_t ms = sink ? log_sink_wait_ms(sink) : -1;

    if ((ms >= 0) == (streams->log_timer != NULL))
        return;
    loop_remove(streams->log_timer);
    streams->log_timer = NULL;
    if (ms >= 0 && loop_add_timer(streams->shim->loop, ms, on_retry, streams, &streams->log_timer) < 0)
        streams->log_timer = NULL; /* the next record tries again */
}

static void stop_watching(struct streams *streams)
{
    loop_remove(streams->log_source);
    streams->log_source = NULL;
    streams->log_events = 0;
}

/* Waits for room or answers while something is queued. Meanwhile the sink only adds to its queue, and keeps its
 * descriptor. */
static void watch_sink(struct streams *streams)
{
    struct log_sink *sink = sink_of(streams);
    uint32_t wanted = sink ? log_sink_events(sink) : 0;

    watch_time(streams, sink);

    if (wanted == streams->log_events)
        return;
    stop_watching(streams);
    if (wanted &&
        loop_add_io(streams->shim->loop, log_sink_fd(sink), wanted, on_room, streams, &streams->log_source) < 0)
        streams->log_source = NULL; /* the next record tries again */
    else
        streams->log_events = wanted;
}

static void flush_sink(struct streams *streams)
{
    /* Before the sink may close its descriptor. */
    stop_watching(streams);
    note_result(streams, log_sink_flush(sink_of(streams)));
    watch_sink(streams);
    output_update(streams);
    ending_advance(streams->shim);
}

static void on_room(struct loop_source *source, int fd, uint32_t events, void *data)
{
    struct streams *streams = data;

    (void)source;
    (void)fd;
    (void)events;
    /* What has happened makes time anew. */
    loop_remove(streams->log_timer);
    streams->log_timer = NULL;
    flush_sink(streams);
}

static void on_retry(struct loop_source *source, void *data)
{
    struct streams *streams = data;

    (void)source; /* gone: it has fired */
    streams->log_timer = NULL;
    flush_sink(streams);
}

void log_add(struct streams *streams, enum log_stream stream, const char *data, size_t size)
{
    if (!streams->log)
        return;
    note_result(streams, log_writer_add(streams->log, stream, data, size, timestamp_now()));
    watch_sink(streams);
}

void log_end(struct streams *streams, enum log_stream stream)
{
    if (!streams->log)
        return;
    note_result(streams, log_writer_end(streams->log, stream));
    watch_sink(streams);
}

bool log_is_slow(const struct streams *streams)
{
    const struct log_sink *sink = sink_of(streams);

    return sink && log_sink_is_full(sink);
}

bool log_all_sent(const struct streams *streams)
{
    const struct log_sink *sink = sink_of(streams);

    return !sink || !log_sink_is_awaited(sink);
}

static void drop_rest(struct streams *streams)
{
    stop_watching(streams);
    loop_remove(streams->log_timer);
    streams->log_timer = NULL;
    log_sink_close(streams->rest);
    streams->rest = NULL;
}

static void on_rest_over(struct loop_source *source, void *data)
{
    struct streams *streams = data;

    (void)source;
    streams->rest_timer = NULL;
    drop_rest(streams);
    ending_advance(streams->shim);
}

void log_close(struct streams *streams)
{
    if (!streams->log)
        return;
    streams->rest = log_writer_take_sink(streams->log);
    log_writer_close(streams->log);
    streams->log = NULL;
    if (log_all_sent(streams) ||
        loop_add_timer(streams->shim->loop, LOG_REST_MS, on_rest_over, streams, &streams->rest_timer) < 0)
        drop_rest(streams);
}
