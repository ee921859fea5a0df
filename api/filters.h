/* The `filters` parameter of list and prune requests. Pure and bounded. */
#ifndef DORY_API_FILTERS_H
#define DORY_API_FILTERS_H

#include "base/json.h"

/*
 * Both forms, {"name":["a","b"]} and {"name":{"a":true,"b":true}} (entries that are false are left out), become the
 * first. text NULL or "" gives NULL in *ret: no filters. A name that is not in known_names (NULL-terminated; NULL: any)
 * is docker's "invalid filter 'x'". *ret is the caller's (json_free).
 */
int filters_normalise(const char *text, const char *const *known_names, struct json **ret, struct error *err);

#endif
