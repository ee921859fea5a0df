/*
 * .dockerignore: which paths of a build context stay behind. Patterns as docker documents them (moby's patternmatcher):
 * one a line, '#' in the first column is a comment, '!' makes an exception, '**' is any number of directories, '*', '?'
 * and [a-z] match within one name, backslash escapes; leading and trailing slashes do not matter; the last pattern that
 * matches decides, and what is inside a matched directory matches. Also the patterns of COPY --exclude. Pure and
 * bounded.
 */
#ifndef DORY_ARCHIVE_IGNORE_H
#define DORY_ARCHIVE_IGNORE_H

#include "base/error.h"
#include "base/strv.h"

#define IGNORE_SIZE_MAX (1 << 20)
#define IGNORE_PATTERNS_MAX 10000

struct ignore_pattern;
struct ignore {
    struct ignore_pattern *patterns;
    size_t count, capacity;
    bool has_exceptions;
};
void ignore_release(struct ignore *ignore);
#define CLEANUP_IGNORE CLEANUP(ignore_release)

/* Zero-initialised hides nothing. `text` is a file. Errors (ERROR_INVALID) name the pattern: `illegal exclusion
 * pattern: "!"`, `syntax error in pattern`. */
int ignore_parse(const char *text, size_t size, struct ignore *ret, struct error *err);
/* Adds one pattern, as it would be in a line. */
int ignore_add(struct ignore *ignore, const char *pattern, struct error *err);

/* Is it hidden? path: relative, '/' between names, without "./". Parents count: a/b is hidden by a. */
bool ignore_match(const struct ignore *ignore, const char *path);
/* Nothing beneath this hidden directory can be let in by an exception: need not be walked. */
bool ignore_prunes(const struct ignore *ignore, const char *directory);

/* Which file of a context to read for the Dockerfile `name`: candidates in order, "sub/x.Dockerfile.dockerignore" and
 * ".dockerignore", are added. */
void ignore_file_names(const char *dockerfile, struct strv *ret);

#endif
