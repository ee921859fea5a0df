/* Names for containers that were given none: "adjective_surname" of people who built computing and networks. */
#ifndef DORY_DAEMON_NAMES_H
#define DORY_DAEMON_NAMES_H

#include <stdbool.h>

/* A random name; with retry > 0 a digit is appended, so that a caller who finds names taken gets out. The caller frees.
 */
char *name_generate(unsigned retry);
/* [a-zA-Z0-9][a-zA-Z0-9_.-]+ */
bool name_is_valid(const char *name);

#endif
