/* Random identifiers: 64 lower-case hexadecimal digits from getrandom(2). */
#ifndef DORY_BASE_ID_H
#define DORY_BASE_ID_H

#include <stdbool.h>
#include <stddef.h>

#define ID_SIZE 64
#define ID_SHORT_SIZE 12

/* Never all digits in its first 12 places, so that a short id cannot be taken for a number. */
void id_generate(char id[ID_SIZE + 1]);
/* `count` random bytes as 2*count hex digits plus NUL. */
void id_random_hex(char *out, size_t count);
bool id_is_hex(const char *s, size_t size);

#endif
