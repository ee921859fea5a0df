#include <errno.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "base/timestamp.h"
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
    if (shim->log)
        log_writer_trim(shim->log);
}

/* After a burst the buffers are given back, but not between two reads of it. */
static void trim_later(struct shim *shim)
{
    if (!shim->trim_timer)
        loop_add_timer(shim->loop, TRIM_MS, on_trim, shim, &shim->trim_timer);
}

/* The container goes on when its log cannot be written; the daemon is told when that begins. */
static void note_log_result(struct shim *shim, int result)
{
    struct shim_failure failure = {.kind = ERROR_SYSTEM, .errnum = -result};

    if (result < 0 && !shim->log_failing)
        control_say(shim, SHIM_LOG_FAILED, &failure, sizeof(failure), strerror(-result));
    shim->log_failing = result < 0;
}

static void end_output(struct output *o)
{
    struct shim *shim = o->shim;

    loop_remove(o->source);
    o->source = NULL;
    if (shim->tty)
        input_close(shim);
    o->fd = fd_close(o->fd);
    if (shim->log)
        note_log_result(shim, log_writer_end(shim->log, o->stream));
}

/* 1: something was read, 0: nothing there now, -1: the end. */
static int read_once(struct output *o)
{
    struct shim *shim = o->shim;
    ssize_t n = read(o->fd, shim->scratch, CHUNK);

    if (n < 0 && errno == EINTR)
        return 1;
    if (n < 0 && errno == EAGAIN)
        return 0;
    /* A terminal whose last user has gone says EIO. */
    if (n <= 0)
        return -1;
    client_broadcast(shim, o->stream, shim->scratch, (size_t)n);
    if (shim->log)
        note_log_result(shim, log_writer_add(shim->log, o->stream, shim->scratch, (size_t)n, timestamp_now()));
    if (n >= 4096)
        trim_later(shim);
    return 1;
}

static void on_output(struct loop_source *source, int fd, uint32_t events, void *data)
{
    struct output *o = data;

    (void)source;
    (void)fd;
    (void)events;
    for (int i = 0; i < READS_PER_TURN && !client_is_slow(o->shim, o->stream); i++) {
        int r = read_once(o);

        if (r < 0)
            end_output(o);
        if (r <= 0)
            break;
    }
    output_update(o->shim);
    ending_advance(o->shim);
}

int output_open(struct shim *shim, enum log_stream stream, int fd, struct error *err)
{
    struct output *o = &shim->outputs[stream];
    int r;

    o->shim = shim;
    o->stream = stream;
    o->fd = fd;
    r = fd_set_nonblock(fd, 1);
    if (r >= 0)
        r = loop_add_io(shim->loop, fd, EPOLLIN, on_output, o, &o->source);
    return r < 0 ? error_errno(err, r, "watch the container's output") : 0;
}

void output_update(struct shim *shim)
{
    for (int i = 0; i < LOG_STREAM_COUNT; i++) {
        struct output *o = &shim->outputs[i];
        bool hold = o->fd >= 0 && client_is_slow(shim, o->stream);

        if (o->fd < 0)
            continue;
        /* Out of the loop altogether: a hang-up would be reported again and again. */
        if (hold && o->source) {
            loop_remove(o->source);
            o->source = NULL;
        } else if (!hold && !o->source && loop_add_io(shim->loop, o->fd, EPOLLIN, on_output, o, &o->source) < 0) {
            end_output(o);
        }
    }
}

bool output_ended(const struct shim *shim)
{
    return shim->outputs[LOG_STDOUT].fd < 0 && shim->outputs[LOG_STDERR].fd < 0;
}

void output_finish(struct shim *shim)
{
    for (int i = 0; i < LOG_STREAM_COUNT; i++) {
        struct output *o = &shim->outputs[i];
        int r = 1;

        for (int n = 0; n < READS_AT_END && o->fd >= 0 && r > 0 && !client_is_slow(shim, o->stream); n++)
            r = read_once(o);
        if (o->fd >= 0 && (r < 0 || (shim->grace_over && !client_is_slow(shim, o->stream))))
            end_output(o);
    }
    output_update(shim);
}
