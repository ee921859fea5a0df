/*
 * Where a container's records go beside, or instead of, its log file: syslog (RFC 3164, RFC 5424), systemd's journal
 * (the native protocol, systemd.io/JOURNAL_NATIVE_PROTOCOL), a GELF server (go2docs.graylog.org, "GELF"), or fluentd
 * (the forward protocol, version 1, in message mode). Used by the shim; nothing here waits. What the socket does not
 * take is queued: in blocking mode until log_sink_is_full() tells the shim to stop reading from the container, in
 * non-blocking mode what exceeds the buffer is dropped. A server that is gone costs the records of that time, which is
 * reported, and is tried again after retry_ns. With `async` the records of that time wait in the queue, as many as
 * there is room for; with `limited` they do for so many attempts in a row, and only then they are lost. With `ack`
 * what the server has not acknowledged stays in the queue and is sent again over the next connection.
 */
#ifndef DORY_DAEMON_SHIM_SINK_H
#define DORY_DAEMON_SHIM_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "base/strmap.h"
#include "base/strv.h"
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
/* Takes acknowledgements and sends what is queued, as far as it goes; connects again first when it is time for that. */
int log_sink_flush(struct log_sink *sink);
/* For the loop: the socket, or -1. While log_sink_events() are awaited only log_sink_flush() closes it. */
int log_sink_fd(const struct log_sink *sink);
/* What log_sink_flush() waits for: EPOLLOUT while something is to be sent, EPOLLIN while an answer is; 0: nothing. */
uint32_t log_sink_events(const struct log_sink *sink);
bool log_sink_has_queue(const struct log_sink *sink);
bool log_sink_is_full(const struct log_sink *sink);
/* What is queued is worth waiting for at the container's end: there is a server, or there may be one in a moment. */
bool log_sink_is_awaited(const struct log_sink *sink);
/* Milliseconds until log_sink_flush() is worth a call although nothing has happened to the socket (there is none, or it
 * is silent for too long then); -1: it is not. */
int64_t log_sink_wait_ms(const struct log_sink *sink);

/* ---- messages; pure, and for tests ---- */

enum log_sink_kind { LOG_SINK_SYSLOG, LOG_SINK_JOURNALD, LOG_SINK_GELF, LOG_SINK_FLUENTD };

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
    int64_t retry_ns;
    /* gelf, fluentd: of every record */
    struct strmap extra;
    /* gelf, as datagrams */
    int64_t compression, level; /* enum gelf_compression; zlib's */
    /* gelf, fluentd: see struct log_settings */
    bool limited;
    int64_t attempts;
    /* fluentd */
    bool async, nanoseconds, ack;
    int64_t read_timeout_ns, write_timeout_ns, renew_ns;
    /* over TLS: dory-connect and its words */
    char *program;
    struct strv arguments;
};
extern const struct json_table log_sink_config_table;

/* A line that came in pieces. */
struct log_sink_piece {
    unsigned number; /* from 1; 0: the line is whole */
    char id[33];     /* the line's */
};

/* One message, with everything but the framing of datagrams. piece may be NULL: the line is whole. */
void log_sink_format(const struct log_sink_config *config, enum log_stream stream, const char *text, size_t size,
                     bool newline, int64_t time, const struct log_sink_piece *piece, struct strbuf *out);

/* shim_sink_tls.c */
/*
 * A connection that the program `program` has: a socket whose other end it relays over TLS. With patience_ms > 0 waits
 * so long for the server to be there and trusted, and tells what is wrong; else a failure shows as the end of the
 * connection. The program ends with the connection. The descriptor, or -errno.
 */
int log_sink_connect_tls(const struct log_sink_config *config, int patience_ms, struct error *err);

/* shim_sink_gelf.c */
#define GELF_CHUNK_MAX 1420 /* bytes of a datagram; fits what networks carry */
#define GELF_CHUNK_HEADER 12
#define GELF_CHUNKS_MAX 128
void gelf_format(const struct log_sink_config *config, int severity, const char *text, size_t size, int64_t time,
                 struct strbuf *out);
/* The message as the config wants it compressed, behind what is in `out`. -ENOMEM */
int gelf_compress(const struct log_sink_config *config, const struct strbuf *message, struct strbuf *out);
/* How many datagrams it takes; 1: it goes as it is. -EMSGSIZE: too many. */
int gelf_chunk_count(size_t size);
/* Number i of them, with its header. */
void gelf_chunk(const struct strbuf *message, const unsigned char id[8], int i, int count, struct strbuf *out);

/* shim_sink_fluentd.c */
void fluentd_format(const struct log_sink_config *config, enum log_stream stream, const char *text, size_t size,
                    bool newline, int64_t time, const struct log_sink_piece *piece, struct strbuf *out);
/* With `ack` the message goes on with this. */
void fluentd_add_chunk(struct strbuf *out, const char *id);
/* The first answer in data: 1, its id (not terminated; in data) and its length; 0: more has to come, -EPROTO: none. */
int fluentd_take_ack(const char *data, size_t size, const char **ret_id, size_t *ret_id_size, size_t *ret_used);

#endif
