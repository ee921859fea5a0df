/*
 * Filters as BuildKit's clients give them for the cache and for the history (github.com/containerd/containerd,
 * pkg/filters): each text is terms with commas between that all must hold, and one text that holds is enough. A term is
 * a field alone (it is there), or a field, an operator and a value: == (or =), !=, ~= (has it as a part), and for times
 * and durations <, <=, >, >=. Commas in double quotes are of the value; a quote in quotes is doubled or has a backslash
 * before it. Of regular expressions ~= takes those that are plain text; a time is RFC 3339 or a duration before now.
 *
 * Pure. Private to api/buildkit/.
 */
#ifndef DORY_API_BUILDKIT_FILTER_H
#define DORY_API_BUILDKIT_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define FILTER_TERMS_MAX 256

enum filter_kind { FILTER_TEXT, FILTER_FLAG, FILTER_TIME, FILTER_DURATION };
struct filter_field {
    const char *name; /* NULL ends a table */
    enum filter_kind kind;
};

struct filter {
    const struct filter_field *fields;
    struct filter_term *terms;
    size_t count, capacity;
};

/* now_ns: what durations count back from. What cannot be read is ERROR_INVALID and names the text. filter_release() in
 * every case. fields stay the caller's. */
int filter_parse(char *const *texts, size_t count, const struct filter_field *fields, int64_t now_ns,
                 struct filter *ret, struct error *err);
void filter_release(struct filter *filter);
#define CLEANUP_FILTER CLEANUP(filter_release)

struct filter_value {
    const char *text; /* NULL or "": not there */
    bool flag;
    int64_t ns; /* 0: not there */
};
/* The value of fields[i]; ret is zeroed before. */
typedef void (*filter_get)(const void *record, size_t i, struct filter_value *ret);
/* A filter without texts lets everything through. */
bool filter_match(const struct filter *filter, filter_get get, const void *record);

#endif
