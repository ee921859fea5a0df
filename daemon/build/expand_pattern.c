#include "daemon/build/expand_pattern.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

struct pattern_unit {
    enum { UNIT_BYTE, UNIT_ANY, UNIT_STAR } kind;
    char byte;
};

static void add(struct expand_pattern *pattern, size_t *capacity, struct pattern_unit unit)
{
    xgrow((void **)&pattern->units, pattern->count, capacity, sizeof(unit));
    pattern->units[pattern->count++] = unit;
}

int expand_pattern_compile(const char *text, struct expand_pattern *ret, struct error *err)
{
    struct expand_pattern pattern = {0};
    size_t capacity = 0;
    if (strlen(text) > EXPAND_PATTERN_MAX)
        return error_set(err, ERROR_INVALID, E2BIG, "pattern in substitution is longer than %d characters",
                         EXPAND_PATTERN_MAX);
    for (const char *p = text; *p != '\0'; p++) {
        struct pattern_unit unit = {.kind = *p == '*' ? UNIT_STAR : *p == '?' ? UNIT_ANY : UNIT_BYTE, .byte = *p};
        if (*p == '\\') {
            p++;
            if (*p == '\0' || strchr("*?\\}/", *p) == NULL) {
                expand_pattern_release(&pattern);
                return error_set(err, ERROR_INVALID, EINVAL,
                                 "invalid pattern (%s) in substitution: invalid escape '\\%c'", text, *p ? *p : ' ');
            }
            unit = (struct pattern_unit){.kind = UNIT_BYTE, .byte = *p};
        }
        add(&pattern, &capacity, unit);
    }
    *ret = pattern;
    return 0;
}

void expand_pattern_release(struct expand_pattern *pattern)
{
    free(pattern->units);
    *pattern = (struct expand_pattern){0};
}

/* What one character of value takes: so many bytes. */
static size_t character(const char *value, size_t size)
{
    size_t n = utf8_sequence(value, size);
    return n > 0 ? n : 1;
}

/* reach[i]: value[0..i] can be what the units so far match. Starts with `reach` as it is given; the same array holds
 * the result. */
static void advance(const struct pattern_unit *unit, const char *value, size_t size, bool *reach, bool *next)
{
    memset(next, 0, size + 1);
    if (unit->kind == UNIT_STAR) {
        bool any = false;
        for (size_t i = 0; i <= size; i++)
            next[i] = any |= reach[i];
    } else {
        for (size_t i = 0; i < size; i++) {
            if (!reach[i])
                continue;
            if (unit->kind == UNIT_ANY)
                next[i + character(value + i, size - i)] = true;
            else if (value[i] == unit->byte)
                next[i + 1] = true;
        }
    }
    memcpy(reach, next, size + 1);
}

bool expand_pattern_prefix(const struct expand_pattern *pattern, const char *value, size_t size, bool longest,
                           size_t *ret)
{
    CLEANUP_FREE bool *reach = xcalloc(size + 1, 1), *next = xcalloc(size + 1, 1);
    bool found = false;
    reach[0] = true;
    for (size_t i = 0; i < pattern->count; i++)
        advance(&pattern->units[i], value, size, reach, next);
    for (size_t i = 0; i <= size && (longest || !found); i++) {
        if (!reach[i])
            continue;
        *ret = i;
        found = true;
    }
    return found;
}

/* Backwards: reach[i] says that value[i..] can be what the units from here on match. */
static void retreat(const struct pattern_unit *unit, const char *value, size_t size, bool *reach, bool *next)
{
    memset(next, 0, size + 1);
    if (unit->kind == UNIT_STAR) {
        bool any = false;
        for (size_t i = size + 1; i-- > 0;)
            next[i] = any |= reach[i];
    } else {
        for (size_t i = 0; i < size; i++) {
            bool inside = (value[i] & 0xc0) == 0x80; /* no character starts here */
            size_t used = unit->kind != UNIT_ANY ? value[i] == unit->byte : inside ? 0 : character(value + i, size - i);
            next[i] = used > 0 && reach[i + used];
        }
    }
    memcpy(reach, next, size + 1);
}

bool expand_pattern_suffix(const struct expand_pattern *pattern, const char *value, size_t size, bool longest,
                           size_t *ret)
{
    CLEANUP_FREE bool *reach = xcalloc(size + 1, 1), *next = xcalloc(size + 1, 1);
    bool found = false;
    reach[size] = true;
    for (size_t i = pattern->count; i-- > 0;)
        retreat(&pattern->units[i], value, size, reach, next);
    for (size_t i = size + 1; i-- > 0 && (longest || !found);) {
        if (!reach[i])
            continue;
        *ret = i;
        found = true;
    }
    return found;
}
