/*
 * One way of a relay between descriptors. A relay has two of them in one thread, and neither may wait for the other:
 * each holds what its destination does not take yet, reads nothing more until that is gone, and never blocks.
 *
 *     while (going) {
 *         relay_prepare(ways, polls);
 *         poll(polls, RELAY_POLLS, -1);
 *         relay_move(ways, polls);
 *     }
 */
#ifndef DORY_BASE_RELAY_H
#define DORY_BASE_RELAY_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/strbuf.h"

#define RELAY_WAYS 2
/* Of the way i, the entries 2i and 2i+1: its source and its destination. */
#define RELAY_POLLS (2 * RELAY_WAYS)

/* Zero-initialised but for the descriptors (not owned) is a way that copies. End it with relay_release(). */
struct relay_way {
    int from, to;
    bool ended;            /* nothing more is read: the source ended or failed, or the caller set it */
    bool broken;           /* the destination takes no more (EPIPE and the like): all that comes is dropped */
    struct strbuf pending; /* bytes from `sent` on are still to be written */
    size_t sent;
    /* What becomes of the bytes that were read (it may change them); NULL appends them to pending. */
    void (*convert)(void *data, unsigned char *bytes, size_t size);
    void *data;
};

/* Nothing waits to be written. */
bool relay_is_empty(const struct relay_way *way);
/* What there is to wait for, for poll(2); an entry without that has the descriptor -1. */
void relay_prepare(const struct relay_way ways[RELAY_WAYS], struct pollfd polls[RELAY_POLLS]);
/*
 * Reads and writes what poll found ready. Sockets are written without waiting. Others get at most PIPE_BUF bytes at a
 * time, which a pipe that is ready takes at once; a terminal should be non-blocking.
 */
void relay_move(struct relay_way ways[RELAY_WAYS], const struct pollfd polls[RELAY_POLLS]);
void relay_release(struct relay_way *way);

#endif
