/* Points in time as nanoseconds since the Unix epoch, and their texts. */
#ifndef DORY_BASE_TIMESTAMP_H
#define DORY_BASE_TIMESTAMP_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/error.h"

/* Room for any text made here. */
#define TIMESTAMP_MAX 48
/* Docker prints the zero time so. */
#define TIMESTAMP_ZERO_TEXT "0001-01-01T00:00:00Z"

int64_t timestamp_now(void);       /* CLOCK_REALTIME */
int64_t timestamp_monotonic(void); /* CLOCK_MONOTONIC */
/* RFC 3339 in UTC with trailing zeros of the fraction dropped, as Go's RFC3339Nano; 0 gives TIMESTAMP_ZERO_TEXT. */
void timestamp_format(char buf[TIMESTAMP_MAX], int64_t ns);
/* RFC 3339 in UTC with exactly nine digits of fraction (log timestamps). */
void timestamp_format_fixed(char buf[TIMESTAMP_MAX], int64_t ns);
/* RFC 3339 with any offset and 0-9 digits of fraction. 0 or -EINVAL. */
int timestamp_parse(const char *s, int64_t *ret_ns);
/* What docker accepts for --since/--until: Unix seconds with optional fraction, RFC 3339 with parts missing (local time
 * zone when none is given), or a Go duration before now. 0 or -EINVAL. */
int timestamp_parse_human(const char *s, int64_t now_ns, int64_t *ret_ns);

#endif
