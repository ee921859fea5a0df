/* print, println and printf: the part of Go's package fmt that values from JSON can meet, with its marks for verbs that
 * do not fit ("%!d(string=x)"). */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "cmd/dory/template/functions.h"
#include "cmd/dory/template/number.h"
#include "cmd/dory/template/quote.h"

/* Go's own limit of widths and precisions. */
#define WIDTH_MAX 1000000

struct verb {
    bool minus, plus, sharp, space, zero, has_precision;
    size_t width, precision;
    uint32_t letter;
};

void sprint(const struct value *args, size_t count, bool line, struct strbuf *out)
{
    for (size_t i = 0; i < count; i++) {
        /* Print puts blanks between operands when neither is a string; Println always. */
        bool strings = i > 0 && (value_kind(args[i]) == JSON_STRING || value_kind(args[i - 1]) == JSON_STRING);
        if (i > 0 && (line || !strings))
            strbuf_addc(out, ' ');
        value_print(args[i], out);
    }
    if (line)
        strbuf_addc(out, '\n');
}

int function_print(const struct call *call, struct value *ret, struct error *err)
{
    (void)err;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    sprint(call->args, call->count, false, &text);
    *ret = value_string(call->arena, strbuf_str(&text), text.size);
    return 0;
}

int function_println(const struct call *call, struct value *ret, struct error *err)
{
    (void)err;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    sprint(call->args, call->count, true, &text);
    *ret = value_string(call->arena, strbuf_str(&text), text.size);
    return 0;
}

static void add_letter(struct strbuf *out, uint32_t c)
{
    char encoded[4];
    strbuf_add(out, encoded, utf8_encode(c, encoded));
}

/* Pads to the verb's width, counted in characters; zeros go behind a sign. */
static void pad(const struct verb *verb, const char *text, size_t size, bool number, struct strbuf *out)
{
    size_t columns = 0, sign = number && size > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0;
    for (size_t i = 0; i < size; i++)
        columns += ((unsigned char)text[i] & 0xc0) != 0x80;
    size_t missing = verb->width > columns ? verb->width - columns : 0;
    bool zeros = verb->zero && !verb->minus;
    if (zeros)
        strbuf_add(out, text, sign);
    for (size_t i = 0; !verb->minus && i < missing; i++)
        strbuf_addc(out, zeros ? '0' : ' ');
    strbuf_add(out, text + (zeros ? sign : 0), size - (zeros ? sign : 0));
    for (size_t i = 0; verb->minus && i < missing; i++)
        strbuf_addc(out, ' ');
}

/* "%!d(string=x)" */
static void bad_verb(const struct verb *verb, struct value v, struct strbuf *out)
{
    strbuf_adds(out, "%!");
    add_letter(out, verb->letter);
    if (value_kind(v) == JSON_NULL) {
        strbuf_adds(out, "(<nil>)");
        return;
    }
    strbuf_addf(out, "(%s=", value_type_name(v));
    value_print(v, out);
    strbuf_addc(out, ')');
}

static void hex(const char *text, size_t size, bool upper, struct strbuf *out)
{
    for (size_t i = 0; i < size; i++)
        strbuf_addf(out, upper ? "%02X" : "%02x", (unsigned char)text[i]);
}

/* Bytes of the first `limit` characters. */
static size_t cut_characters(const char *text, size_t size, size_t limit)
{
    size_t i = 0;
    for (size_t n = 0; i < size && n < limit; n++) {
        size_t step = utf8_sequence(text + i, size - i);
        i += step ? step : 1;
    }
    return i;
}

static void format_string(const struct verb *verb, struct value v, struct strbuf *out)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    const char *data = v.json->string.data;
    size_t size = v.json->string.size;
    if (verb->has_precision)
        size = cut_characters(data, size, verb->precision);
    if (verb->letter == 'q' || (verb->letter == 'v' && verb->sharp)) {
        CLEANUP_FREE char *quoted = quote_go(data, size);
        if (verb->letter == 'q' && verb->sharp && !memchr(data, '`', size))
            strbuf_addf(&text, "`%.*s`", (int)size, data);
        else
            strbuf_adds(&text, quoted);
    } else if (verb->letter == 'x' || verb->letter == 'X') {
        hex(data, size, verb->letter == 'X', &text);
    } else if (verb->letter == 's' || verb->letter == 'v') {
        strbuf_add(&text, data, size);
    } else {
        bad_verb(verb, v, out);
        return;
    }
    pad(verb, strbuf_str(&text), text.size, false, out);
}

static void add_binary(uint64_t n, struct strbuf *out)
{
    int bit = 63;
    while (bit > 0 && !(n >> bit & 1))
        bit--;
    for (; bit >= 0; bit--)
        strbuf_addc(out, n >> bit & 1 ? '1' : '0');
}

