#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/timestamp.h"

static const char *const names[] = {
    [LOG_LEVEL_DEBUG] = "debug", [LOG_LEVEL_INFO] = "info",   [LOG_LEVEL_WARN] = "warn",
    [LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_FATAL] = "fatal",
};

/* The settings that are the whole process's: there is one standard error. */
static _Atomic int threshold = LOG_LEVEL_INFO;
static _Atomic bool as_json;

void log_set_json(bool json)
{
    atomic_store_explicit(&as_json, json, memory_order_relaxed);
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&threshold, (int)level, memory_order_relaxed);
}

int log_parse_level(const char *name, enum log_level *ret)
{
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            *ret = (enum log_level)i;
            return 0;
        }
    }
    return -EINVAL;
}

bool log_enabled(enum log_level level)
{
    return (int)level >= atomic_load_explicit(&threshold, memory_order_relaxed);
}

void log_write(enum log_level level, const char *format, ...)
{
    if ((int)level < atomic_load_explicit(&threshold, memory_order_relaxed))
        return;
    int saved = errno;
    CLEANUP_STRBUF struct strbuf message = STRBUF_INIT;
    va_list args;
    va_start(args, format);
    strbuf_vaddf(&message, format, args);
    va_end(args);

    char when[TIMESTAMP_MAX];
    timestamp_format_fixed(when, timestamp_now());
    CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;
    bool json = atomic_load_explicit(&as_json, memory_order_relaxed);
    strbuf_addf(&line, json ? "{\"level\":\"%2$s\",\"time\":\"%1$s\",\"msg\":" : "time=\"%1$s\" level=%2$s msg=", when,
                names[level]);
    json_quote(&line, strbuf_str(&message), message.size);
    strbuf_adds(&line, json ? "}\n" : "\n");
    /* One write per line keeps the lines of several threads apart. */
    fd_write_all(STDERR_FILENO, line.data, line.size);
    errno = saved;
}
