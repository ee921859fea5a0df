#include "cmd/dory/compose/yaml_scalar.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool is_one_of(const char *text, const char *const words[])
{
    for (size_t i = 0; words[i]; i++) {
        if (strcmp(text, words[i]) == 0)
            return true;
    }
    return false;
}

/* Digits of the base, all of the text. */
static bool parse_digits(const char *digits, int base, int64_t sign, int64_t *ret)
{
    char *end;
    if (digits[0] == '\0' || digits[strspn(digits, "0123456789abcdefABCDEF")] != '\0')
        return false;
    errno = 0;
    unsigned long long value = strtoull(digits, &end, base);
    if (errno || *end || value > (sign < 0 ? (unsigned long long)INT64_MAX + 1 : (unsigned long long)INT64_MAX))
        return false;
    *ret = (int64_t)(sign < 0 ? 0 - value : value);
    return true;
}

static bool parse_integer(const char *text, int64_t *ret)
{
    int64_t sign = *text == '-' ? -1 : 1;
    text += *text == '-' || *text == '+';
    if (*text < '0' || *text > '9')
        return false;
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
        return parse_digits(text + 2, 16, sign, ret);
    if (text[0] == '0' && (text[1] == 'o' || text[1] == 'O'))
        return parse_digits(text + 2, 8, sign, ret);
    if (text[0] == '0' && (text[1] == 'b' || text[1] == 'B'))
        return parse_digits(text + 2, 2, sign, ret);
    if (text[0] == '0' && text[1])
        return parse_digits(text + 1, 8, sign, ret);
    return parse_digits(text, 10, sign, ret);
}

/* [-+]? (digits [. digits?] | . digits) [e [-+]? digits], or .inf and .nan. */
static bool parse_real(const char *text, double *ret)
{
    static const char *const infinite[] = {".inf", ".Inf", ".INF", NULL};
    static const char *const nan_words[] = {".nan", ".NaN", ".NAN", NULL};
    const char *p = text + (*text == '-' || *text == '+');
    if (is_one_of(p, infinite)) {
        *ret = *text == '-' ? -INFINITY : INFINITY;
        return true;
    }
    if (is_one_of(text, nan_words)) {
        *ret = NAN;
        return true;
    }
    size_t before = strspn(p, "0123456789"), after = 0;
    p += before;
    if (*p == '.') {
        after = strspn(++p, "0123456789");
        p += after;
    }
    if (before + after == 0)
        return false;
    if (*p == 'e' || *p == 'E') {
        p++;
        p += *p == '-' || *p == '+';
        size_t digits = strspn(p, "0123456789");
        if (digits == 0)
            return false;
        p += digits;
    }
    if (*p)
        return false;
    *ret = strtod(text, NULL);
    return true;
}

const char *yaml_real_text(struct yaml_pool *pool, double value)
{
    if (isnan(value))
        return "NaN";
    if (isinf(value))
        return value < 0 ? "-Inf" : "+Inf";
    char text[40];
    int precision = 1;
    do {
        snprintf(text, sizeof text, "%.*e", precision - 1, value);
    } while (strtod(text, NULL) != value && ++precision <= 17);
    int exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
    if (value != 0 && (exponent < -4 || exponent >= 6))
        return yaml_pool_strdup(pool, text);
    int decimals = precision - 1 - exponent;
    return yaml_pool_printf(pool, "%.*f", decimals > 0 ? decimals : 0, value);
}

/* Underscores say nothing in what begins as a number does. The caller frees. */
static char *without_underscores(const char *text)
{
    char *copy = xstrdup(text), *to = copy;
    for (const char *p = text; *p; p++) {
        if (*p != '_' || !strchr("0123456789+-", *text))
            *to++ = *p;
    }
    *to = '\0';
    return copy;
}

static void resolve_plain(struct yaml_pool *pool, struct yaml *node, const char *text)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"true", "True", "TRUE", NULL};
    static const char *const falses[] = {"false", "False", "FALSE", NULL};
    CLEANUP_FREE char *number = without_underscores(text);
    int64_t integer;
    double real;
    if (is_one_of(text, nulls)) {
        node->kind = YAML_NULL;
        node->text = "";
    } else if (is_one_of(text, trues) || is_one_of(text, falses)) {
        node->kind = YAML_BOOL;
        node->boolean = is_one_of(text, trues);
        node->text = node->boolean ? "true" : "false";
    } else if (parse_integer(number, &integer)) {
        node->kind = YAML_INTEGER;
        node->integer = integer;
        node->text = yaml_pool_printf(pool, "%lld", (long long)integer);
    } else if (parse_real(number, &real)) {
        node->kind = YAML_REAL;
        node->real = real;
        node->text = yaml_real_text(pool, real);
    }
}

int yaml_scalar_resolve(struct yaml_pool *pool, struct yaml *node, const char *text, bool plain, const char *core,
                        struct error *err)
{
    static const struct {
        const char *core;
        enum yaml_kind kind;
    } tags[] = {{"int", YAML_INTEGER}, {"bool", YAML_BOOL}, {"null", YAML_NULL}, {"float", YAML_REAL}};
    node->kind = YAML_STRING;
    node->text = text;
    if (core && strcmp(core, "str") == 0)
        return 0;
    if (plain || core)
        resolve_plain(pool, node, text);
    for (size_t i = 0; core && i < ARRAY_SIZE(tags); i++) {
        if (strcmp(tags[i].core, core) != 0)
            continue;
        if (node->kind == YAML_INTEGER && tags[i].kind == YAML_REAL) {
            node->real = (double)node->integer;
            node->kind = YAML_REAL;
        }
        return node->kind == tags[i].kind
                   ? 0
                   : yaml_error(&node->place, err, "yaml: \"%s\" cannot be decoded as !!%s", text, core);
    }
    return core ? yaml_error(&node->place, err, "unknown tag !!%s", core) : 0;
}
