#include "daemon/logs_record.h"

#include <errno.h>

#include "base/json.h"
#include "base/strbuf.h"
#include "base/timestamp.h"

struct scanner {
    char *p, *end;
};

static void skip_blanks(struct scanner *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\r'))
        s->p++;
}

static bool take(struct scanner *s, char c)
{
    skip_blanks(s);
    if (s->p == s->end || *s->p != c)
        return false;
    s->p++;
    return true;
}

/* Four hexadecimal digits, or -1. */
static int take_hex(const char *p, const char *end)
{
    int value = 0;

    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = p[i];

        if (c >= '0' && c <= '9')
            value = value * 16 + c - '0';
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            value = value * 16 + (c | 0x20) - 'a' + 10;
        else
            return -1;
    }
    return value;
}

static char *put_utf8(char *out, unsigned code)
{
    if (code < 0x80) {
        *out++ = (char)code;
    } else if (code < 0x800) {
        *out++ = (char)(0xc0 | code >> 6);
        *out++ = (char)(0x80 | (code & 63));
    } else if (code < 0x10000) {
        *out++ = (char)(0xe0 | code >> 12);
        *out++ = (char)(0x80 | (code >> 6 & 63));
        *out++ = (char)(0x80 | (code & 63));
    } else {
        *out++ = (char)(0xf0 | code >> 18);
        *out++ = (char)(0x80 | (code >> 12 & 63));
        *out++ = (char)(0x80 | (code >> 6 & 63));
        *out++ = (char)(0x80 | (code & 63));
    }
    return out;
}

/* \uXXXX, p at its first digit; surrogates in pairs, alone they are U+FFFD. Returns the end of what was read or NULL.
 */
static char *take_unicode(char *p, const char *end, char **out)
{
    int code = take_hex(p, end);

    if (code < 0)
        return NULL;
    p += 4;
    if (code >= 0xd800 && code <= 0xdbff && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
        int low = take_hex(p + 2, end);

        if (low >= 0xdc00 && low <= 0xdfff) {
            *out = put_utf8(*out, 0x10000 + (((unsigned)code - 0xd800) << 10) + ((unsigned)low - 0xdc00));
            return p + 6;
        }
    }
    if (code >= 0xd800 && code <= 0xdfff)
        code = 0xfffd;
    *out = put_utf8(*out, (unsigned)code);
    return p;
}

static int plain_escape(char c)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    const char *found = c ? strchr(names, c) : NULL;

    return found ? values[found - names] : -1;
}

/* A string, decoded where it stands: no escape is shorter than what it stands for. */
static bool take_string(struct scanner *s, char **ret, size_t *ret_size)
{
    char *out;

    if (!take(s, '"'))
        return false;
    *ret = out = s->p;
    for (;;) {
        char *quote = s->p;

        while (quote < s->end && *quote != '"' && *quote != '\\')
            quote++;
        if (quote == s->end)
            return false;
        memmove(out, s->p, (size_t)(quote - s->p));
        out += quote - s->p;
        s->p = quote + 1;
        if (*quote == '"')
            break;
        if (s->p == s->end)
            return false;
        if (*s->p == 'u') {
            s->p = take_unicode(s->p + 1, s->end, &out);
            if (!s->p)
                return false;
        } else {
            int c = plain_escape(*s->p++);

            if (c < 0)
                return false;
            *out++ = (char)c;
        }
    }
    *ret_size = (size_t)(out - *ret);
    return true;
}

/* Any value, passed over without being changed. Strings are respected, brackets counted. */
static bool skip_value(struct scanner *s)
{
    int depth = 0;
    bool in_string = false;

    skip_blanks(s);
    for (; s->p < s->end; s->p++) {
        char c = *s->p;

        if (in_string) {
            if (c == '\\' && s->p + 1 < s->end)
                s->p++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        } else if (depth == 0 && (c == ',' || c == '}' || c == ']')) {
            return true;
        }
    }
    return false;
}

static bool is(const char *text, size_t size, const char *expected)
{
    return size == strlen(expected) && memcmp(text, expected, size) == 0;
}

static bool take_time(struct scanner *s, struct logs_record *ret)
{
    char text[TIMESTAMP_MAX], *value;
    size_t size;

    if (!take_string(s, &value, &size) || size >= sizeof(text))
        return false;
    memcpy(text, value, size);
    text[size] = '\0';
    return timestamp_parse(text, &ret->time) == 0;
}

static bool take_member(struct scanner *s, struct logs_record *ret)
{
    char *key, *value;
    size_t key_size, size;

    if (!take_string(s, &key, &key_size) || !take(s, ':'))
        return false;
    if (is(key, key_size, "log"))
        return take_string(s, &ret->text, &ret->text_size);
    if (is(key, key_size, "time"))
        return take_time(s, ret);
    if (is(key, key_size, "stream")) {
        if (!take_string(s, &value, &size))
            return false;
        ret->is_stderr = is(value, size, "stderr");
        return true;
    }
    skip_blanks(s);
    value = s->p;
    if (!skip_value(s))
        return false;
    if (is(key, key_size, "attrs")) {
        ret->attrs = value;
        ret->attrs_size = (size_t)(s->p - value);
    }
    return true;
}

int logs_record_parse(char *line, size_t size, struct logs_record *ret)
{
    struct scanner s = {line, line + size};
    struct logs_record record = {.time = INT64_MIN};

    if (!take(&s, '{'))
        return -EINVAL;
    do {
        if (!take_member(&s, &record))
            return -EINVAL;
    } while (take(&s, ','));
    if (!take(&s, '}') || record.time == INT64_MIN)
        return -EINVAL;
    skip_blanks(&s);
    if (s.p != s.end)
        return -EINVAL;
    *ret = record;
    return 0;
}

/* Go's url.QueryEscape. */
static void put_escaped(struct strbuf *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || strchr("-_.~", c))
            strbuf_addc(out, (char)c);
        else if (c == ' ')
            strbuf_addc(out, '+');
        else
            strbuf_addf(out, "%%%02X", c);
    }
}

char *logs_record_details(const struct logs_record *record)
{
    CLEANUP_JSON struct json *attrs = NULL;
    CLEANUP_STRMAP struct strmap sorted = STRMAP_INIT;
    struct strbuf out = STRBUF_INIT;

    if (record->attrs && json_parse(record->attrs, record->attrs_size, &attrs, NULL) == 0 &&
        attrs->kind == JSON_OBJECT) {
        for (size_t i = 0; i < attrs->object.count; i++) {
            const char *value = json_string(&attrs->object.values[i]);

            strmap_set(&sorted, attrs->object.keys[i], value ? value : "");
        }
    }
    strmap_sort(&sorted);
    for (size_t i = 0; i < sorted.count; i++) {
        if (i > 0)
            strbuf_addc(&out, ',');
        put_escaped(&out, sorted.items[i].key);
        strbuf_addc(&out, '=');
        put_escaped(&out, sorted.items[i].value);
    }
    return strbuf_take(&out);
}
