/* Questions on the terminal. */
#ifndef DORY_CMD_DORY_PROMPT_H
#define DORY_CMD_DORY_PROMPT_H

#include <stdbool.h>

/* Prints the text on standard output and reads a line of standard input without its end; NULL at the end of input. With
 * `secret` the terminal does not echo; it is put right again also when a signal ends the program. The caller frees. */
char *prompt(const char *text, bool secret);

#endif
