/* Scalars: what a text or a number must be, and what it becomes. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "base/units.h"
#include "cmd/dory/compose/schema.h"
#include "cmd/dory/compose/yaml_scalar.h"

static void become_text(const struct schema_walk *walk, struct yaml *node, const char *text)
{
    const char *copy = yaml_pool_strdup(walk->pool, text);
    node->kind = YAML_STRING;
    node->text = copy;
}

static int become_bool(const struct schema_walk *walk, struct yaml *node, const struct schema_row *row,
                       const struct schema_path *path, struct error *err)
{
    static const struct {
        const char *word;
        bool value, modern;
    } words[] = {{"true", true, true}, {"false", false, true}, {"y", true, false},   {"yes", true, false},
                 {"on", true, false},  {"n", false, false},    {"no", false, false}, {"off", false, false}};
    if (node->kind == YAML_BOOL)
        return 0;
    if (node->kind != YAML_STRING || (row->flags & SCHEMA_STRICT))
        return schema_wrong(path, node, err, "must be a boolean");
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (strcasecmp(words[i].word, node->text) != 0)
            continue;
        if (!words[i].modern && walk->warnings)
            strv_addf(walk->warnings, "\"%s\" for boolean is not supported by YAML 1.2, please use `%s`", node->text,
                      words[i].value ? "true" : "false");
        node->kind = YAML_BOOL;
        node->boolean = words[i].value;
        node->text = words[i].value ? "true" : "false";
        return 0;
    }
    return schema_wrong(path, node, err, ": invalid boolean: %s", node->text);
}

static int become_integer(const struct schema_walk *walk, struct yaml *node, const struct schema_row *row,
                          const struct schema_path *path, struct error *err)
{
    int64_t value = 0;
    bool whole = (row->flags & SCHEMA_FRACTION) || node->real == floor(node->real);
    if (node->kind == YAML_INTEGER)
        value = node->integer;
    else if (node->kind == YAML_REAL && whole && fabs(node->real) < 1e18)
        value = (int64_t)node->real;
    else if (node->kind == YAML_STRING && (row->flags & SCHEMA_STRICT))
        return schema_wrong(path, node, err, "must be a number");
    else if (node->kind != YAML_STRING || parse_int64(node->text, INT64_MIN, INT64_MAX, &value) < 0)
        return schema_wrong(path, node, err, "must be an integer%s%s", *node->text ? ", not " : "", node->text);
    if (value < 0 && (row->flags & SCHEMA_UNSIGNED))
        return schema_wrong(path, node, err, "must be greater than or equal to 0");
    node->kind = YAML_INTEGER;
    node->integer = value;
    node->text = yaml_pool_printf(walk->pool, "%lld", (long long)value);
    return 0;
}

/* The shortest text that reads back as the same float. */
static double single_precision(double value)
{
    char text[40];
    float want = (float)value;
    for (int precision = 1; precision <= 9; precision++) {
        snprintf(text, sizeof text, "%.*g", precision, (double)want);
        if (strtof(text, NULL) == want)
            break;
    }
    return strtod(text, NULL);
}

static int become_real(const struct schema_walk *walk, struct yaml *node, const struct schema_path *path,
                       struct error *err)
{
    double value;
    char *end = NULL;
    if (node->kind == YAML_INTEGER)
        value = (double)node->integer;
    else if (node->kind == YAML_REAL)
        value = node->real;
    else if (node->kind == YAML_STRING && *node->text && strspn(node->text, "0123456789.eE+-") == strlen(node->text))
        value = strtod(node->text, &end);
    else
        return schema_wrong(path, node, err, "must be a number%s%s", *node->text ? ", not " : "", node->text);
    if ((end && *end) || !isfinite(value))
        return schema_wrong(path, node, err, "must be a number, not %s", node->text);
    value = single_precision(value);
    node->text = yaml_real_text(walk->pool, value);
    node->kind = YAML_REAL;
    node->real = value;
    return 0;
}

static int become_bytes(const struct schema_walk *walk, struct yaml *node, const struct schema_row *row,
                        const struct schema_path *path, struct error *err)
{
    int64_t bytes;
    char text[32];
    bool number = node->kind == YAML_INTEGER || node->kind == YAML_REAL;
    if ((!number && node->kind != YAML_STRING) || (number && (row->flags & SCHEMA_STRICT)))
        return schema_wrong(path, node, err, "must be a string");
    if (node->kind == YAML_INTEGER)
        bytes = node->integer;
    else if (node->kind == YAML_REAL && fabs(node->real) < 9e18 && node->real == floor(node->real))
        bytes = (int64_t)node->real;
    else if (node->kind == YAML_REAL || parse_size(node->text, true, &bytes) < 0 ||
             (bytes < 0 && (row->flags & SCHEMA_STRICT)))
        return schema_wrong(path, node, err, ": invalid size: '%s'", node->text);
    if (bytes < 0 && (row->flags & SCHEMA_UNSIGNED))
        return schema_wrong(path, node, err, "must be greater than or equal to 0");
    snprintf(text, sizeof text, "%lld", (long long)bytes);
    become_text(walk, node, text);
    return 0;
}

