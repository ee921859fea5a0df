/* YAML text in the style of Go's encoder. */
#include <ctype.h>
#include <string.h>

#include "base/utf8.h"
#include "cmd/dory/compose/render.h"
#include "cmd/dory/compose/yaml_scalar.h"

static bool is_letter(char c)
{
    return isalpha((unsigned char)c) || (unsigned char)c >= 0x80;
}

/* Numbers by their value, and behind one letters before all else; otherwise letters behind all else, and digits behind
 * what is neither. */
int render_compare_natural(const char *a, const char *b)
{
    bool behind_number = false;
    while (*a && *b) {
        if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
            size_t x = strspn(a, "0"), y = strspn(b, "0");
            size_t n = strspn(a + x, "0123456789"), m = strspn(b + y, "0123456789");
            int order = n != m ? (n < m ? -1 : 1) : strncmp(a + x, b + y, n);
            if (order)
                return order;
            if (x != y)
                return x < y ? -1 : 1;
            a += x + n;
            b += y + m;
            behind_number = true;
            continue;
        }
        if (*a != *b) {
            if (is_letter(*a) != is_letter(*b))
                return is_letter(*a) == behind_number ? -1 : 1;
            if (!is_letter(*a) && isdigit((unsigned char)*a) != isdigit((unsigned char)*b))
                return isdigit((unsigned char)*b) ? -1 : 1;
            return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
        }
        behind_number = false;
        a++;
        b++;
    }
    return *a ? 1 : *b ? -1 : 0;
}

/* "1:30" reads as a number of base 60 in YAML 1.1. */
static bool is_base60(const char *text)
{
    text += *text == '-' || *text == '+';
    if (!isdigit((unsigned char)*text))
        return false;
    text += strspn(text, "0123456789_");
    unsigned groups = 0;
    while (*text == ':' && isdigit((unsigned char)text[1])) {
        size_t digits = strspn(text + 1, "0123456789");
        if (digits > 2 || (digits == 2 && text[1] > '5'))
            return false;
        text += 1 + digits;
        groups++;
    }
    if (*text == '.')
        text += 1 + strspn(text + 1, "0123456789_");
    return groups > 0 && !*text;
}

/* 2024-01-31, with or without a time behind. */
static bool is_timestamp(const char *text)
{
    static const char form[] = "dddd-";
    for (size_t i = 0; form[i]; i++) {
        if (form[i] == 'd' ? !isdigit((unsigned char)text[i]) : text[i] != form[i])
            return false;
    }
    text += 5;
    size_t month = strspn(text, "0123456789");
    if (month < 1 || month > 2 || text[month] != '-')
        return false;
    text += month + 1;
    size_t day = strspn(text, "0123456789");
    return day >= 1 && day <= 2 && (!text[day] || strchr("Tt ", text[day]));
}

static bool means_something_else(const char *text)
{
    static const char *const old[] = {"y", "Y", "yes", "Yes", "YES", "on",  "On",  "ON",
                                      "n", "N", "no",  "No",  "NO",  "off", "Off", "OFF"};
    CLEANUP_YAML_POOL struct yaml_pool pool = {0};
    struct yaml node = {0};
    for (size_t i = 0; i < ARRAY_SIZE(old); i++) {
        if (strcmp(old[i], text) == 0)
            return true;
    }
    return yaml_scalar_resolve(&pool, &node, text, true, NULL, NULL) < 0 || node.kind != YAML_STRING ||
           is_base60(text) || is_timestamp(text);
}

/* Characters that only a text between double quotes can have. */
static bool is_special(const char *text)
{
    bool lines = strchr(text, '\n') != NULL;
    for (size_t size = strlen(text); size > 0;) {
        size_t n = utf8_sequence(text, size);
        unsigned char c = (unsigned char)*text;
        if (n == 0 || n == 4 || (n == 1 && (c < 0x20 || c == 0x7f) && c != '\n' && !(c == '\t' && lines)) ||
            strncmp(text, "\xef\xbb\xbf", 3) == 0)
            return true;
        text += n;
        size -= n;
    }
    return false;
}

static bool can_be_plain(const char *text)
{
    size_t size = strlen(text);
    if (strncmp(text, "---", 3) == 0 || strncmp(text, "...", 3) == 0)
        return false;
    if (strchr("#,[]{}&*!|>'\"%@`", text[0]) || text[0] == ' ' || text[size - 1] == ' ')
        return false;
    if (strchr("-?:", text[0]) && (text[1] == ' ' || text[1] == '\0'))
        return false;
    for (size_t i = 1; i < size; i++) {
        if ((text[i] == ':' && (text[i + 1] == ' ' || text[i + 1] == '\0')) || (text[i] == '#' && text[i - 1] == ' '))
            return false;
    }
    return true;
}

