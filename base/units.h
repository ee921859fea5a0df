/* How docker prints sizes and times for people (go-units). Results are written into the caller's buffer. */
#ifndef DORY_BASE_UNITS_H
#define DORY_BASE_UNITS_H

#include <stddef.h>
#include <stdint.h>

/* "1.23MB": decimal units, three significant digits before trailing zeros are dropped (units.HumanSize, "%.4g"). */
void units_size(char *buf, size_t size, double bytes);
/* The same with three significant digits ("%.3g"), as image lists print. */
void units_size_precision(char *buf, size_t size, double bytes, int precision);
/* "1.5MiB": binary units (units.BytesSize). */
void units_bytes_size(char *buf, size_t size, double bytes);
/* "Less than a second", "5 seconds", "About a minute", "3 weeks"... (units.HumanDuration). */
void units_duration(char *buf, size_t size, int64_t seconds);

/* "1m30s", "1.5s", "250ms", "0s": Go's time.Duration.String(). ns >= 0. */
#define UNITS_GO_DURATION_MAX 32
void units_go_duration(char *buf, size_t size, int64_t ns);

#endif
