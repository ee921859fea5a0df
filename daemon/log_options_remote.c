#include "daemon/log_options_remote.h"

#include <string.h>

#include "base/parse.h"

#define REMOTE_RETRY_MAX_NS (INT64_C(3600) * 1000000000)
/* Those of docker. */
#define RENEWAL_MIN_NS (INT64_C(100) * 1000000)
#define RENEWAL_MAX_NS (INT64_C(10) * 1000000000)
/* fluentd's client for Go takes 0 for its own default. */
#define FLUENTD_DEFAULT_ATTEMPTS 13

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

int log_set_gelf_attempts(const char *value, struct log_settings *s, struct error *err)
{
    s->limited = true;
    return parse_int64(value, 0, INT32_MAX, &s->attempts) < 0
               ? error_set(err, ERROR_INVALID, 0, "\"gelf-tcp-max-reconnect\" must be a positive integer")
               : 0;
}

int log_check_gelf(struct log_settings *s, const struct strmap *options, struct error *err)
{
    static const char *const of_tcp[] = {"gelf-tcp-reconnect-delay", "gelf-tcp-max-reconnect"};
    if (s->address == NULL)
        return error_set(err, ERROR_INVALID, 0, "gelf: gelf-address is a required parameter");
    if (s->transport != LOG_UDP &&
        (strmap_get(options, "gelf-compression-type") != NULL || strmap_get(options, "gelf-compression-level") != NULL))
        return error_set(err, ERROR_INVALID, 0, "compression is only supported on UDP");
    for (size_t i = 0; i < ARRAY_SIZE(of_tcp); i++)
        if (s->transport != LOG_TCP && strmap_get(options, of_tcp[i]) != NULL)
            return error_set(err, ERROR_INVALID, 0, "\"%s\" is only valid for TCP", of_tcp[i]);
    return 0;
}

/* ---- fluentd ---- */

int log_set_fluentd_address(const char *value, struct log_settings *s, struct error *err)
{
    const char *path = behind(value, "unix"), *tls = behind(value, "tls");
    const char *address = tls != NULL ? tls : behind(value, "tcp");
    if (path != NULL && *path != '/')
        return error_set(err, ERROR_INVALID, 0, "invalid fluentd-address %s: path is missing", value);
    if (path == NULL && address == NULL && strstr(value, "://") != NULL)
        return error_set(err, ERROR_INVALID, 0, "unsupported scheme: '%.*s'", (int)(strstr(value, "://") - value),
                         value);
    s->transport = path != NULL ? LOG_UNIX_STREAM : tls != NULL ? LOG_TLS : LOG_TCP;
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
    return parse_bool(value, &s->ack) < 0 ? wrong("fluentd-request-ack", value, err) : 0;
}

int log_set_fluentd_attempts(const char *value, struct log_settings *s, struct error *err)
{
    if (parse_int64(value, 0, UINT32_MAX, &s->attempts) < 0)
        return wrong("fluentd-max-retries", value, err);
    s->limited = true;
    s->attempts = s->attempts > 0 ? s->attempts : FLUENTD_DEFAULT_ATTEMPTS;
    return 0;
}

int log_set_fluentd_renewal(const char *value, struct log_settings *s, struct error *err)
{
    if (parse_duration(value, &s->renew_ns) < 0)
        return wrong("fluentd-async-reconnect-interval", value, err);
    if (s->renew_ns != 0 && (s->renew_ns < RENEWAL_MIN_NS || s->renew_ns > RENEWAL_MAX_NS))
        return error_set(err, ERROR_INVALID, 0,
                         "invalid value for fluentd-async-reconnect-interval: '%s' is not between 100ms and 10s",
                         value);
    return 0;
}

static int set_timeout(const char *option, const char *value, int64_t *ret, struct error *err)
{
    return parse_duration(value, ret) < 0 || *ret < 0 ? wrong(option, value, err) : 0;
}

int log_set_fluentd_read_timeout(const char *value, struct log_settings *s, struct error *err)
{
    return set_timeout("fluentd-read-timeout", value, &s->read_timeout_ns, err);
}

int log_set_fluentd_write_timeout(const char *value, struct log_settings *s, struct error *err)
{
    return set_timeout("fluentd-write-timeout", value, &s->write_timeout_ns, err);
}

int log_check_fluentd(struct log_settings *s, const struct strmap *options, struct error *err)
{
    if (strmap_get(options, "fluentd-buffer-limit") != NULL && !s->async)
        return error_set(err, ERROR_INVALID, 0, "fluentd-buffer-limit is only of use with fluentd-async=true");
    if (strmap_get(options, "fluentd-buffer-limit") != NULL && strmap_get(options, "max-buffer-size") != NULL)
        return error_set(err, ERROR_INVALID, 0, "conflicting options: fluentd-buffer-limit and max-buffer-size");
    if (s->renew_ns > 0 && !s->async)
        return error_set(err, ERROR_INVALID, 0,
                         "fluentd-async-reconnect-interval is only of use with fluentd-async=true");
    if (s->address == NULL) {
        s->transport = LOG_TCP;
        s->address = FLUENTD_DEFAULT_ADDRESS;
    }
    s->non_blocking = s->non_blocking || s->async;
    return 0;
}
