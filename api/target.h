/*
 * The target of a request: "/v1.43/containers/a%2Fb/json?all=1&filters=%7B%7D". Pure and bounded.
 */
#ifndef DORY_API_TARGET_H
#define DORY_API_TARGET_H

#include <stddef.h>

#include "base/error.h"
#include "base/strv.h"

/* Parameters of one query string. */
#define TARGET_PARAMETERS_MAX 256

struct target {
    int version;        /* minor number of the "/v1.N" in front; -1 when there is none */
    char *path;         /* what follows, still escaped, always with a leading slash */
    struct strv names;  /* query parameters, decoded, in order */
    struct strv values; /* of the same count; "" where there is no "=" */
};

/*
 * Splits and checks the version against [minimum, maximum] (minor numbers of API version 1). ERROR_INVALID: too new,
 * too old (docker's texts), a bad escape, too many parameters. Released with target_release() also after a failure.
 */
int target_parse(const char *text, int minimum, int maximum, struct target *ret, struct error *err);
void target_release(struct target *target);

/* First value of that name, or NULL. */
const char *target_query(const struct target *target, const char *name);

/*
 * Compares a path with a pattern of literal segments, "{}" (one segment, not empty) and "{*}" (what is there up to the
 * literal rest of the pattern, slashes included, not empty). On a match the decoded values are added to `values` and 1
 * is returned; 0: no match; -EINVAL: a match, but with a bad escape or an embedded NUL.
 */
int target_match(const char *path, const char *pattern, struct strv *values);

#endif
