#include "base/relay.h"

#include <errno.h>
#include <limits.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE_SIZE 16384

bool relay_is_empty(const struct relay_way *way)
{
    return way->sent == way->pending.size;
}

static void forget_pending(struct relay_way *way)
{
    strbuf_clear(&way->pending);
    way->sent = 0;
}

void relay_prepare(const struct relay_way ways[RELAY_WAYS], struct pollfd polls[RELAY_POLLS])
{
    for (int i = 0; i < RELAY_WAYS; i++) {
        const struct relay_way *way = &ways[i];
        bool empty = relay_is_empty(way);
        polls[2 * i] = (struct pollfd){.fd = empty && !way->ended ? way->from : -1, .events = POLLIN};
        polls[2 * i + 1] = (struct pollfd){.fd = empty ? -1 : way->to, .events = POLLOUT};
    }
}

static void read_piece(struct relay_way *way)
{
    unsigned char piece[PIECE_SIZE];
    ssize_t n = read(way->from, piece, sizeof(piece));
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        way->ended = true;
        return;
    }
    if (way->convert != NULL)
        way->convert(way->data, piece, (size_t)n);
    else
        strbuf_add(&way->pending, piece, (size_t)n);
    if (way->broken)
        forget_pending(way);
}

static void write_pending(struct relay_way *way)
{
    const char *data = way->pending.data + way->sent;
    size_t size = way->pending.size - way->sent;
    ssize_t n = send(way->to, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno == ENOTSOCK)
        n = write(way->to, data, size < PIPE_BUF ? size : PIPE_BUF);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n < 0)
        way->broken = true;
    else
        way->sent += (size_t)n;
    if (way->broken || relay_is_empty(way))
        forget_pending(way);
}

void relay_move(struct relay_way ways[RELAY_WAYS], const struct pollfd polls[RELAY_POLLS])
{
    for (int i = 0; i < RELAY_WAYS; i++) {
        /* Another way's conversion may have ended this one or given it something since. */
        if (polls[2 * i].fd >= 0 && polls[2 * i].revents != 0 && !ways[i].ended)
            read_piece(&ways[i]);
        if (polls[2 * i + 1].fd >= 0 && polls[2 * i + 1].revents != 0 && !relay_is_empty(&ways[i]))
            write_pending(&ways[i]);
    }
}

void relay_release(struct relay_way *way)
{
    strbuf_release(&way->pending);
    way->sent = 0;
}
