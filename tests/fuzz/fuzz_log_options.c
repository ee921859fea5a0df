/* Log options, tags and the messages of sinks: all of what a user may say of a container's log. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_table.h"
#include "base/strbuf.h"
#include "daemon/log_options.h"
#include "daemon/log_tag.h"
#include "daemon/shim_sink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One option a line, "name=value"; the first byte chooses the driver. */
static void settings(const char *text)
{
    static const char *const drivers[] = {"json-file", "local", "syslog",  "journald",
                                          "none",      "gelf",  "fluentd", "nosuch"};
    CLEANUP_STRMAP struct strmap options = STRMAP_INIT, attributes = STRMAP_INIT, labels = STRMAP_INIT;
    CLEANUP_STRV struct strv lines = STRV_INIT, env = STRV_INIT, arguments = STRV_INIT;
    CLEANUP_FREE char *tag = NULL;
    struct log_settings s;
    struct log_facts facts = {
        .id = "0123456789abcdef", .name = "n", .path = "p", .arguments = &arguments, .labels = &labels, .env = &env};
    struct error err = {0};
    strmap_set(&labels, "a", "1");
    strv_add(&env, "E=1");
    strv_split(&lines, text + 1, '\n');
    for (size_t i = 0; i < lines.count; i++) {
        char *equals = strchr(lines.items[i], '=');
        if (equals == NULL)
            continue;
        *equals = '\0';
        strmap_set(&options, lines.items[i], equals + 1);
    }
    if (log_settings_parse(drivers[(unsigned char)*text % ARRAY_SIZE(drivers)], &options, &s, &err) < 0) {
        if (err.message[0] == '\0')
            abort();
        return;
    }
    log_attributes(&s, &facts, &attributes);
    /* What was accepted is understood later. */
    if (s.tag != NULL && (log_tag_expand(s.tag, &facts, &tag, NULL) < 0 || strlen(tag) > LOG_TAG_MAX))
        abort();
}

static void messages(const uint8_t *data, size_t size)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT, packed = STRBUF_INIT;
    CLEANUP_JSON struct json *tree = NULL;
    CLEANUP_STRMAP struct strmap extra = STRMAP_INIT;
    struct log_sink_config config = {.kind = data[0] & 3,
                                     .format = data[0] >> 2 & 3,
                                     .facility = data[0] % 24,
                                     .compression = data[0] % 3,
                                     .level = data[0] % 10,
                                     .nanoseconds = data[0] & 4};
    struct log_sink_piece piece = {.number = data[0] & 32};
    CLEANUP_FREE char *text = xstrndup((const char *)data + 1, size - 1);
    strmap_set(&extra, text, text);
    config.extra = extra;
    log_sink_format(&config, data[0] & 8 ? LOG_STDERR : LOG_STDOUT, (const char *)data + 1, size - 1, data[0] & 16,
                    (int64_t)data[0] << 55, &piece, &out);
    if (out.size < size || (config.kind < LOG_SINK_GELF && out.data[out.size - 1] != '\n'))
        abort();
    if (config.kind == LOG_SINK_GELF &&
        (json_parse(out.data, out.size, &tree, NULL) < 0 || gelf_compress(&config, &out, &packed) < 0))
        abort();
}

/* What a server says: an answer that is taken lies within it. */
static void answers(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *id;
    size_t id_size, used;
    if (fluentd_take_ack(text, size, &id, &id_size, &used) > 0 &&
        (used > size || id < text || id_size > size || id + id_size != text + used))
        abort();
}

static void configuration(const uint8_t *data, size_t size)
{
    struct log_sink_config config = {0};
    json_table_decode_text(&log_sink_config_table, (const char *)data, size, &config, NULL);
    json_table_release(&log_sink_config_table, &config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    CLEANUP_FREE char *text = xstrndup((const char *)data, size);
    if (*text != '\0')
        settings(text);
    messages(data, size);
    answers(data, size);
    configuration(data, size);
    return 0;
}
