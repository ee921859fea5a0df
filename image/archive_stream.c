#include "image/archive_stream.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "image/block_pipe.h"
#include "image/inflate.h"

#define STACK (256 * 1024)
#define READ_SIZE (64 * 1024)

struct archive_stream {
    int fd;
    int stop[2]; /* its write end is closed to end the thread */
    pthread_t thread;
    struct block_pipe pipe;
    char *block;
    size_t fill;
    struct error error; /* of the thread; read after the pipe was cancelled by it */
};

static int stream_reserve(void *data, char **ret_room, size_t *ret_size, struct error *err)
{
    struct archive_stream *stream = data;
    if (stream->block == NULL && block_pipe_reserve(&stream->pipe, &stream->block) < 0) {
        return error_set(err, ERROR_CANCELLED, ECANCELED, "cancelled");
    }
    *ret_room = stream->block + stream->fill;
    *ret_size = BLOCK_PIPE_SIZE - stream->fill;
    return 0;
}

static void stream_publish(struct archive_stream *stream)
{
    if (stream->fill > 0) {
        block_pipe_publish(&stream->pipe, stream->fill);
        stream->block = NULL;
        stream->fill = 0;
    }
}

static int stream_commit(void *data, size_t size, struct error *err)
{
    struct archive_stream *stream = data;
    (void)err;
    stream->fill += size;
    if (stream->fill == BLOCK_PIPE_SIZE) {
        stream_publish(stream);
    }
    return 0;
}

/* Waits for input. Its size, 0 at the end, or -errno. */
static ssize_t stream_input(struct archive_stream *stream, char *buffer, struct error *err)
{
    for (;;) {
        struct pollfd fds[2] = {{.fd = stream->fd, .events = POLLIN}, {.fd = stream->stop[0], .events = POLLIN}};
        if (poll(fds, 2, -1) < 0 && errno != EINTR) {
            return error_errno(err, errno, "read the archive");
        }
        if (fds[1].revents != 0) {
            return error_set(err, ERROR_CANCELLED, ECANCELED, "cancelled");
        }
        if (fds[0].revents == 0) {
            continue;
        }
        ssize_t n = read(stream->fd, buffer, READ_SIZE);
        if (n >= 0) {
            return n;
        }
        if (errno != EINTR && errno != EAGAIN) {
            return error_errno(err, errno, "read the archive");
        }
    }
}

static int stream_run(struct archive_stream *stream, struct inflate *inflate, struct error *err)
{
    CLEANUP_FREE char *buffer = xmalloc(READ_SIZE);
    ssize_t n;
    while ((n = stream_input(stream, buffer, err)) > 0) {
        int r = inflate_write(inflate, buffer, (size_t)n, err);
        if (r < 0) {
            return r;
        }
    }
    if (n < 0) {
        return (int)n;
    }
    int r = inflate_finish(inflate, err);
    if (r == 0) {
        stream_publish(stream);
        block_pipe_close(&stream->pipe);
    }
    return r;
}

static void *stream_main(void *data)
{
    struct archive_stream *stream = data;
    struct inflate_sink sink = {.reserve = stream_reserve, .commit = stream_commit, .data = stream};
    struct inflate *inflate = inflate_new(&sink);
    if (stream_run(stream, inflate, &stream->error) < 0) {
        block_pipe_cancel(&stream->pipe);
    }
    inflate_free(inflate);
    return NULL;
}

int archive_stream_open(int fd, struct archive_stream **ret, struct error *err)
{
    struct archive_stream *stream = xcalloc(1, sizeof(*stream));
    stream->fd = fd;
    int r = fd_pipe(stream->stop);
    if (r < 0) {
        free(stream);
        return error_errno(err, r, "pipe");
    }
    r = block_pipe_init(&stream->pipe);
    if (r == 0) {
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        pthread_attr_setstacksize(&attributes, STACK);
        r = -pthread_create(&stream->thread, &attributes, stream_main, stream);
        pthread_attr_destroy(&attributes);
    }
    if (r < 0) {
        block_pipe_release(&stream->pipe);
        fd_close(stream->stop[0]);
        fd_close(stream->stop[1]);
        free(stream);
        return error_errno(err, r, "read the archive");
    }
    *ret = stream;
    return 0;
}

ssize_t archive_stream_read(void *data, const void **ret_data, struct error *err)
{
    struct archive_stream *stream = data;
    ssize_t n = block_pipe_take(&stream->pipe, ret_data);
    return n < 0 ? error_propagate(err, &stream->error) : n;
}

void archive_stream_free(struct archive_stream *stream)
{
    if (stream != NULL) {
        block_pipe_cancel(&stream->pipe);
        stream->stop[1] = fd_close(stream->stop[1]);
        pthread_join(stream->thread, NULL);
        block_pipe_release(&stream->pipe);
        fd_close(stream->stop[0]);
        free(stream);
    }
}

void archive_stream_free_ptr(struct archive_stream **stream)
{
    archive_stream_free(*stream);
    *stream = NULL;
}
