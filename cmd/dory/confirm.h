/* Questions before something is removed. */
#ifndef DORY_CMD_DORY_CONFIRM_H
#define DORY_CMD_DORY_CONFIRM_H

#include <stdbool.h>

/* Prints the text and " Are you sure you want to continue? [y/N] " behind it (on a line of its own after a newline in
 * the text), and reads a line of standard input: true for "y". */
bool confirm(const char *text);

#endif
