#include "daemon/log_options.h"

#include <errno.h>
#include <regex.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "base/parse.h"
#include "daemon/log_options_remote.h"
#include "daemon/log_tag.h"

const char *const log_driver_names[] = {"fluentd", "gelf", "journald", "json-file", "local", "none", "syslog", NULL};

#define J (1u << LOG_DRIVER_JSON_FILE)
#define L (1u << LOG_DRIVER_LOCAL)
#define S (1u << LOG_DRIVER_SYSLOG)
#define D (1u << LOG_DRIVER_JOURNALD)
#define G (1u << LOG_DRIVER_GELF)
#define F (1u << LOG_DRIVER_FLUENTD)
#define SENDS (S | D | G | F)
#define ALL (J | L | SENDS)

static const struct {
    const char *name, *unknown_option; /* format of the complaint, one %s */
    enum log_driver driver;
} drivers[] = {
    {"json-file", "unknown log opt '%s' for json-file log driver", LOG_DRIVER_JSON_FILE},
    {"local", "unknown log opt '%s' for log driver local", LOG_DRIVER_LOCAL},
    {"none", "", LOG_DRIVER_NONE},
    {"syslog", "unknown log opt '%s' for syslog log driver", LOG_DRIVER_SYSLOG},
    {"journald", "unknown log opt '%s' for journald log driver", LOG_DRIVER_JOURNALD},
    {"gelf", "unknown log opt \"%s\" for gelf log driver", LOG_DRIVER_GELF},
    {"fluentd", "unknown log opt '%s' for fluentd log driver", LOG_DRIVER_FLUENTD},
};

/* ---- values ---- */

/* Docker's log sizes are decimal ("10m" is ten million), other than its memory sizes. */
static int parse_decimal_size(const char *text, uint64_t *ret)
{
    static const char suffixes[] = "kmgtp";
    size_t digits = strspn(text, "0123456789");
    CLEANUP_FREE char *number = xstrndup(text, digits);
    const char *suffix = text + digits, *found;
    uint64_t value, factor = 1;
    if (parse_uint64(number, INT64_MAX, &value) < 0)
        return -EINVAL;
    if (*suffix && (found = strchr(suffixes, *suffix | 0x20))) {
        for (const char *p = suffixes; p <= found; p++)
            factor *= 1000;
        suffix++;
    }
    if (*suffix && (*suffix | 0x20) == 'b')
        suffix++;
    if (*suffix || value > INT64_MAX / factor)
        return -EINVAL;
    *ret = value * factor;
    return 0;
}

