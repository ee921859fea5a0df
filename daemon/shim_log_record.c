#include <string.h>

#include "base/utf8.h"
#include "daemon/shim_log.h"

/* Bytes that stand for themselves in docker's JSON strings: all of ASCII but controls, quotes and what HTML minds. */
static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

static const char hex[] = "0123456789abcdef";

static char *put_unicode(char *out, unsigned code)
{
    *out++ = '\\';
    *out++ = 'u';
    *out++ = hex[code >> 12 & 15];
    *out++ = hex[code >> 8 & 15];
    *out++ = hex[code >> 4 & 15];
    *out++ = hex[code & 15];
    return out;
}

static char *put_ascii(char *out, unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
        *out++ = '\\';
        *out++ = (char)c;
        return out;
    case '\n':
        *out++ = '\\';
        *out++ = 'n';
        return out;
    case '\r':
        *out++ = '\\';
        *out++ = 'r';
        return out;
    default:
        return put_unicode(out, c);
    }
}

/* One character beyond ASCII; *used counts the bytes it took. U+2028 and U+2029 are escaped as Go does. */
static char *put_wide(char *out, const unsigned char *s, size_t size, size_t *used)
{
    size_t length = utf8_sequence((const char *)s, size);

    if (length == 0) {
        *used = 1;
        return put_unicode(out, 0xfffd);
    }
    *used = length;
    if (length == 3 && s[0] == 0xe2 && s[1] == 0x80 && (s[2] & 0xfe) == 0xa8)
        return put_unicode(out, 0x2028 | (s[2] & 1));
    memcpy(out, s, length);
    return out + length;
}

/* Sixteen bytes at once, with the compiler's portable vectors. */
typedef unsigned char chunk __attribute__((vector_size(16)));

static bool all_plain(const unsigned char *s, chunk *ret)
{
    typedef unsigned long long halves __attribute__((vector_size(16)));
    chunk c;
    halves odd;

    memcpy(&c, s, sizeof(c));
    *ret = c;
    odd = (halves)((c < 0x20) | (c >= 0x80) | (c == '"') | (c == '\\') | (c == '<') | (c == '>') | (c == '&'));
    return (odd[0] | odd[1]) == 0;
}

/* Copies plain bytes; returns how many. */
static size_t copy_plain(char *out, const unsigned char *s, size_t size)
{
    size_t i = 0;
    chunk c;

    while (size - i >= sizeof(c) && all_plain(s + i, &c)) {
        memcpy(out + i, &c, sizeof(c));
        i += sizeof(c);
    }
    for (; i < size && is_plain(s[i]); i++)
        out[i] = (char)s[i];
    return i;
}

static char *put_text(char *out, const char *text, size_t size)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t i = 0;

    while (i < size) {
        size_t plain = copy_plain(out, s + i, size - i), used = 1;

        i += plain;
        out += plain;
        if (i == size)
            break;
        out = s[i] < 0x80 ? put_ascii(out, s[i]) : put_wide(out, s + i, size - i, &used);
        i += used;
    }
    return out;
}

static char *put_string(char *out, const char *s)
{
    size_t size = strlen(s);

    memcpy(out, s, size);
    return out + size;
}

size_t log_record_write(char *out, const char *text, size_t size, bool newline, enum log_stream stream,
                        const char *attrs, const char *time_text)
{
    char *p = put_string(out, "{\"log\":\"");

    p = put_text(p, text, size);
    if (newline)
        p = put_string(p, "\\n");
    p = put_string(p, stream == LOG_STDERR ? "\",\"stream\":\"stderr\"" : "\",\"stream\":\"stdout\"");
    if (attrs) {
        p = put_string(p, ",\"attrs\":");
        p = put_string(p, attrs);
    }
    p = put_string(p, ",\"time\":\"");
    p = put_string(p, time_text);
    p = put_string(p, "\"}\n");
    return (size_t)(p - out);
}
