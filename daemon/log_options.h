/*
 * Log drivers and their options: --log-driver, --log-opt, HostConfig.LogConfig, and daemon.json's log-driver and
 * log-opts. One table says which option belongs to which driver and what its values mean; mistakes are told in docker's
 * words when the container is created.
 */
#ifndef DORY_DAEMON_LOG_OPTIONS_H
#define DORY_DAEMON_LOG_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strmap.h"

enum log_driver {
    LOG_DRIVER_JSON_FILE,
    LOG_DRIVER_LOCAL,
    LOG_DRIVER_NONE,
    LOG_DRIVER_SYSLOG,
    LOG_DRIVER_JOURNALD,
    LOG_DRIVER_GELF,
    LOG_DRIVER_FLUENTD
};

enum syslog_format { SYSLOG_UNIX, SYSLOG_RFC3164, SYSLOG_RFC5424, SYSLOG_RFC5424_MICRO };
enum log_transport {
    LOG_LOCAL_SOCKET /* whichever of the usual sockets of syslog is there */,
    LOG_UDP,
    LOG_TCP,
    LOG_TLS,
    LOG_UNIX_STREAM,
    LOG_UNIX_DATAGRAM /* Unix sockets */
};

/* Rotation is on by default: so much at most for one container, give or take a record per file. */
#define LOG_DEFAULT_MAX_SIZE UINT64_C(20000000)
#define LOG_DEFAULT_MAX_FILES 5
#define LOG_DEFAULT_BUFFER (UINT64_C(1) << 20)
/* How long a server that was lost is left alone. */
#define LOG_DEFAULT_RETRY_NS INT64_C(1000000000)

enum gelf_compression { GELF_GZIP, GELF_ZLIB, GELF_PLAIN };
#define FLUENTD_DEFAULT_ADDRESS "localhost:24224"

/* What the options come to. Texts lie in the options. */
struct log_settings {
    enum log_driver driver;
    /* the file, or for drivers that keep none of their own the copy that `logs` reads */
    uint64_t max_size; /* 0: unlimited */
    unsigned max_files;
    bool compress;
    bool cache_disabled; /* no copy is kept */
    /* what goes into each record */
    const char *labels, *labels_regex, *env, *env_regex, *tag; /* NULL: not given */
    /* drivers that send */
    bool non_blocking;
    uint64_t buffer_size; /* bytes, with non_blocking */
    enum log_transport transport;
    const char *address; /* "host:port" or a path; NULL with LOG_LOCAL_SOCKET */
    int64_t retry_ns;
    enum syslog_format format;
    int facility;
    const char *tls_ca, *tls_cert, *tls_key; /* files, with LOG_TLS; NULL: the system's authorities, no certificate */
    bool tls_skip_verify;
    enum gelf_compression compression; /* of datagrams */
    int compression_level;             /* -1 to 9, zlib's */
    bool limited;                      /* what could not be sent waits for the server, but for so many ... */
    int64_t attempts;                  /* ... attempts to reach it in a row; then it is given up */
    bool async;                        /* fluentd: the server need not be there; records wait for it in the buffer */
    bool nanoseconds;                  /* fluentd: in times */
    bool ack;                          /* fluentd: what the server has not acknowledged is sent again */
    int64_t read_timeout_ns, write_timeout_ns; /* fluentd: a silent connection is given up; 0: never */
    int64_t renew_ns;                          /* fluentd, async: after so long a new connection is made; 0: never */
};

/* Pure but for the existence of Unix sockets. */
int log_settings_parse(const char *driver, const struct strmap *options, struct log_settings *ret, struct error *err);
/* Whether the logs of a container with this driver and options can be read back. */
bool log_is_readable(const char *driver, const struct strmap *options);
/* "fluentd", "gelf", "journald", ..., NULL: for /info. */
extern const char *const log_driver_names[];

#endif