static int set_max_size(const char *value, struct log_settings *s, struct error *err)
{
    if (strcmp(value, "-1") == 0) {
        s->max_size = 0;
        return 0;
    }
    if (parse_decimal_size(value, &s->max_size) < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid size: '%s'", value);
    return s->max_size > 0 ? 0 : error_set(err, ERROR_INVALID, 0, "max-size must be a positive number");
}

static int set_max_file(const char *value, struct log_settings *s, struct error *err)
{
    int64_t n;
    if (parse_int64(value, INT32_MIN, INT32_MAX, &n) < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid value for max-file: '%s'", value);
    if (n < 1)
        return error_set(err, ERROR_INVALID, 0, "max-file cannot be less than 1");
    if (n > 1000)
        return error_set(err, ERROR_INVALID, 0, "max-file cannot be more than 1000");
    s->max_files = (unsigned)n;
    return 0;
}

static int set_compress(const char *value, struct log_settings *s, struct error *err)
{
    return parse_bool(value, &s->compress) < 0
               ? error_set(err, ERROR_INVALID, 0, "invalid value for compress: '%s'", value)
               : 0;
}

static int set_cache_disabled(const char *value, struct log_settings *s, struct error *err)
{
    return parse_bool(value, &s->cache_disabled) < 0
               ? error_set(err, ERROR_INVALID, 0, "invalid value for option cache-disabled: %s", value)
               : 0;
}

static int set_mode(const char *value, struct log_settings *s, struct error *err)
{
    s->non_blocking = strcmp(value, "non-blocking") == 0;
    if (!s->non_blocking && *value != '\0' && strcmp(value, "blocking") != 0)
        return error_set(err, ERROR_INVALID, 0, "logger: logging mode not supported: %s", value);
    return 0;
}

static int set_buffer(const char *value, struct log_settings *s, struct error *err)
{
    int64_t n;
    if (parse_size(value, false, &n) < 0)
        return error_set(err, ERROR_INVALID, 0, "error parsing option max-buffer-size: invalid size: '%s'", value);
    s->buffer_size = (uint64_t)n;
    return 0;
}

static int set_labels(const char *value, struct log_settings *s, struct error *err)
{
    (void)err;
    s->labels = value;
    return 0;
}

static int set_env(const char *value, struct log_settings *s, struct error *err)
{
    (void)err;
    s->env = value;
    return 0;
}

static int check_regex(const char *name, const char *value, struct error *err)
{
    regex_t regex;
    if (regcomp(&regex, value, REG_EXTENDED | REG_NOSUB) != 0)
        return error_set(err, ERROR_INVALID, 0, "%s: invalid regular expression: %s", name, value);
    regfree(&regex);
    return 0;
}

static int set_labels_regex(const char *value, struct log_settings *s, struct error *err)
{
    s->labels_regex = value;
    return check_regex("labels-regex", value, err);
}

static int set_env_regex(const char *value, struct log_settings *s, struct error *err)
{
    s->env_regex = value;
    return check_regex("env-regex", value, err);
}

static int set_tag(const char *value, struct log_settings *s, struct error *err)
{
    s->tag = value;
    return log_tag_check(value, err);
}

/* ---- syslog ---- */

static int set_address(const char *value, struct log_settings *s, struct error *err)
{
    static const struct {
        const char *scheme;
        enum log_transport transport;
    } schemes[] = {{"udp://", LOG_UDP},
                   {"tcp://", LOG_TCP},
                   {"tcp+tls://", LOG_TLS},
                   {"unix://", LOG_UNIX_STREAM},
                   {"unixgram://", LOG_UNIX_DATAGRAM}};
    if (*value == '\0')
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
        size_t size = strlen(schemes[i].scheme);
        struct stat st;
        if (strncmp(value, schemes[i].scheme, size) != 0)
            continue;
        s->transport = schemes[i].transport;
        s->address = value + size;
        if (s->transport >= LOG_UNIX_STREAM && stat(s->address, &st) < 0)
            return error_set(err, ERROR_INVALID, errno, "stat %s: %s", s->address, strerror(errno));
        return 0;
    }
    return error_set(err, ERROR_INVALID, 0, "syslog-address should be in form proto://address, got %s", value);
}

static int set_facility(const char *value, struct log_settings *s, struct error *err)
{
    static const char *const names[] = {"kern",   "user",   "mail",   "daemon", "auth",     "syslog",
                                        "lpr",    "news",   "uucp",   "cron",   "authpriv", "ftp",
                                        "",       "",       "",       "",       "local0",   "local1",
                                        "local2", "local3", "local4", "local5", "local6",   "local7"};
    int64_t n;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (*value != '\0' && strcmp(value, names[i]) == 0) {
            s->facility = (int)i;
            return 0;
        }
    }
    if (*value == '\0')
        return 0;
    if (parse_int64(value, 0, 23, &n) < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid syslog facility");
    s->facility = (int)n;
    return 0;
}

static int set_format(const char *value, struct log_settings *s, struct error *err)
{
    static const char *const names[] = {[SYSLOG_UNIX] = "",
                                        [SYSLOG_RFC3164] = "rfc3164",
                                        [SYSLOG_RFC5424] = "rfc5424",
                                        [SYSLOG_RFC5424_MICRO] = "rfc5424micro"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(value, names[i]) == 0) {
            s->format = (enum syslog_format)i;
            return 0;
        }
    }
    return error_set(err, ERROR_INVALID, 0, "Invalid syslog format");
}

static int set_tls_ca(const char *value, struct log_settings *s, struct error *err)
{
    (void)err;
    s->tls_ca = *value != '\0' ? value : NULL;
    return 0;
}

static int set_tls_cert(const char *value, struct log_settings *s, struct error *err)
{
    (void)err;
    s->tls_cert = *value != '\0' ? value : NULL;
    return 0;
}

static int set_tls_key(const char *value, struct log_settings *s, struct error *err)
{
    (void)err;
    s->tls_key = *value != '\0' ? value : NULL;
    return 0;
}

