#include <errno.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "cmd/dory-shim/shim.h"

/* Reads per wake-up, so that one busy stream does not starve the rest. */
#define READS_PER_TURN 8
/* At the end: more than a pipe holds, yet not for ever, should an escaped process go on writing. */
#define READS_AT_END 64

static void on_trim(struct loop_source *source, void *data)
{
    struct shim *shim = data;

    (void)source;
    shim->trim_timer = NULL;
    madvise(shim->scratch, SCRATCH, MADV_DONTNEED);
    if (shim->streams.log)
        log_writer_trim(shim->streams.log);
}

/* After a burst the buffers are given back, but not between two reads of it. */
static void trim_later(struct shim *shim)
{
    if (!shim->trim_timer)
        loop_add_timer(shim->loop, TRIM_MS, on_trim, shim, &shim->trim_timer);
}

/* Whoever gets what is read has more than enough of it. */
static bool is_held(const struct output *o)
{
    return client_is_slow(o->streams, o->stream) || log_is_slow(o->streams);
}

static void end_output(struct output *o)
{
    struct streams *streams = o->streams;

    loop_remove(o->source);
    o->source = NULL;
    if (streams->tty)
        input_close(streams);
    o->fd = fd_close(o->fd);
    log_end(streams, o->stream);
}

/* 1: something was read, 0: nothing there now, -1: the end. */
static int read_once(struct output *o)
{
    struct streams *streams = o->streams;
    char *scratch = streams->shim->scratch;
    ssize_t n = read(o->fd, scratch, CHUNK);

    if (n < 0 && errno == EINTR)
        return 1;
    if (n < 0 && errno == EAGAIN)
        return 0;
    /* A terminal whose last user has gone says EIO. */
    if (n <= 0)
        return -1;
    client_broadcast(streams, o->stream, scratch, (size_t)n);
    log_add(streams, o->stream, scratch, (size_t)n);
    if (n >= 4096)
        trim_later(streams->shim);
    return 1;
}

static void on_output(struct loop_source *source, int fd, uint32_t events, void *data)
{
    struct output *o = data;

    (void)source;
    (void)fd;
    (void)events;
    for (int i = 0; i < READS_PER_TURN && !is_held(o); i++) {
        int r = read_once(o);

        if (r < 0)
            end_output(o);
        if (r <= 0)
            break;
    }
    output_update(o->streams);
    ending_advance(o->streams->shim);
}

int output_open(struct streams *streams, enum log_stream stream, int fd, struct error *err)
{
    struct output *o = &streams->outputs[stream];
    int r;

    o->streams = streams;
    o->stream = stream;
    o->fd = fd;
    r = fd_set_nonblock(fd, 1);
    if (r >= 0)
        r = loop_add_io(streams->shim->loop, fd, EPOLLIN, on_output, o, &o->source);
    return r < 0 ? error_errno(err, r, "watch the output") : 0;
}

void output_update(struct streams *streams)
{
    for (int i = 0; i < LOG_STREAM_COUNT; i++) {
        struct output *o = &streams->outputs[i];
        bool hold = o->fd >= 0 && is_held(o);

        if (o->fd < 0)
            continue;
        /* Out of the loop altogether: a hang-up would be reported again and again. */
        if (hold && o->source) {
            loop_remove(o->source);
            o->source = NULL;
        } else if (!hold && !o->source &&
                   loop_add_io(streams->shim->loop, o->fd, EPOLLIN, on_output, o, &o->source) < 0) {
            end_output(o);
        }
    }
}

bool output_ended(const struct streams *streams)
{
    return streams->outputs[LOG_STDOUT].fd < 0 && streams->outputs[LOG_STDERR].fd < 0;
}

void output_finish(struct streams *streams)
{
    for (int i = 0; i < LOG_STREAM_COUNT; i++) {
        struct output *o = &streams->outputs[i];
        int r = 1;

        for (int n = 0; n < READS_AT_END && o->fd >= 0 && r > 0 && !is_held(o); n++)
            r = read_once(o);
        if (o->fd >= 0 && (r < 0 || (streams->grace_over && !is_held(o))))
            end_output(o);
    }
    output_update(streams);
}
