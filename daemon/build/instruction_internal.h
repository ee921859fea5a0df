/* What the files that read a Dockerfile's text share. Private to daemon/build/. */
#ifndef DORY_DAEMON_BUILD_INSTRUCTION_INTERNAL_H
#define DORY_DAEMON_BUILD_INSTRUCTION_INTERNAL_H

#include "base/strbuf.h"
#include "daemon/build/dockerfile.h"

#define INSTRUCTION_BLANKS " \t\v\f\r"

struct instruction_kind_row {
    const char *name;
    enum instruction_form form;
    const char *const *flags; /* NULL-terminated */
    bool heredocs;
};
extern const struct instruction_kind_row instruction_kinds[INSTRUCTION_KINDS];

/* One instruction from its joined line; heredoc operators become entries without contents. */
int instruction_from_line(const char *line, char escape, struct instruction *ret, struct error *err);
/* Cuts instruction->rest into words, after the form of its kind. */
int instruction_cut(struct instruction *instruction, char escape, struct error *err);
/* Adds the operators in a line's words ("<<EOF") to the instruction. */
int instruction_find_heredocs(struct instruction *instruction, struct error *err);
/* "<<-'EOF'" as a whole word; false: it is none. */
bool heredoc_parse(const char *word, struct heredoc *ret);
void heredoc_release(struct heredoc *heredoc);
/* The trimmed text between two places. */
char *trimmed(const char *start, size_t size);

#endif
