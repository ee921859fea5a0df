/* Patterns of ${x#p} ${x%p} ${x/p/r}: '*' any text, '?' one character, backslash before '*', '?', '\\', '}' and '/'.
 * Pure; time is the product of both lengths. Private to expand.c. */
#ifndef DORY_DAEMON_BUILD_EXPAND_PATTERN_H
#define DORY_DAEMON_BUILD_EXPAND_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/memory.h"

#define EXPAND_PATTERN_MAX 4096

struct expand_pattern {
    struct pattern_unit *units;
    size_t count;
};

/* "invalid pattern (a\\b) in substitution: invalid escape '\\b'" */
int expand_pattern_compile(const char *text, struct expand_pattern *ret, struct error *err);
void expand_pattern_release(struct expand_pattern *pattern);
#define CLEANUP_EXPAND_PATTERN CLEANUP(expand_pattern_release)

/* How much of the front of value matches: the least or the most. False: nothing does. */
bool expand_pattern_prefix(const struct expand_pattern *pattern, const char *value, size_t size, bool longest,
                           size_t *ret);
/* Where the shortest or longest end that matches starts. */
bool expand_pattern_suffix(const struct expand_pattern *pattern, const char *value, size_t size, bool longest,
                           size_t *ret);

#endif
