#include "cmd/dory/template/number.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "cmd/dory/template/quote.h"

static int parse_real(const char *text, double *ret)
{
    char *end;
    *ret = strtod(text, &end);
    return *end || !isfinite(*ret) ? -EINVAL : 0;
}

/* Digits of an integer without its sign and prefix. */
static int parse_digits(const char *p, unsigned base, uint64_t *ret)
{
    uint64_t value = 0;
    if (!*p)
        return -EINVAL;
    for (; *p; p++) {
        unsigned digit =
            isdigit((unsigned char)*p) ? (unsigned)(*p - '0') : (unsigned)(tolower((unsigned char)*p) - 'a' + 10);
        if (!isalnum((unsigned char)*p) || digit >= base)
            return -EINVAL;
        if (__builtin_mul_overflow(value, base, &value) || __builtin_add_overflow(value, digit, &value))
            return -ERANGE;
    }
    *ret = value;
    return 0;
}

int number_parse(const char *text, bool *ret_real, int64_t *ret_integer, double *ret_floating)
{
    CLEANUP_STRBUF struct strbuf plain = STRBUF_INIT;
    bool negative = *text == '-';
    for (const char *p = text; *p; p++) {
        if (*p != '_')
            strbuf_addc(&plain, *p);
    }
    const char *p = strbuf_str(&plain) + (*text == '-' || *text == '+');
    char kind = *p == '0' ? (char)tolower((unsigned char)p[1]) : '\0';
    *ret_real = strpbrk(p, kind == 'x' ? ".pP" : ".eE") != NULL;
    if (*ret_real)
        return parse_real(strbuf_str(&plain), ret_floating);
    unsigned base = kind == 'x' ? 16 : kind == 'b' ? 2 : *p == '0' && p[1] ? 8 : 10;
    uint64_t value;
    /* Go takes a leading zero for octal, and what it cannot read then for too large. */
    int r = parse_digits(p + (kind == 'x' || kind == 'b' || kind == 'o' ? 2 : 0), base, &value);
    if (r < 0)
        return *p == '0' && base == 8 ? -ERANGE : r;
    if (value > (uint64_t)INT64_MAX + negative)
        return -ERANGE;
    *ret_integer = negative ? (int64_t)(0 - value) : (int64_t)value;
    return 0;
}

int number_parse_character(const char *text, int64_t *ret)
{
    CLEANUP_STRBUF struct strbuf value = STRBUF_INIT;
    uint32_t c;
    if (unquote_go(text, &value) < 0 || value.size == 0 || utf8_decode(value.data, value.size, &c) != value.size)
        return -EINVAL;
    *ret = c;
    return 0;
}

void number_print(double value, struct strbuf *out)
{
    char buf[40];
    int precision = 0;
    if (isnan(value) || isinf(value)) {
        strbuf_adds(out, isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
        return;
    }
    do
        snprintf(buf, sizeof(buf), "%.*e", precision, value);
    while (strtod(buf, NULL) != value && precision++ < 17);
    int exponent = (int)strtol(strchr(buf, 'e') + 1, NULL, 10);
    if (exponent < -4 || exponent >= 6) {
        strbuf_adds(out, buf);
        return;
    }
    strbuf_addf(out, "%.*f", precision > exponent ? precision - exponent : 0, value);
}