/* Digits of an integer in the verb's base; false when the verb has none. */
static bool add_digits(const struct verb *verb, uint64_t n, struct strbuf *out)
{
    switch (verb->letter) {
    case 'd':
    case 'v':
        strbuf_addf(out, "%0*" PRIu64, verb->has_precision ? (int)verb->precision : 1, n);
        return true;
    case 'x':
        strbuf_addf(out, verb->sharp ? "0x%" PRIx64 : "%" PRIx64, n);
        return true;
    case 'X':
        strbuf_addf(out, verb->sharp ? "0X%" PRIX64 : "%" PRIX64, n);
        return true;
    case 'o':
        strbuf_addf(out, verb->sharp ? "0%" PRIo64 : "%" PRIo64, n);
        return true;
    case 'O':
        strbuf_addf(out, "0o%" PRIo64, n);
        return true;
    case 'b':
        strbuf_adds(out, verb->sharp ? "0b" : "");
        add_binary(n, out);
        return true;
    default:
        return false;
    }
}

static void format_integer(const struct verb *verb, struct value v, struct strbuf *out)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    int64_t n = v.json->integer;
    uint32_t c = n < 0 || n > 0x10ffff || (n >= 0xd800 && n < 0xe000) ? 0xfffd : (uint32_t)n;
    if (verb->letter == 'c') {
        add_letter(&text, c);
    } else if (verb->letter == 'q') {
        strbuf_addc(&text, '\'');
        add_letter(&text, c);
        strbuf_addc(&text, '\'');
    } else if (verb->letter == 'U') {
        strbuf_addf(&text, "U+%04" PRIX64, (uint64_t)n);
    } else {
        if (n < 0)
            strbuf_addc(&text, '-');
        else if (verb->plus || verb->space)
            strbuf_addc(&text, verb->plus ? '+' : ' ');
        if (!add_digits(verb, n < 0 ? 0 - (uint64_t)n : (uint64_t)n, &text)) {
            bad_verb(verb, v, out);
            return;
        }
    }
    pad(verb, strbuf_str(&text), text.size, true, out);
}

static void format_real(const struct verb *verb, struct value v, struct strbuf *out)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    char letter = (char)verb->letter;
    int precision = verb->has_precision ? (int)(verb->precision > 500 ? 500 : verb->precision) : 6;
    if (verb->letter > 127 || !strchr("veEfFgG", letter)) {
        bad_verb(verb, v, out);
        return;
    }
    if (v.json->real >= 0 && (verb->plus || verb->space))
        strbuf_addc(&text, verb->plus ? '+' : ' ');
    if (letter == 'e')
        strbuf_addf(&text, "%.*e", precision, v.json->real);
    else if (letter == 'E')
        strbuf_addf(&text, "%.*E", precision, v.json->real);
    else if (letter == 'f' || letter == 'F')
        strbuf_addf(&text, "%.*f", precision, v.json->real);
    else if (verb->has_precision)
        strbuf_addf(&text, letter == 'G' ? "%.*G" : "%.*g", precision, v.json->real);
    else
        number_print(v.json->real, &text);
    for (size_t i = 0; letter == 'G' && i < text.size; i++)
        text.data[i] = (char)toupper((unsigned char)text.data[i]);
    pad(verb, strbuf_str(&text), text.size, true, out);
}

static void format_value(const struct verb *verb, struct value v, struct strbuf *out);

static void format_list(const struct verb *verb, struct value v, struct strbuf *out)
{
    bool syntax = verb->letter == 'v' && verb->sharp;
    strbuf_addf(out, "%s%c", syntax ? value_type_name(v) : "", syntax ? '{' : '[');
    for (size_t i = 0; i < v.json->array.count; i++) {
        strbuf_adds(out, i == 0 ? "" : syntax ? ", " : " ");
        format_value(verb, value_element(v, i), out);
    }
    strbuf_addc(out, syntax ? '}' : ']');
}

static void format_object(const struct verb *verb, struct value v, struct strbuf *out)
{
    bool syntax = verb->letter == 'v' && verb->sharp, map = value_is_map(v);
    CLEANUP_FREE size_t *order = map ? value_sorted_keys(v.json) : NULL;
    strbuf_addf(out, "%s%s", syntax ? value_type_name(v) : map ? "map" : "", syntax || !map ? "{" : "[");
    for (size_t i = 0; i < v.json->object.count; i++) {
        size_t at = order ? order[i] : i;
        strbuf_adds(out, i == 0 ? "" : syntax ? ", " : " ");
        CLEANUP_FREE char *quoted = quote_go(v.json->object.keys[at], strlen(v.json->object.keys[at]));
        if (map || verb->plus)
            strbuf_addf(out, "%s:", syntax ? quoted : v.json->object.keys[at]);
        format_value(verb, value_entry(v, at), out);
    }
    strbuf_adds(out, syntax || !map ? "}" : "]");
}