/* As docker's users write it: that it is there says yes. */
static int set_tls_skip_verify(const char *value, struct log_settings *s, struct error *err)
{
    s->tls_skip_verify = true;
    if (*value != '\0' && parse_bool(value, &s->tls_skip_verify) < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid value for syslog-tls-skip-verify: '%s'", value);
    return 0;
}

static int check_tls(const struct log_settings *s, struct error *err)
{
    bool asked = s->tls_ca != NULL || s->tls_cert != NULL || s->tls_key != NULL || s->tls_skip_verify;
    if (asked && s->transport != LOG_TLS)
        return error_set(err, ERROR_INVALID, 0, "the options syslog-tls-* need a syslog-address tcp+tls://host:port");
    if ((s->tls_cert != NULL) != (s->tls_key != NULL))
        return error_set(err, ERROR_INVALID, 0, "syslog-tls-cert needs syslog-tls-key, and the other way round");
    return 0;
}

/* ---- the table ---- */

static const struct {
    const char *name;
    unsigned drivers;
    int (*set)(const char *value, struct log_settings *settings, struct error *err);
} options_table[] = {
    {"max-size", J | L, set_max_size},
    {"max-file", J | L, set_max_file},
    {"compress", J | L, set_compress},
    {"cache-disabled", ALL, set_cache_disabled},
    {"cache-max-size", SENDS, set_max_size},
    {"cache-max-file", SENDS, set_max_file},
    {"cache-compress", SENDS, set_compress},
    {"mode", ALL, set_mode},
    {"max-buffer-size", ALL, set_buffer},
    {"labels", ALL, set_labels},
    {"labels-regex", ALL, set_labels_regex},
    {"env", ALL, set_env},
    {"env-regex", ALL, set_env_regex},
    {"tag", ALL, set_tag},
    {"syslog-address", S, set_address},
    {"syslog-facility", S, set_facility},
    {"syslog-format", S, set_format},
    {"syslog-tls-ca-cert", S, set_tls_ca},
    {"syslog-tls-cert", S, set_tls_cert},
    {"syslog-tls-key", S, set_tls_key},
    {"syslog-tls-skip-verify", S, set_tls_skip_verify},
    {"gelf-address", G, log_set_gelf_address},
    {"gelf-compression-type", G, log_set_gelf_compression},
    {"gelf-compression-level", G, log_set_gelf_level},
    {"gelf-tcp-reconnect-delay", G, log_set_gelf_delay},
    {"gelf-tcp-max-reconnect", G, log_set_gelf_attempts},
    {"fluentd-address", F, log_set_fluentd_address},
    {"fluentd-async", F, log_set_fluentd_async},
    {"fluentd-async-connect", F, log_set_fluentd_async}, /* its name before docker 20.10 */
    {"fluentd-buffer-limit", F, log_set_fluentd_buffer},
    {"fluentd-retry-wait", F, log_set_fluentd_wait},
    {"fluentd-sub-second-precision", F, log_set_fluentd_precision},
    {"fluentd-request-ack", F, log_set_fluentd_ack},
    {"fluentd-max-retries", F, log_set_fluentd_attempts},
    {"fluentd-async-reconnect-interval", F, log_set_fluentd_renewal},
    {"fluentd-read-timeout", F, log_set_fluentd_read_timeout},
    {"fluentd-write-timeout", F, log_set_fluentd_write_timeout},
};

static int apply(size_t driver, const struct strmap_entry *entry, struct log_settings *s, struct error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(options_table); i++)
        if (strcmp(options_table[i].name, entry->key) == 0 && options_table[i].drivers & 1u << drivers[driver].driver)
            return options_table[i].set(entry->value, s, err);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    return error_set(err, ERROR_INVALID, 0, drivers[driver].unknown_option, entry->key);
#pragma GCC diagnostic pop
}

static int check_together(struct log_settings *s, const struct strmap *options, struct error *err)
{
    if (strmap_get(options, "max-buffer-size") != NULL && !s->non_blocking)
        return error_set(err, ERROR_INVALID, 0,
                         "logger: max-buffer-size option is only supported with 'mode=non-blocking'");
    if (s->driver == LOG_DRIVER_JSON_FILE && s->compress && (s->max_files < 2 || s->max_size == 0))
        return error_set(err, ERROR_INVALID, 0,
                         "compress cannot be true when max-file is less than 2 or max-size is not set");
    if (s->driver == LOG_DRIVER_SYSLOG)
        return check_tls(s, err);
    if (s->driver == LOG_DRIVER_GELF)
        return log_check_gelf(s, options, err);
    return s->driver == LOG_DRIVER_FLUENTD ? log_check_fluentd(s, options, err) : 0;
}

int log_settings_parse(const char *name, const struct strmap *options, struct log_settings *ret, struct error *err)
{
    static const struct strmap none = STRMAP_INIT;
    size_t driver = 0;
    options = options != NULL ? options : &none;
    *ret = (struct log_settings){.max_size = LOG_DEFAULT_MAX_SIZE,
                                 .max_files = LOG_DEFAULT_MAX_FILES,
                                 .buffer_size = LOG_DEFAULT_BUFFER,
                                 .retry_ns = LOG_DEFAULT_RETRY_NS,
                                 .facility = 3,
                                 .compression_level = 1};
    while (driver < ARRAY_SIZE(drivers) && strcmp(drivers[driver].name, name) != 0)
        driver++;
    ret->driver = driver < ARRAY_SIZE(drivers) ? drivers[driver].driver : LOG_DRIVER_NONE;
    /* What nobody but dory reads is compressed. */
    ret->compress = ret->driver != LOG_DRIVER_JSON_FILE && ret->driver != LOG_DRIVER_NONE;
    if (strcmp(name, "none") == 0)
        return 0; /* as docker: whatever options there are, nothing is logged */
    const char *mode = strmap_get(options, "mode");
    int r = mode != NULL ? set_mode(mode, ret, err) : 0;
    if (r == 0 && driver == ARRAY_SIZE(drivers))
        r = error_set(err, ERROR_INVALID, 0, "error looking up logging plugin %s: plugin \"%s\" not found", name, name);
    for (size_t i = 0; r == 0 && i < options->count; i++)
        r = apply(driver, &options->items[i], ret, err);
    return r < 0 ? r : check_together(ret, options, err);
}

bool log_is_readable(const char *driver, const struct strmap *options)
{
    struct log_settings s;
    if (log_settings_parse(driver, options, &s, NULL) < 0 || s.driver == LOG_DRIVER_NONE)
        return false;
    return s.driver == LOG_DRIVER_JSON_FILE || s.driver == LOG_DRIVER_LOCAL || !s.cache_disabled;
}
