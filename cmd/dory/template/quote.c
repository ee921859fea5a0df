#include "cmd/dory/template/quote.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/utf8.h"

static const char letters[] = "abfnrtv\\\"'", values[] = "\a\b\f\n\r\t\v\\\"'";

char *quote_go(const char *text, size_t size)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    strbuf_addc(&out, '"');
    for (size_t i = 0; i < size;) {
        uint32_t c;
        size_t n = utf8_decode(text + i, size - i, &c);
        const char *escape = text[i] && text[i] != '\'' ? strchr(values, text[i]) : NULL;
        if (n == 0)
            strbuf_addf(&out, "\\x%02x", (unsigned char)text[i]);
        else if (escape)
            strbuf_addf(&out, "\\%c", letters[escape - values]);
        else if (c < 0x20 || c == 0x7f)
            strbuf_addf(&out, "\\x%02x", c);
        else
            strbuf_add(&out, text + i, n);
        i += n ? n : 1;
    }
    strbuf_addc(&out, '"');
    return strbuf_take(&out);
}

static int digits(const char *p, size_t count, uint32_t base, uint32_t *ret)
{
    uint32_t value = 0;
    for (size_t i = 0; i < count; i++) {
        if (!isxdigit((unsigned char)p[i]))
            return -EINVAL;
        uint32_t digit =
            isdigit((unsigned char)p[i]) ? (uint32_t)(p[i] - '0') : (uint32_t)(tolower((unsigned char)p[i]) - 'a' + 10);
        if (digit >= base)
            return -EINVAL;
        value = value * base + digit;
    }
    *ret = value;
    return 0;
}

/* One escape behind its backslash; *p is moved past it. */
static int unescape(const char **p, char quote, struct strbuf *out)
{
    static const struct {
        char letter;
        size_t digits;
    } numbers[] = {{'x', 2}, {'u', 4}, {'U', 8}};
    char c = **p;
    const char *simple = c ? strchr(letters, c) : NULL;
    char encoded[4];
    uint32_t value;
    if (simple) {
        if ((c == '"' || c == '\'') && c != quote)
            return -EINVAL;
        strbuf_addc(out, values[simple - letters]);
        (*p)++;
        return 0;
    }
    if (c >= '0' && c <= '7') {
        if (digits(*p, 3, 8, &value) < 0 || value > 255)
            return -EINVAL;
        strbuf_addc(out, (char)value);
        *p += 3;
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        if (c != numbers[i].letter)
            continue;
        if (digits(*p + 1, numbers[i].digits, 16, &value) < 0)
            return -EINVAL;
        if (c == 'x')
            strbuf_addc(out, (char)value);
        else if (value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
            return -EINVAL;
        else
            strbuf_add(out, encoded, utf8_encode(value, encoded));
        *p += 1 + numbers[i].digits;
        return 0;
    }
    return -EINVAL;
}

int unquote_go(const char *literal, struct strbuf *out)
{
    char quote = literal[0];
    size_t size = strlen(literal);
    if (size < 2 || literal[size - 1] != quote)
        return -EINVAL;
    const char *p = literal + 1, *end = literal + size - 1;
    while (p < end) {
        if (quote == '`' || *p != '\\') {
            if (quote != '`' || *p != '\r')
                strbuf_addc(out, *p);
            p++;
            continue;
        }
        p++;
        if (unescape(&p, quote, out) < 0 || p > end)
            return -EINVAL;
    }
    return 0;
}
