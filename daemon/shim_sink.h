/*
 * Where a container's records go beside, or instead of, its log file: syslog (RFC 3164, RFC 5424) or systemd's journal
 * (the native protocol, systemd.io/JOURNAL_NATIVE_PROTOCOL). Used by the shim; nothing here waits. What the socket does
 * not take is queued: in blocking mode until log_sink_is_full() tells the shim to stop reading from the container, in
 * non-blocking mode what exceeds the buffer is dropped. A server that is gone costs the records of that time, which is
 * reported, and is tried again once a second.
 */
#ifndef DORY_DAEMON_SHIM_SINK_H
#define DORY_DAEMON_SHIM_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "daemon/shim_log.h"

/* Longest configuration. */
#define LOG_SINK_CONFIG_MAX (256 * 1024)
/* In blocking mode a queue longer than this holds the container back. */
#define LOG_SINK_QUEUE_MAX 65536

struct log_sink;

/* The configuration as JSON. Connects; a server that is not there is an error (docker's start fails then, too). */
int log_sink_open(const char *config, size_t size, struct log_sink **ret, struct error *err);
void log_sink_close(struct log_sink *sink); /* NULL is fine; what is queued is lost */
/* One record. -errno when it, or an earlier one, was dropped. */
int log_sink_add(struct log_sink *sink, enum log_stream stream, const char *text, size_t size, bool newline,
                 int64_t time);
/* Sends what is queued, as far as it goes. */
int log_sink_flush(struct log_sink *sink);
/* For the loop: the socket, or -1; it has to become writable while something is queued. */
int log_sink_fd(const struct log_sink *sink);
bool log_sink_has_queue(const struct log_sink *sink);
bool log_sink_is_full(const struct log_sink *sink);

/* ---- messages; pure, and for tests ---- */

enum log_sink_kind { LOG_SINK_SYSLOG, LOG_SINK_JOURNALD };

/* As the daemon writes it and the shim reads it. */
struct log_sink_config {
    int64_t kind; /* enum log_sink_kind */
    char *path;   /* of a Unix socket; NULL: host and port */
    char *host;   /* a numeric address */
    int64_t port;
    bool stream; /* TCP or a Unix stream socket; else datagrams */
    bool non_blocking;
    int64_t buffer_size;
    /* syslog */
    int64_t format; /* enum syslog_format */
    int64_t facility;
    char *tag, *hostname;
    int64_t pid;
    /* journald: fields of every record, in its protocol */
    char *fields;
};
extern const struct json_table log_sink_config_table;

struct strbuf;
/* One message, with everything but the framing of datagrams. */
void log_sink_format(const struct log_sink_config *config, enum log_stream stream, const char *text, size_t size,
                     bool newline, int64_t time, struct strbuf *out);

#endif
