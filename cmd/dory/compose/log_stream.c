#include "cmd/dory/compose/log_stream.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/stream_frame.h"
#include "base/timestamp.h"
#include "cmd/dory/compose/lines.h"

#define CHUNK 32768

/* A line that has been read and not been taken. */
struct taken {
    int64_t time;
    size_t size;
};

struct log_stream {
    struct client_response *response;
    struct log_printer *printer;
    size_t source;
    bool raw;
    struct stream_frames frames;
    /* Framed lines are asked for with their times: a frame begins with one. */
    bool in_stamp, show_stamps;
    struct strbuf stamp;
    int64_t last;
    struct lines lines; /* one that is too long is printed in pieces */
    /* log_stream_next: the lines of what was read last, one behind the other in `bytes`. `at`: the next one, which
     * begins at `begin`. */
    bool queues, over;
    struct taken *queue;
    size_t queued, capacity, at, begin;
    struct strbuf bytes;
    struct loop_source *watch;
    log_stream_ended ended;
    void *data;
};

int log_stream_open(struct client *client, const struct log_query *query, const char *container, bool raw,
                    struct log_printer *printer, size_t source, struct log_stream **ret, struct error *err)
{
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    struct client_response *response = NULL;
    struct log_query own = *query;
    own.timestamps = query->timestamps || !raw;
    log_query_path(&own, container, &path);
    int r = client_send(client, &(struct client_request){.path = strbuf_str(&path)}, &response, err);
    if (r < 0)
        return r;
    *ret = xcalloc(1, sizeof(**ret));
    **ret = (struct log_stream){
        .response = response, .printer = printer, .source = source, .raw = raw, .show_stamps = query->timestamps};
    return 0;
}

int64_t log_stream_last(const struct log_stream *stream)
{
    return stream->last;
}

void log_stream_free(struct log_stream *stream)
{
    if (!stream)
        return;
    loop_remove(stream->watch);
    client_response_free(stream->response);
    strbuf_release(&stream->stamp);
    lines_release(&stream->lines);
    strbuf_release(&stream->bytes);
    free(stream->queue);
    free(stream);
}

/* With times asked for, a terminal's line begins with one. */
static int64_t line_time(const struct log_stream *stream, const struct strbuf *line)
{
    int64_t time = 0;
    if (!stream->raw)
        return stream->last;
    CLEANUP_FREE char *word = xstrndup(strbuf_str(line), strcspn(strbuf_str(line), " "));
    return stream->show_stamps && timestamp_parse(word, &time) == 0 ? time : 0;
}

static void put_line(struct log_stream *stream)
{
    const struct strbuf *line = &stream->lines.line;
    if (stream->queues) {
        xgrow((void **)&stream->queue, stream->queued, &stream->capacity, sizeof(*stream->queue));
        stream->queue[stream->queued++] = (struct taken){line_time(stream, line), line->size};
        strbuf_add(&stream->bytes, strbuf_str(line), line->size);
        return;
    }
    log_printer_line(stream->printer, stream->source, strbuf_str(line), line->size);
}

static void add_text(struct log_stream *stream, const char *data, size_t size)
{
    while (lines_next(&stream->lines, &data, &size))
        put_line(stream);
}

/* Takes the time at the beginning of a frame, with the blank behind it; returns how many bytes that were. */
static size_t take_stamp(struct log_stream *stream, const char *data, size_t size)
{
    const char *blank = memchr(data, ' ', size);
    size_t take = blank ? (size_t)(blank - data) + 1 : size;
    strbuf_add(&stream->stamp, data, take);
    if (!blank && stream->stamp.size < TIMESTAMP_MAX)
        return take;
    CLEANUP_FREE char *text = xstrndup(strbuf_str(&stream->stamp), stream->stamp.size - (blank != NULL));
    bool known = timestamp_parse(text, &stream->last) == 0;
    if (stream->show_stamps || !known)
        add_text(stream, stream->stamp.data, stream->stamp.size);
    strbuf_clear(&stream->stamp);
    stream->in_stamp = false;
    return take;
}

/* Standard output and standard error are one here; a line may come in several frames. */
static void add_frames(struct log_stream *stream, const char *data, size_t size)
{
    struct stream_piece piece;
    while (stream_frames_next(&stream->frames, &data, &size, &piece)) {
        stream->in_stamp = stream->in_stamp || piece.first;
        size_t stamp = stream->in_stamp ? take_stamp(stream, piece.data, piece.size) : 0;
        add_text(stream, piece.data + stamp, piece.size - stamp);
    }
}

/* Reads once. *ret_ended: that was the end. */
static int read_some(struct log_stream *stream, bool *ret_ended, struct error *err)
{
    char chunk[CHUNK];
    ssize_t n = client_read(stream->response, chunk, sizeof(chunk), err);
    if (n < 0)
        return (int)n;
    if (stream->raw)
        add_text(stream, chunk, (size_t)n);
    else
        add_frames(stream, chunk, (size_t)n);
    *ret_ended = n == 0;
    if (n == 0 && lines_last(&stream->lines))
        put_line(stream);
    return 0;
}

static int flush_output(struct error *err)
{
    return fflush(stdout) != 0 ? error_errno(err, errno, "write") : 0;
}

int log_stream_next(struct log_stream *stream, bool *ret_more, struct error *err)
{
    int r = 0;
    stream->queues = true;
    if (stream->at < stream->queued)
        stream->begin += stream->queue[stream->at++].size;
    if (stream->at == stream->queued) {
        stream->at = stream->queued = stream->begin = 0;
        strbuf_clear(&stream->bytes);
    }
    while (r == 0 && stream->queued == 0 && !stream->over)
        r = read_some(stream, &stream->over, err);
    if (r == 0)
        *ret_more = stream->queued > 0;
    return r;
}

int64_t log_stream_time(const struct log_stream *stream)
{
    return stream->queue[stream->at].time;
}

void log_stream_print(const struct log_stream *stream)
{
    log_printer_line(stream->printer, stream->source, strbuf_str(&stream->bytes) + stream->begin,
                     stream->queue[stream->at].size);
}

static void on_readable(struct loop_source *source, int fd, uint32_t events, void *data)
{
    (void)source, (void)fd, (void)events;
    struct log_stream *stream = data;
    struct error err = {0};
    bool ended = false;
    int r = read_some(stream, &ended, &err);
    while (r == 0 && !ended && client_buffered(stream->response))
        r = read_some(stream, &ended, &err);
    if (r == 0)
        r = flush_output(&err);
    if (r == 0 && !ended)
        return;
    loop_remove(TAKE_PTR(stream->watch));
    stream->ended(stream, r, &err, stream->data);
}

int log_stream_follow(struct log_stream *stream, struct loop *loop, log_stream_ended ended, void *data,
                      struct error *err)
{
    stream->ended = ended;
    stream->data = data;
    /* What came with the header is not seen by the loop. */
    bool over = false;
    int r = 0;
    while (r == 0 && !over && client_buffered(stream->response))
        r = read_some(stream, &over, err);
    if (r == 0)
        r = flush_output(err);
    if (r == 0 && over) {
        ended(stream, 0, NULL, data);
        return 0;
    }
    if (r == 0)
        r = loop_add_io(loop, client_response_fd(stream->response), EPOLLIN, on_readable, stream, &stream->watch);
    return r < 0 && err && err->kind == ERROR_NONE ? error_errno(err, r, "watch a log") : r;
}
