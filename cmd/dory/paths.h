/* Paths as texts, by the rules of Go's path/filepath and docker's cp: a trailing slash or dot means something. Pure. */
#ifndef DORY_CMD_DORY_PATHS_H
#define DORY_CMD_DORY_PATHS_H

#include <stdbool.h>

#include "base/path_match.h"

/* filepath.Dir of the cleaned path: "." when it has none. The caller frees, as everywhere here. */
char *path_directory(const char *path);
/* filepath.Base: the last component; "." of nothing, "/" of the root. */
char *path_base(const char *path);
/* Joined and cleaned. */
char *path_join(const char *directory, const char *name);

/* "x/": says that x is a directory. */
bool path_has_trailing_slash(const char *path);
/* "x/.": means the contents of x. */
bool path_is_contents(const char *path);
/* Either of the two. */
bool path_asserts_directory(const char *path);
/* `clean` with the slash or dot that `original` had at its end. */
char *path_keep_ending(const char *clean, const char *original);
/* Directory and last component, where "x/." is "." in x. */
void path_split(const char *path, char **ret_directory, char **ret_base);

#endif