static void format_value(const struct verb *verb, struct value v, struct strbuf *out)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    switch (value_kind(v)) {
    case JSON_NULL:
        if (verb->letter != 'v') {
            bad_verb(verb, v, out);
            break;
        }
        value_print(v, &text);
        pad(verb, strbuf_str(&text), text.size, false, out);
        break;
    case JSON_BOOL:
        if (verb->letter != 'v' && verb->letter != 't')
            bad_verb(verb, v, out);
        else
            pad(verb, v.json->boolean ? "true" : "false", v.json->boolean ? 4 : 5, false, out);
        break;
    case JSON_INTEGER:
        format_integer(verb, v, out);
        break;
    case JSON_REAL:
        format_real(verb, v, out);
        break;
    case JSON_STRING:
        format_string(verb, v, out);
        break;
    case JSON_ARRAY:
        format_list(verb, v, out);
        break;
    case JSON_OBJECT:
        format_object(verb, v, out);
        break;
    }
}

/* Arguments of printf that are still there. */
struct rest {
    const struct value *args;
    size_t count, next;
};

/* A number of the format or, for '*', of the arguments. */
static bool take_number(const char **p, struct rest *rest, size_t *ret, bool *ret_negative)
{
    *ret_negative = false;
    if (**p == '*') {
        (*p)++;
        if (rest->next >= rest->count || value_kind(rest->args[rest->next]) != JSON_INTEGER)
            return false;
        int64_t n = rest->args[rest->next++].json->integer;
        *ret_negative = n < 0;
        uint64_t size = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
        *ret = size < WIDTH_MAX ? (size_t)size : WIDTH_MAX;
        return true;
    }
    size_t n = 0;
    for (; isdigit((unsigned char)**p); (*p)++)
        n = n < WIDTH_MAX ? n * 10 + (size_t)(**p - '0') : WIDTH_MAX;
    *ret = n;
    return true;
}

static void take_flags(const char **p, struct verb *verb)
{
    for (;; (*p)++) {
        if (**p == '-')
            verb->minus = true;
        else if (**p == '+')
            verb->plus = true;
        else if (**p == '#')
            verb->sharp = true;
        else if (**p == ' ')
            verb->space = true;
        else if (**p == '0')
            verb->zero = true;
        else
            return;
    }
}

/* One verb behind its '%'. */
static void format_verb(const char **p, const char *end, struct rest *rest, struct strbuf *out)
{
    struct verb verb = {0};
    bool negative;
    take_flags(p, &verb);
    if (!take_number(p, rest, &verb.width, &negative))
        strbuf_adds(out, "%!(BADWIDTH)");
    verb.minus = verb.minus || negative;
    if (**p == '.') {
        (*p)++;
        verb.has_precision = take_number(p, rest, &verb.precision, &negative) && !negative;
        if (negative)
            strbuf_adds(out, "%!(BADPREC)");
    }
    if (*p >= end) {
        strbuf_adds(out, "%!(NOVERB)");
        return;
    }
    size_t size = utf8_decode(*p, (size_t)(end - *p), &verb.letter);
    *p += size ? size : 1;
    if (verb.letter == '%') {
        strbuf_addc(out, '%');
    } else if (rest->next >= rest->count) {
        strbuf_adds(out, "%!");
        add_letter(out, verb.letter);
        strbuf_adds(out, "(MISSING)");
    } else if (verb.letter == 'T') {
        const char *name = value_type_name(rest->args[rest->next++]);
        pad(&verb, name, strlen(name), false, out);
    } else {
        format_value(&verb, rest->args[rest->next++], out);
    }
}

int function_printf(const struct call *call, struct value *ret, struct error *err)
{
    (void)err;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct rest rest = {call->args + 1, call->count - 1, 0};
    const char *p = call->args[0].json->string.data, *end = p + call->args[0].json->string.size;
    while (p < end) {
        if (*p == '%') {
            p++;
            format_verb(&p, end, &rest, &out);
        } else {
            strbuf_addc(&out, *p++);
        }
    }
    if (rest.next < rest.count) {
        strbuf_adds(&out, "%!(EXTRA ");
        for (size_t i = rest.next; i < rest.count; i++) {
            strbuf_addf(&out, "%s%s", i > rest.next ? ", " : "", value_type_name(rest.args[i]));
            if (value_kind(rest.args[i]) != JSON_NULL) {
                strbuf_addc(&out, '=');
                value_print(rest.args[i], &out);
            }
        }
        strbuf_addc(&out, ')');
    }
    *ret = value_string(call->arena, strbuf_str(&out), out.size);
    return 0;
}
