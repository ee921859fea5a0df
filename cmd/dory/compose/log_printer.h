/*
 * What containers say, line by line on standard output, each line behind the name of its container: padded to the
 * longest name, and coloured on a terminal. `logs` and an attached `up` print through it.
 */
#ifndef DORY_CMD_DORY_COMPOSE_LOG_PRINTER_H
#define DORY_CMD_DORY_COMPOSE_LOG_PRINTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "cmd/dory/compose/compose.h"

struct log_printer;

struct log_printer_options {
    bool no_colour, no_prefix; /* --no-color, --no-log-prefix */
    bool timestamps;           /* put in front of each line here, for lines that do not come from a log */
};

/* Colours are used as --ansi says, and NO_COLOR. Never fails. */
struct log_printer *log_printer_new(const struct compose_options *options, const struct log_printer_options *own);
void log_printer_free(struct log_printer *printer); /* NULL is fine */

/* Names are coloured in the order in which they come; all prefixes from here on are as wide as the longest. The same
 * name gives the same number. */
size_t log_printer_source(struct log_printer *printer, const char *name);
/* One line without its newline. Standard output is flushed by the caller. */
void log_printer_line(struct log_printer *printer, size_t source, const char *line, size_t size);
/* The same on another stream (stderr), which is flushed at once. */
void log_printer_line_to(struct log_printer *printer, FILE *out, size_t source, const char *line, size_t size);
/* A sentence about the container: "web-1 exited with code 0". */
void log_printer_status(struct log_printer *printer, size_t source, const char *text);

#endif
