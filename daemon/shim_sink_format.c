/* Messages of syslog and the journal; those of others have their own files. */
#include <time.h>

#include "base/json_table.h"
#include "base/strbuf.h"
#include "daemon/log_options.h"
#include "daemon/shim_sink.h"

#define C(kind_, json, member)                                                                                         \
    {                                                                                                                  \
        .name = json, .type = JSON_FIELD_##kind_, .offset = offsetof(struct log_sink_config, member),                  \
        .flags = JSON_OMIT_EMPTY                                                                                       \
    }
static const struct json_field rows[] = {
    C(INT, "kind", kind),
    C(STRING, "path", path),
    C(STRING, "host", host),
    C(INT, "port", port),
    C(BOOL, "stream", stream),
    C(BOOL, "nonBlocking", non_blocking),
    C(INT, "buffer", buffer_size),
    C(INT, "format", format),
    C(INT, "facility", facility),
    C(STRING, "tag", tag),
    C(STRING, "hostname", hostname),
    C(INT, "pid", pid),
    C(STRING, "fields", fields),
    C(INT, "retry", retry_ns),
    C(STRMAP, "extra", extra),
    C(INT, "compression", compression),
    C(INT, "level", level),
    C(BOOL, "async", async),
    C(BOOL, "nanoseconds", nanoseconds),
    C(BOOL, "ack", ack),
    C(INT, "readTimeout", read_timeout_ns),
    C(INT, "writeTimeout", write_timeout_ns),
    C(INT, "renew", renew_ns),
    C(BOOL, "limited", limited),
    C(INT, "attempts", attempts),
    C(STRING, "program", program),
    C(STRV, "arguments", arguments),
};
const struct json_table log_sink_config_table = JSON_TABLE(struct log_sink_config, rows);

#define SEVERITY_ERROR 3
#define SEVERITY_INFO 6

static void put_time(const struct log_sink_config *config, int64_t ns, struct strbuf *out)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t seconds = (time_t)(ns / 1000000000);
    struct tm tm;
    if (config->format == SYSLOG_UNIX || config->format == SYSLOG_RFC3164) {
        /* RFC 3164, 4.1.2: local time, the day padded with a blank. */
        localtime_r(&seconds, &tm);
        strbuf_addf(out, "%.3s %2d %02d:%02d:%02d", months + 3 * (tm.tm_mon % 12), tm.tm_mday, tm.tm_hour, tm.tm_min,
                    tm.tm_sec);
        return;
    }
    gmtime_r(&seconds, &tm);
    strbuf_addf(out, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
                tm.tm_min, tm.tm_sec);
    if (config->format == SYSLOG_RFC5424_MICRO)
        strbuf_addf(out, ".%06d", (int)(ns % 1000000000 / 1000));
    strbuf_addc(out, 'Z');
}

static const char *or_dash(const char *s)
{
    return s != NULL && *s != '\0' ? s : "-";
}

/* As docker's library words them: the tag is application name and message id in one. */
static void put_message(const struct log_sink_config *c, int severity, const char *text, size_t size, int64_t time,
                        struct strbuf *out)
{
    bool rfc5424 = c->format == SYSLOG_RFC5424 || c->format == SYSLOG_RFC5424_MICRO;
    strbuf_addf(out, rfc5424 ? "<%d>1 " : "<%d>", (int)c->facility * 8 + severity);
    put_time(c, time, out);
    if (rfc5424)
        strbuf_addf(out, " %s %s %lld %s - ", or_dash(c->hostname), or_dash(c->tag), (long long)c->pid,
                    or_dash(c->tag));
    else if (c->format == SYSLOG_RFC3164)
        strbuf_addf(out, " %s %s[%lld]: ", or_dash(c->hostname), c->tag ? c->tag : "", (long long)c->pid);
    else
        strbuf_addf(out, " %s[%lld]: ", c->tag ? c->tag : "", (long long)c->pid);
    strbuf_add(out, text, size);
    strbuf_addc(out, '\n');
}

/* Over TLS the newer format has its length in front (RFC 5425, 4.3). */
static void put_syslog(const struct log_sink_config *c, int severity, const char *text, size_t size, int64_t time,
                       struct strbuf *out)
{
    CLEANUP_STRBUF struct strbuf message = STRBUF_INIT;
    if (c->program == NULL || c->format < SYSLOG_RFC5424) {
        put_message(c, severity, text, size, time, out);
        return;
    }
    put_message(c, severity, text, size, time, &message);
    strbuf_addf(out, "%zu ", message.size);
    strbuf_add(out, message.data, message.size);
}

static void put_journal(const struct log_sink_config *c, int severity, const char *text, size_t size, bool newline,
                        int64_t time, struct strbuf *out)
{
    unsigned char length[8];
    for (int i = 0; i < 8; i++)
        length[i] = (unsigned char)((uint64_t)size >> (8 * i));
    strbuf_addf(out, "PRIORITY=%d\n", severity);
    strbuf_addf(out, "SYSLOG_TIMESTAMP=%lld.%06d\n", (long long)(time / 1000000000), (int)(time % 1000000000 / 1000));
    if (!newline)
        strbuf_adds(out, "CONTAINER_PARTIAL_MESSAGE=true\n");
    strbuf_adds(out, c->fields ? c->fields : "");
    /* The form for values that may hold anything: name, newline, size in little endian, value. */
    strbuf_adds(out, "MESSAGE\n");
    strbuf_add(out, length, sizeof(length));
    strbuf_add(out, text, size);
    strbuf_addc(out, '\n');
}

void log_sink_format(const struct log_sink_config *config, enum log_stream stream, const char *text, size_t size,
                     bool newline, int64_t time, const struct log_sink_piece *piece, struct strbuf *out)
{
    int severity = stream == LOG_STDERR ? SEVERITY_ERROR : SEVERITY_INFO;
    switch (config->kind) {
    case LOG_SINK_JOURNALD:
        put_journal(config, severity, text, size, newline, time, out);
        break;
    case LOG_SINK_GELF:
        gelf_format(config, severity, text, size, time, out);
        break;
    case LOG_SINK_FLUENTD:
        fluentd_format(config, stream, text, size, newline, time, piece, out);
        break;
    default:
        put_syslog(config, severity, text, size, time, out);
    }
}
