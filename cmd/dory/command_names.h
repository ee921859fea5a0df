/* Looking names up in the table of commands. A command has several full names ("ps", "container ls", "container list");
 * in each group, and outside of groups, the first one is what it is called there. */
#ifndef DORY_CMD_DORY_COMMAND_NAMES_H
#define DORY_CMD_DORY_COMMAND_NAMES_H

#include "base/strbuf.h"
#include "cmd/dory/command.h"

/* All names: those of groups first, then the plain one, as docker lists aliases. */
void command_names(const struct command *command, struct strv *names);
/* Its name in the group (NULL: outside of groups), with the group's word; false when it has none there. */
bool command_name_in(const struct command *command, const struct command_group *group, struct strbuf *ret);
const struct command_group *command_group_find(const char *word);

struct command_match {
    const struct command *command;     /* NULL: only the group, or nothing */
    const struct command_group *group; /* NULL: outside of groups */
    int words;                         /* how many of the words the name took, with the group's flags */
};
/* Finds what words[0..count) begin with. */
void command_find(char *const *words, size_t count, struct command_match *ret);

#endif