static void put_double_quoted(const char *text, struct strbuf *out)
{
    static const char letters[] = "abtnvfr", values[] = "\a\b\t\n\v\f\r";
    strbuf_addc(out, '"');
    for (; *text; text++) {
        const char *escape = strchr(values, *text);
        if (escape)
            strbuf_addf(out, "\\%c", letters[escape - values]);
        else if (*text == '"' || *text == '\\')
            strbuf_addf(out, "\\%c", *text);
        else if (strncmp(text, "\xef\xbb\xbf", 3) == 0 && (text += 2))
            strbuf_adds(out, "\\uFEFF");
        else if (utf8_sequence(text, strnlen(text, 4)) == 4) {
            /* What is not of the basic plane. */
            uint32_t c = (*text & 7u) << 18 | (text[1] & 0x3fu) << 12 | (text[2] & 0x3fu) << 6 | (text[3] & 0x3fu);
            strbuf_addf(out, "\\U%08X", c);
            text += 3;
        } else if ((unsigned char)*text < 0x20 || *text == 0x7f)
            strbuf_addf(out, *text == 0x1b ? "\\e" : "\\x%02X", (unsigned char)*text);
        else
            strbuf_addc(out, *text);
    }
    strbuf_addc(out, '"');
}

static void put_single_quoted(const char *text, struct strbuf *out)
{
    strbuf_addc(out, '\'');
    for (; *text; text++)
        strbuf_adds(out, *text == '\'' ? "''" : (const char[]){*text, '\0'});
    strbuf_addc(out, '\'');
}

/* Lines of their own behind a '|'. */
static void put_literal(const char *text, unsigned depth, struct strbuf *out)
{
    size_t size = strlen(text), lines = 0;
    while (lines < size && text[size - 1 - lines] == '\n')
        lines++;
    strbuf_addc(out, '|');
    if (*text == ' ' || *text == '\n')
        strbuf_addc(out, '2');
    if (lines != 1)
        strbuf_addc(out, lines == 0 ? '-' : '+');
    while (*text) {
        size_t n = strcspn(text, "\n");
        strbuf_addc(out, '\n');
        if (n > 0)
            strbuf_addf(out, "%*s%.*s", (int)(2 * depth), "", (int)n, text);
        text += n + (text[n] == '\n');
    }
}

static void put_text(const char *text, unsigned depth, bool key, struct strbuf *out)
{
    bool lines = strchr(text, '\n') != NULL;
    bool spaces = strstr(text, " \n") != NULL || (*text && text[strlen(text) - 1] == ' ');
    if (means_something_else(text) || is_special(text) || (lines && (key || spaces)))
        put_double_quoted(text, out);
    else if (lines)
        put_literal(text, depth, out);
    else if (can_be_plain(text))
        strbuf_adds(out, text);
    else
        put_single_quoted(text, out);
}

static void put(const struct json *value, unsigned depth, bool in_list, struct strbuf *out);

static void put_scalar(const struct json *value, unsigned depth, struct strbuf *out)
{
    CLEANUP_YAML_POOL struct yaml_pool pool = {0};
    switch (value->kind) {
    case JSON_BOOL:
        strbuf_adds(out, value->boolean ? "true" : "false");
        break;
    case JSON_INTEGER:
        strbuf_addf(out, "%lld", (long long)value->integer);
        break;
    case JSON_REAL:
        strbuf_adds(out, yaml_real_text(&pool, value->real));
        break;
    case JSON_STRING:
        put_text(value->string.data, depth, false, out);
        break;
    case JSON_ARRAY:
        strbuf_adds(out, "[]");
        break;
    case JSON_OBJECT:
        strbuf_adds(out, "{}");
        break;
    default:
        strbuf_adds(out, "null");
    }
}

static bool is_block(const struct json *value)
{
    return (value->kind == JSON_OBJECT && value->object.count > 0) ||
           (value->kind == JSON_ARRAY && value->array.count > 0);
}

/* The lines of a collection at `depth`; the first one stands behind a "- " that is there when in_list. */
static void put(const struct json *value, unsigned depth, bool in_list, struct strbuf *out)
{
    size_t count = value->kind == JSON_OBJECT ? value->object.count : value->array.count;
    for (size_t i = 0; i < count; i++) {
        const struct json *member = value->kind == JSON_OBJECT ? &value->object.values[i] : &value->array.items[i];
        if (i > 0 || !in_list)
            strbuf_addf(out, "%*s", (int)(2 * depth), "");
        if (value->kind == JSON_OBJECT) {
            put_text(value->object.keys[i], depth, true, out);
            strbuf_adds(out, is_block(member) ? ":\n" : ": ");
            if (is_block(member))
                put(member, depth + 1, false, out);
        } else {
            strbuf_adds(out, "- ");
            if (is_block(member))
                put(member, depth + 1, true, out);
        }
        if (!is_block(member)) {
            put_scalar(member, depth + 1, out);
            strbuf_addc(out, '\n');
        }
    }
}

void render_yaml_text(const struct json *value, struct strbuf *out)
{
    if (is_block(value)) {
        put(value, 0, false, out);
    } else {
        put_scalar(value, 0, out);
        strbuf_addc(out, '\n');
    }
}
