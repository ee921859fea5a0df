/*
 * Calls of struct build_events as bytes, so that they can wait, and what they wait in. Strings and numbers are as they
 * were; steps are pointers, which have to live as long as the bytes. Private to progress.c.
 */
#ifndef DORY_DAEMON_BUILD_PROGRESS_RECORD_H
#define DORY_DAEMON_BUILD_PROGRESS_RECORD_H

#include "base/strbuf.h"
#include "daemon/build/build.h"

enum event_kind { EVENT_STARTED, EVENT_CACHED, EVENT_CONTAINER, EVENT_LINE, EVENT_LOG, EVENT_DONE, EVENT_WARNING };

/* One call, whatever it is about. Unused members are zero. */
struct event_record {
    enum event_kind kind;
    const struct build_step_info *step;
    const char *id, *text;
    size_t text_size; /* of log */
    int number;       /* stream; removed; an error is there */
    int64_t current, total;
    struct error error;
};

/* Adds it. */
void event_record_write(const struct event_record *record, struct strbuf *out);
/* The first of these bytes, into which its strings point. Returns how many they are; 0: it is not complete. */
size_t event_record_read(const char *data, size_t size, struct event_record *ret);

/* Bytes that wait: few in memory, more in a file without a name. Zero-initialised with fd -1. */
struct event_spool {
    int fd;
    int64_t read, written; /* of the file */
    struct strbuf memory;  /* behind what the file holds */
};
#define EVENT_SPOOL_INIT                                                                                               \
    {                                                                                                                  \
        .fd = -1                                                                                                       \
    }
int64_t event_spool_size(const struct event_spool *spool);
/* Takes them in; the file is made in the directory tmp_fd. 0 or -errno: then they are lost. */
int event_spool_put(struct event_spool *spool, int tmp_fd, const char *data, size_t size);
/* Adds the oldest of them to `out`, some at a time; records may be cut. Nothing is added: there are none. */
int event_spool_take(struct event_spool *spool, struct strbuf *out);
void event_spool_release(struct event_spool *spool);

#endif
