#include "cmd/dory/filters_query.h"

#include <ctype.h>

#include "api/client.h"
#include "base/timestamp.h"
#include "base/units.h"

int filters_query_add(struct strbuf *path, const struct strv *filters, struct error *err)
{
    if (filters->count == 0)
        return 0;
    CLEANUP_STRV struct strv names = STRV_INIT;
    for (size_t i = 0; i < filters->count; i++) {
        const char *equals = strchr(filters->items[i], '=');
        if (!equals && *filters->items[i])
            return error_set(err, ERROR_INVALID, 0, "bad format of filter (expected name=value): %s",
                             filters->items[i]);
        if (!equals)
            continue;
        CLEANUP_FREE char *name = xstrndup(filters->items[i], (size_t)(equals - filters->items[i]));
        for (char *p = name; *p; p++)
            *p = (char)tolower((unsigned char)*p);
        if (!strv_contains(&names, name))
            strv_add(&names, name);
    }
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &text);
    json_begin_object(&w);
    for (size_t n = 0; n < names.count; n++) {
        json_key(&w, names.items[n]);
        json_begin_object(&w);
        CLEANUP_STRV struct strv seen = STRV_INIT;
        for (size_t i = 0; i < filters->count; i++) {
            const char *equals = strchr(filters->items[i], '=');
            size_t size = equals ? (size_t)(equals - filters->items[i]) : 0;
            if (!equals || size != strlen(names.items[n]) ||
                strncasecmp(filters->items[i], names.items[n], size) != 0 || strv_contains(&seen, equals + 1))
                continue;
            strv_add(&seen, equals + 1);
            json_member_bool(&w, equals + 1, true);
        }
        json_end_object(&w);
    }
    json_end_object(&w);
    client_query_add(path, "filters", strbuf_str(&text));
    return 0;
}

void format_ago(char *buf, size_t size, int64_t created)
{
    char duration[64];
    units_duration(duration, sizeof(duration), timestamp_now() / 1000000000 - created);
    snprintf(buf, size, "%s ago", duration);
}

void format_time_ago(char *buf, size_t size, const char *time)
{
    int64_t ns;
    buf[0] = '\0';
    if (time && timestamp_parse(time, &ns) == 0 && ns > 0)
        format_ago(buf, size, ns / 1000000000);
}

char *format_labels(const struct json *labels)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    for (size_t i = 0; labels && labels->kind == JSON_OBJECT && i < labels->object.count; i++)
        strbuf_addf(&out, "%s%s=%s", i ? "," : "", labels->object.keys[i], json_string(&labels->object.values[i]));
    return strbuf_take(&out);
}

char *format_ellipsis(const char *text, size_t width)
{
    size_t columns = 0;
    const char *cut = text;
    for (const char *p = text; *p; p++) {
        if (((unsigned char)*p & 0xc0) == 0x80)
            continue;
        if (columns == width - 1)
            cut = p;
        columns++;
    }
    if (columns <= width)
        return xstrdup(text);
    return xasprintf("%.*s\xe2\x80\xa6", (int)(cut - text), text);
}

const char *format_id(const char *id, bool no_trunc, char buf[13])
{
    if (!id)
        return "";
    if (no_trunc)
        return id;
    if (strncmp(id, "sha256:", 7) == 0)
        id += 7;
    snprintf(buf, 13, "%s", id);
    return buf;
}
