/* Numbers as Go's templates write them, and as Go prints them. Pure. */
#ifndef DORY_CMD_DORY_TEMPLATE_NUMBER_H
#define DORY_CMD_DORY_TEMPLATE_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"

/* A constant: decimal, 0x, 0o, 0b, with underscores, or floating point. *ret_real tells which value was set. 0,
 * -ERANGE (an integer beyond 64 bits) or -EINVAL. */
int number_parse(const char *text, bool *ret_real, int64_t *ret_integer, double *ret_floating);
/* 'a', with its quotes. */
int number_parse_character(const char *text, int64_t *ret);
/* %v of a float64: the shortest digits that read back the same, exponents as Go writes them. */
void number_print(double value, struct strbuf *out);

#endif
