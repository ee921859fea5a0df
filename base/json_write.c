/* From values to text. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"

#define LEVELS_MAX 64

void json_writer_init(struct json_writer *w, struct strbuf *out)
{
    *w = (struct json_writer){.out = out};
}

static uint64_t level_bit(const struct json_writer *w)
{
    return (uint64_t)1 << (w->depth - 1);
}

static void comma(struct json_writer *w)
{
    if (w->nonempty & level_bit(w))
        strbuf_addc(w->out, ',');
    w->nonempty |= level_bit(w);
}

/* Before every value. */
static void value_follows(struct json_writer *w)
{
    if (w->depth == 0)
        return;
    if (w->objects & level_bit(w)) {
        if (!w->after_key)
            abort();
        w->after_key = false;
    } else {
        comma(w);
    }
}

static void begin(struct json_writer *w, bool object)
{
    value_follows(w);
    if (w->depth == LEVELS_MAX)
        abort();
    w->depth++;
    w->nonempty &= ~level_bit(w);
    w->objects = object ? w->objects | level_bit(w) : w->objects & ~level_bit(w);
    strbuf_addc(w->out, object ? '{' : '[');
}

static void end(struct json_writer *w, bool object)
{
    if (w->depth == 0 || w->after_key || object != !!(w->objects & level_bit(w)))
        abort();
    w->depth--;
    strbuf_addc(w->out, object ? '}' : ']');
}

void json_begin_object(struct json_writer *w)
{
    begin(w, true);
}

void json_end_object(struct json_writer *w)
{
    end(w, true);
}

void json_begin_array(struct json_writer *w)
{
    begin(w, false);
}

void json_end_array(struct json_writer *w)
{
    end(w, false);
}

void json_key(struct json_writer *w, const char *key)
{
    if (w->depth == 0 || w->after_key || !(w->objects & level_bit(w)))
        abort();
    comma(w);
    json_quote(w->out, key, strlen(key));
    strbuf_addc(w->out, ':');
    w->after_key = true;
}

void json_put_string(struct json_writer *w, const char *s)
{
    json_put_string_n(w, s, s ? strlen(s) : 0);
}

void json_put_string_n(struct json_writer *w, const char *s, size_t size)
{
    value_follows(w);
    json_quote(w->out, s, size);
}

