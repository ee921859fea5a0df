/* --help in docker's layout, from the tables. */
#ifndef DORY_CMD_DORY_HELP_H
#define DORY_CMD_DORY_HELP_H

#include <stdio.h>

#include "cmd/dory/command_names.h"

/* Columns of the terminal on standard output; 80 without one. */
int help_width(void);
/* `dory --help`, `dory container --help`, `dory ps --help`; match says under which of its names the command was called.
 */
void help_program(FILE *out, const struct cli *cli); /* with the plugins that are there */
void help_group(FILE *out, const char *program, const struct command_group *group);
void help_command(FILE *out, const char *program, const struct command_match *match);
/* "dory ps [OPTIONS]", every form on a line of its own behind the first one. */
void help_usage(FILE *out, const char *program, const struct command_match *match);

#endif
