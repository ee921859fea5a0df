/*
 * The frames of a build session (POST /dory/build), in both directions over one connection that was upgraded: a type, a
 * channel, a size in network order, then so many bytes. Docker's streams have the same shape (base/stream_frame.h). Who
 * sends what is in SESSION_* below; the channel is the context's number in the order of the options' "contexts", or
 * that of a connection to an ssh agent. Shared by the CLI and the daemon.
 *
 * 1. The client sends SESSION_OPTIONS, and SESSION_DOCKERFILE when it has read one, then each context: a tar, or the
 *    manifest of a directory, upon which the daemon says which of its files it does not have.
 * 2. The daemon builds and tells; an agent's connections and the resulting tree travel meanwhile.
 * 3. The daemon ends with SESSION_RESULT. A client that closes before cancels the build.
 */
#ifndef DORY_API_CLIENT_SESSION_H
#define DORY_API_CLIENT_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"

#define SESSION_HEADER 8
#define SESSION_FRAME_MAX ((size_t)1 << 20)

enum session_type {
    /* client */
    SESSION_OPTIONS = 'O',    /* JSON, see build_session.c */
    SESSION_DOCKERFILE = 'D', /* text, in pieces; an empty one ends it */
    SESSION_MANIFEST = 'M',   /* entries (below), in pieces; an empty one ends it */
    SESSION_FILE = 'F',       /* contents of the next file that is needed, in pieces */
    SESSION_FILE_END = 'f',   /* the end of it; with a byte: the file has gone */
    SESSION_TAR = 'T',        /* a context, in pieces; an empty one ends it */
    /* daemon */
    SESSION_NEED = 'N',   /* numbers of files, four bytes each in network order; an empty one ends it */
    SESSION_EVENT = 'J',  /* JSON */
    SESSION_TREE = 'W',   /* tar of the resulting files, in pieces; an empty one ends it */
    SESSION_AGENT = 'A',  /* a connection to the agent of this id is wanted: the channel's number is new */
    SESSION_RESULT = 'R', /* JSON */
    /* both */
    SESSION_AGENT_DATA = 'S', /* an empty one ends the connection */
};

/*
 * A manifest's entry is three strings, each with a NUL at its end:
 *   1. "KIND MODE SIZE MTIME CTIME INODE": a letter (f file, d directory, l symlink, p fifo, c and b devices), octal
 *      permission bits, then decimal numbers; times in nanoseconds; SIZE is a device's number where it is one
 *   2. the path, relative, without dots
 *   3. a symlink's target; a file's security.capability in hex; else empty
 * A file that was changed so lately that another change might not show in its times has a number for an inode that is
 * used once, below 0. Entries are sorted by path, '/' before everything else, and a directory stands before what is in
 * it.
 */

/* Writes one frame. May block. 0 or -errno (-EPIPE: the peer has gone). */
int session_send(int fd, enum session_type type, unsigned channel, const void *data, size_t size);

struct session_frame {
    enum session_type type;
    unsigned channel;
    const char *data; /* until the next receive */
    size_t size;
};

struct session_reader {
    int fd;
    struct strbuf buffer;
    size_t used; /* bytes of it that were given out */
};
void session_reader_release(struct session_reader *reader);
/* 1: a frame; 0: the connection is at its end; -errno: broken, or a frame larger than SESSION_FRAME_MAX. */
int session_receive(struct session_reader *reader, struct session_frame *ret, struct error *err);
/* A whole frame is there already, so that session_receive() does not block. */
bool session_buffered(const struct session_reader *reader);

#endif
