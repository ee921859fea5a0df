#include "daemon/log_options_remote.h"

#include <string.h>

#include "base/parse.h"

#define REMOTE_RETRY_MAX_NS (INT64_C(3600) * 1000000000)

/* Behind "scheme://", or NULL. */
static const char *behind(const char *value, const char *scheme)
{
    size_t size = strlen(scheme);
    return strncmp(value, scheme, size) == 0 && strncmp(value + size, "://", 3) == 0 ? value + size + 3 : NULL;
}

static bool has_port(const char *address)
{
    const char *colon = strrchr(address, ':');
    int64_t port;
    return colon != NULL && colon != address && parse_int64(colon + 1, 1, 65535, &port) == 0;
}

static int wrong(const char *option, const char *value, struct error *err)
{
    return error_set(err, ERROR_INVALID, 0, "invalid value for %s: '%s'", option, value);
}

/* ---- gelf ---- */

int log_set_gelf_address(const char *value, struct log_settings *s, struct error *err)
{
    if (strstr(value, "://") == NULL)
        return error_set(err, ERROR_INVALID, 0, "gelf-address should be in form proto://address, got %s", value);
    if ((s->address = behind(value, "udp")) != NULL)
        s->transport = LOG_UDP;
    else if ((s->address = behind(value, "tcp")) != NULL)
        s->transport = LOG_TCP;
    else
        return error_set(err, ERROR_INVALID, 0, "gelf: endpoint needs to be TCP or UDP");
    return has_port(s->address)
               ? 0
               : error_set(err, ERROR_INVALID, 0, "gelf: please provide gelf-address as proto://host:port");
}

int log_set_gelf_compression(const char *value, struct log_settings *s, struct error *err)
{
    static const char *const names[] = {[GELF_GZIP] = "gzip", [GELF_ZLIB] = "zlib", [GELF_PLAIN] = "none"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(value, names[i]) == 0) {
            s->compression = (enum gelf_compression)i;
            return 0;
        }
    }
    return error_set(err, ERROR_INVALID, 0,
                     "unknown value \"%s\" for log opt \"gelf-compression-type\" for gelf log driver", value);
}

int log_set_gelf_level(const char *value, struct log_settings *s, struct error *err)
{
    int64_t n;
    if (parse_int64(value, -1, 9, &n) < 0)
        return error_set(err, ERROR_INVALID, 0,
                         "unknown value \"%s\" for log opt \"gelf-compression-level\" for gelf log driver", value);
    s->compression_level = (int)n;
    return 0;
}

int log_set_gelf_delay(const char *value, struct log_settings *s, struct error *err)
{
    int64_t seconds;
    if (parse_int64(value, 0, REMOTE_RETRY_MAX_NS / 1000000000, &seconds) < 0)
        return wrong("gelf-tcp-reconnect-delay", value, err);
    s->retry_ns = seconds * 1000000000;
    return 0;
}

int log_check_gelf(struct log_settings *s, const struct strmap *options, struct error *err)
{
    if (s->address == NULL)
        return error_set(err, ERROR_INVALID, 0, "gelf: gelf-address is a required parameter");
    if (s->transport != LOG_UDP &&
        (strmap_get(options, "gelf-compression-type") != NULL || strmap_get(options, "gelf-compression-level") != NULL))
        return error_set(err, ERROR_INVALID, 0, "compression is only supported on UDP");
    if (s->transport != LOG_TCP && strmap_get(options, "gelf-tcp-reconnect-delay") != NULL)
        return error_set(err, ERROR_INVALID, 0, "\"gelf-tcp-reconnect-delay\" is only valid for TCP");
    return 0;
}

/* ---- fluentd ---- */

int log_set_fluentd_address(const char *value, struct log_settings *s, struct error *err)
{
    const char *path = behind(value, "unix"), *address = behind(value, "tcp");
    if (behind(value, "tls") != NULL)
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0,
                         "fluentd-address: fluentd over TLS is not supported by dory: %s", value);
    if (path != NULL && *path != '/')
        return error_set(err, ERROR_INVALID, 0, "invalid fluentd-address %s: path is missing", value);
    if (path == NULL && address == NULL && strstr(value, "://") != NULL)
        return error_set(err, ERROR_INVALID, 0, "unsupported scheme: '%.*s'", (int)(strstr(value, "://") - value),
                         value);
    s->transport = path != NULL ? LOG_UNIX_STREAM : LOG_TCP;
    s->address = path != NULL ? path : address != NULL ? address : value;
    if (path == NULL && strchr(s->address, '/') != NULL)
        return error_set(err, ERROR_INVALID, 0, "invalid fluentd-address %s: should be host[:port]", value);
    return 0;
}

int log_set_fluentd_async(const char *value, struct log_settings *s, struct error *err)
{
    return parse_bool(value, &s->async) < 0 ? wrong("fluentd-async", value, err) : 0;
}

int log_set_fluentd_buffer(const char *value, struct log_settings *s, struct error *err)
{
    int64_t n;
    if (parse_size(value, false, &n) < 0 || n == 0)
        return wrong("fluentd-buffer-limit", value, err);
    s->buffer_size = (uint64_t)n;
    return 0;
}

int log_set_fluentd_wait(const char *value, struct log_settings *s, struct error *err)
{
    if (parse_duration(value, &s->retry_ns) < 0 || s->retry_ns < 0 || s->retry_ns > REMOTE_RETRY_MAX_NS)
        return wrong("fluentd-retry-wait", value, err);
    return 0;
}

int log_set_fluentd_precision(const char *value, struct log_settings *s, struct error *err)
{
    return parse_bool(value, &s->nanoseconds) < 0 ? wrong("fluentd-sub-second-precision", value, err) : 0;
}

int log_set_fluentd_ack(const char *value, struct log_settings *s, struct error *err)
{
    bool ack = false;
    (void)s;
    if (parse_bool(value, &ack) < 0)
        return wrong("fluentd-request-ack", value, err);
    return ack ? log_refuse_fluentd(value, s, err) : 0;
}

int log_check_fluentd(struct log_settings *s, const struct strmap *options, struct error *err)
{
    if (strmap_get(options, "fluentd-buffer-limit") != NULL && !s->async)
        return error_set(err, ERROR_INVALID, 0, "fluentd-buffer-limit is only of use with fluentd-async=true");
    if (strmap_get(options, "fluentd-buffer-limit") != NULL && strmap_get(options, "max-buffer-size") != NULL)
        return error_set(err, ERROR_INVALID, 0, "conflicting options: fluentd-buffer-limit and max-buffer-size");
    if (s->address == NULL) {
        s->transport = LOG_TCP;
        s->address = FLUENTD_DEFAULT_ADDRESS;
    }
    s->non_blocking = s->non_blocking || s->async;
    return 0;
}

/* ---- what is not done ---- */

int log_refuse_attempts(const char *value, struct log_settings *s, struct error *err)
{
    (void)value;
    return error_set(err, ERROR_NOT_IMPLEMENTED, 0,
                     "log opt '%s' is not supported by dory: a server that was lost is tried again for as long as the "
                     "container runs",
                     s->driver == LOG_DRIVER_GELF ? "gelf-tcp-max-reconnect" : "fluentd-max-retries");
}

int log_refuse_fluentd(const char *value, struct log_settings *s, struct error *err)
{
    (void)value;
    (void)s;
    return error_set(err, ERROR_NOT_IMPLEMENTED, 0,
                     "log opts 'fluentd-request-ack', 'fluentd-async-reconnect-interval', 'fluentd-read-timeout' and "
                     "'fluentd-write-timeout' are not supported by dory");
}