int schema_duration(const char *text, int64_t *ret_ns)
{
    static const struct {
        const char *unit;
        double ns;
    } units[] = {{"ns", 1},  {"us", 1e3},   {"\xc2\xb5s", 1e3}, {"ms", 1e6},       {"m", 60e9},
                 {"s", 1e9}, {"h", 3600e9}, {"d", 86400e9},     {"w", 7 * 86400e9}};
    double total = 0;
    if (strcmp(text, "0") == 0) {
        *ret_ns = 0;
        return 0;
    }
    if (!*text)
        return -EINVAL;
    while (*text) {
        size_t digits = strspn(text, "0123456789.");
        char *end;
        double value = strtod(text, &end);
        const char *unit = text + digits;
        size_t i = 0;
        if (digits == 0 || end != unit)
            return -EINVAL;
        while (i < ARRAY_SIZE(units) && strncmp(unit, units[i].unit, strlen(units[i].unit)) != 0)
            i++;
        if (i == ARRAY_SIZE(units))
            return -EINVAL;
        total += value * units[i].ns;
        text = unit + strlen(units[i].unit);
    }
    if (total > 9.2e18)
        return -ERANGE;
    *ret_ns = (int64_t)total;
    return 0;
}

static int become_duration(const struct schema_walk *walk, struct yaml *node, const struct schema_path *path,
                           struct error *err)
{
    int64_t ns;
    char text[UNITS_GO_DURATION_MAX];
    if (node->kind != YAML_STRING)
        return schema_wrong(path, node, err, "must be a string");
    if (schema_duration(node->text, &ns) < 0)
        return schema_wrong(path, node, err, ": time: invalid duration \"%s\"", node->text);
    units_go_duration(text, sizeof text, ns);
    become_text(walk, node, text);
    return 0;
}

static int become_mode(const struct schema_walk *walk, struct yaml *node, const struct schema_path *path,
                       struct error *err)
{
    int64_t mode = node->integer;
    char text[32], *end;
    if (node->kind == YAML_STRING) {
        mode = strtol(node->text, &end, 8);
        if (!*node->text || *end || mode < 0)
            return schema_wrong(path, node, err, ": invalid mode \"%s\"", node->text);
    } else if (node->kind != YAML_INTEGER) {
        return schema_wrong(path, node, err, "must be a number or a string");
    }
    snprintf(text, sizeof text, "0%llo", (unsigned long long)mode);
    become_text(walk, node, text);
    return 0;
}

static int become_count(const struct schema_walk *walk, struct yaml *node, const struct schema_path *path,
                        struct error *err)
{
    static const struct schema_row count = {"count", SHAPE_INTEGER, 0, NULL, NULL, NULL};
    if (node->kind == YAML_STRING && strcasecmp(node->text, "all") == 0) {
        node->kind = YAML_INTEGER;
        node->integer = -1;
        node->text = "-1";
        return 0;
    }
    return become_integer(walk, node, &count, path, err);
}

static int check_words(const struct yaml *node, const struct schema_row *row, const struct schema_path *path,
                       struct error *err)
{
    CLEANUP_STRV struct strv words = STRV_INIT;
    strv_split(&words, row->words, '|');
    if (strv_contains(&words, node->text))
        return 0;
    CLEANUP_FREE char *list = strv_join(&words, "', '");
    return schema_wrong(path, node, err, "must be one of '%s'", list);
}

int schema_scalar(const struct schema_walk *walk, struct yaml *node, const struct schema_row *row,
                  const struct schema_path *path, struct error *err)
{
    bool number = node->kind == YAML_INTEGER || node->kind == YAML_REAL;
    if (!yaml_is_scalar(node))
        return schema_wrong(path, node, err, "must be a %s", row->shape == SHAPE_BOOL ? "boolean" : "string");
    if (walk->raw)
        return 0;
    switch (row->shape) {
    case SHAPE_BOOL:
        return become_bool(walk, node, row, path, err);
    case SHAPE_INTEGER:
        return become_integer(walk, node, row, path, err);
    case SHAPE_REAL:
        return become_real(walk, node, path, err);
    case SHAPE_BYTES:
        return become_bytes(walk, node, row, path, err);
    case SHAPE_DURATION:
        return become_duration(walk, node, path, err);
    case SHAPE_MODE:
        return become_mode(walk, node, path, err);
    case SHAPE_DEVICE_COUNT:
        return become_count(walk, node, path, err);
    case SHAPE_TEXT_OR_NUMBER:
        if (node->kind == YAML_REAL || (row->flags & SCHEMA_STRICT ? number : node->kind == YAML_BOOL))
            return schema_wrong(path, node, err, "must be a string or %s",
                                row->flags & SCHEMA_STRICT ? "a boolean" : "an integer");
        become_text(walk, node, node->text);
        return 0;
    default:
        if (node->kind != YAML_STRING)
            return schema_wrong(path, node, err, "must be a string");
        return row->words ? check_words(node, row, path, err) : 0;
    }
}
