/*
 * Strict, bounded parsing of small values that come from users. Whole string or error: no leading blanks, no trailing
 * rest. Outputs are untouched on failure. No message is made here: the caller knows the name of the thing.
 */
#ifndef DORY_BASE_PARSE_H
#define DORY_BASE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decimal, optional sign where signed. -EINVAL on anything else, -ERANGE out of [min, max]. */
int parse_int64(const char *s, int64_t min, int64_t max, int64_t *ret);
int parse_uint64(const char *s, uint64_t max, uint64_t *ret);
/* As Go's strconv.ParseBool: 1 t T TRUE true True 0 f F FALSE false False. */
int parse_bool(const char *s, bool *ret);
/* Docker's sizes (go-units RAMInBytes): decimal number, fraction allowed, suffix b k m g t p in either case with
 * optional i and b ("1.5g", "64MiB", "1024"); binary multiples. -1 alone is accepted when allow_minus_one. */
int parse_size(const char *s, bool allow_minus_one, int64_t *ret_bytes);
/* Go's time.ParseDuration ("1h2m3.5s", "300ms"); nanoseconds. */
int parse_duration(const char *s, int64_t *ret_ns);
/* docker's --cpus: decimal with up to 9 places, in billionths of a cpu. */
int parse_nano_cpus(const char *s, int64_t *ret_nano);

/* 0 to 15; -1: it is no hexadecimal digit. */
int parse_hex_digit(char c);
/* Decodes %XX (RFC 3986; with plus_is_space "+" as well, as in queries) of n bytes. NULL on a bad escape or %00. The
 * caller frees. */
char *parse_escapes(const char *text, size_t n, bool plus_is_space);

#endif