static void add_uint(struct strbuf *out, bool negative, uint64_t n)
{
    char digits[24];
    char *p = digits + sizeof digits;
    do {
        *--p = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    if (negative)
        *--p = '-';
    strbuf_add(out, p, (size_t)(digits + sizeof digits - p));
}

static void add_int(struct strbuf *out, int64_t n)
{
    add_uint(out, n < 0, n < 0 ? -(uint64_t)n : (uint64_t)n);
}

/* Go's choice: plain digits from 1e-6 up to 1e21, an exponent without leading zeros outside. */
static void add_double(struct strbuf *out, double d)
{
    if (!isfinite(d)) {
        strbuf_adds(out, "null");
        return;
    }
    char text[40];
    /* All 15 digits of a normal number count; those next to zero have fewer. */
    int precision = fabs(d) >= 0x1p-1022 ? 15 : 1;
    do {
        snprintf(text, sizeof text, "%.*e", precision - 1, d);
    } while (strtod(text, NULL) != d && ++precision <= 17);

    char *e = strchr(text, 'e');
    int exponent = (int)strtol(e + 1, NULL, 10);
    /* The digits without the zeros at their end. */
    char *last = e;
    if (precision > 1) {
        while (last[-1] == '0')
            last--;
        if (last[-1] == '.')
            last--;
    }
    if (d != 0 && (exponent < -6 || exponent >= 21)) {
        strbuf_add(out, text, (size_t)(last - text));
        strbuf_addf(out, "e%c%d", exponent < 0 ? '-' : '+', exponent < 0 ? -exponent : exponent);
        return;
    }
    int digits = (int)(last - text) - (text[0] == '-') - (memchr(text, '.', (size_t)(last - text)) ? 1 : 0);
    int decimals = digits - 1 - exponent;
    strbuf_addf(out, "%.*f", decimals > 0 ? decimals : 0, d);
}

void json_put_int(struct json_writer *w, int64_t n)
{
    value_follows(w);
    add_int(w->out, n);
}

void json_put_uint(struct json_writer *w, uint64_t n)
{
    value_follows(w);
    add_uint(w->out, false, n);
}

void json_put_double(struct json_writer *w, double d)
{
    value_follows(w);
    add_double(w->out, d);
}

void json_put_bool(struct json_writer *w, bool b)
{
    value_follows(w);
    strbuf_adds(w->out, b ? "true" : "false");
}

void json_put_null(struct json_writer *w)
{
    value_follows(w);
    strbuf_adds(w->out, "null");
}

/* Does not use the writer's levels, so that any tree that could be read can be written at any depth. */
static void add_value(struct strbuf *out, const struct json *v)
{
    switch (v ? v->kind : JSON_NULL) {
    case JSON_NULL:
        strbuf_adds(out, "null");
        break;
    case JSON_BOOL:
        strbuf_adds(out, v->boolean ? "true" : "false");
        break;
    case JSON_INTEGER:
        add_int(out, v->integer);
        break;
    case JSON_REAL:
        if (v->exact)
            add_uint(out, false, v->exact);
        else
            add_double(out, v->real);
        break;
    case JSON_STRING:
        json_quote(out, v->string.data, v->string.size);
        break;
    case JSON_ARRAY:
        strbuf_addc(out, '[');
        for (size_t i = 0; i < v->array.count; i++) {
            if (i > 0)
                strbuf_addc(out, ',');
            add_value(out, &v->array.items[i]);
        }
        strbuf_addc(out, ']');
        break;
    case JSON_OBJECT:
        strbuf_addc(out, '{');
        for (size_t i = 0; i < v->object.count; i++) {
            if (i > 0)
                strbuf_addc(out, ',');
            json_quote(out, v->object.keys[i], strlen(v->object.keys[i]));
            strbuf_addc(out, ':');
            add_value(out, &v->object.values[i]);
        }
        strbuf_addc(out, '}');
        break;
    }
}

void json_put_value(struct json_writer *w, const struct json *value)
{
    value_follows(w);
    add_value(w->out, value);
}

void json_put_raw(struct json_writer *w, const char *text, size_t size)
{
    value_follows(w);
    strbuf_add(w->out, text, size);
}

void json_member_string(struct json_writer *w, const char *key, const char *s)
{
    json_key(w, key);
    json_put_string(w, s);
}

void json_member_int(struct json_writer *w, const char *key, int64_t n)
{
    json_key(w, key);
    json_put_int(w, n);
}

void json_member_bool(struct json_writer *w, const char *key, bool b)
{
    json_key(w, key);
    json_put_bool(w, b);
}

void json_member_null(struct json_writer *w, const char *key)
{
    json_key(w, key);
    json_put_null(w);
}

/* How many bytes at s are printable ASCII without quote and backslash. Eight at a time: log lines come this way. */
static inline size_t plain_run(const char *s, size_t size)
{
    const uint64_t ones = 0x0101010101010101;
    const uint64_t highs = ones << 7;
    size_t i = 0;
    for (; size - i >= 8; i += 8) {
        uint64_t v;
        memcpy(&v, s + i, 8);
        uint64_t quote = v ^ (ones * '"');
        uint64_t backslash = v ^ (ones * '\\');
        /* The high bit of a byte is set where it is >= 0x80, < 0x20, a quote or a backslash (or, by a borrow, next to
         * such a byte: then the loop below looks more closely). */
        if ((v | (v - ones * 0x20) | (quote - ones) | (backslash - ones)) & highs)
            break;
    }
    while (i < size && (unsigned char)s[i] >= 0x20 && (unsigned char)s[i] < 0x80 && s[i] != '"' && s[i] != '\\')
        i++;
    return i;
}

static void add_escape(struct strbuf *out, unsigned code)
{
    static const char digits[] = "0123456789abcdef";
    char text[6] = {
        '\\', 'u', digits[code >> 12 & 15], digits[code >> 8 & 15], digits[code >> 4 & 15], digits[code & 15]};
    strbuf_add(out, text, sizeof text);
}

/* Writes the escape for the byte or character that ended a run; returns how many bytes of s it stands for. */
static size_t quote_special(struct strbuf *out, const char *s, size_t size)
{
    static const char letters[] = "btn\0fr"; /* for 8, 9, 10, (11), 12, 13 */
    unsigned char c = (unsigned char)s[0];
    if (c == '"' || c == '\\') {
        char text[2] = {'\\', (char)c};
        strbuf_add(out, text, 2);
        return 1;
    }
    if (c < 0x20) {
        char letter = c >= 8 && c <= 13 ? letters[c - 8] : '\0';
        char text[2] = {'\\', letter};
        if (letter)
            strbuf_add(out, text, 2);
        else
            add_escape(out, c);
        return 1;
    }
    size_t n = utf8_sequence(s, size);
    if (n == 0) {
        add_escape(out, 0xfffd);
        return 1;
    }
    /* U+2028 and U+2029 end lines in JavaScript. */
    if (n == 3 && c == 0xe2 && (unsigned char)s[1] == 0x80 && ((unsigned char)s[2] & 0xfe) == 0xa8)
        add_escape(out, 0x2028 + ((unsigned char)s[2] & 1));
    else
        strbuf_add(out, s, n);
    return n;
}

void json_quote(struct strbuf *out, const char *s, size_t size)
{
    /* One reservation for the common case, in which nothing needs an escape. */
    char *p = strbuf_reserve(out, size + 2);
    size_t i = plain_run(s, size);
    *p = '"';
    if (i > 0)
        memcpy(p + 1, s, i);
    out->size += 1 + i;
    while (i < size) {
        i += quote_special(out, s + i, size - i);
        size_t run = plain_run(s + i, size - i);
        strbuf_add(out, s + i, run);
        i += run;
    }
    strbuf_addc(out, '"');
}
