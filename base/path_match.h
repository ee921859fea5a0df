/*
 * Wildcards of paths as Go's filepath.Match reads them: '*' and '?' within one name, [a-z] and [^a-z], backslash
 * escapes. Pure; time is at worst the product of both lengths.
 */
#ifndef DORY_BASE_PATH_MATCH_H
#define DORY_BASE_PATH_MATCH_H

#include <stdbool.h>

/* Does the whole of `path` match? -EINVAL: the pattern is malformed (found whether or not it would have matched). */
int path_match(const char *pattern, const char *path, bool *ret);
/* There is a '*', '?' or '[' that is not escaped. */
bool path_is_pattern(const char *text);
/* Go's path.Clean: no "//", "." and "..", no '/' at the end; "" is ".". The caller frees. */
char *path_clean(const char *path);

#endif
