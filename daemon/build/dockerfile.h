/*
 * The text of a Dockerfile as a list of instructions: parser directives, comments, continuation lines, heredocs, flags
 * and the two forms of arguments. Nothing is expanded and no instruction is understood here: see step.h. Pure and
 * bounded. The language is docker's reference, docs.docker.com/reference/dockerfile; error texts are BuildKit's where
 * scripts may look for them.
 */
#ifndef DORY_DAEMON_BUILD_DOCKERFILE_H
#define DORY_DAEMON_BUILD_DOCKERFILE_H

#include "base/error.h"
#include "base/strv.h"

#define DOCKERFILE_SIZE_MAX (4 << 20)
#define DOCKERFILE_INSTRUCTIONS_MAX 10000
#define DOCKERFILE_HEREDOCS_MAX 1000 /* of one instruction */
#define DOCKERFILE_FLAGS_MAX 1000    /* of one instruction */

enum instruction_kind {
    INSTRUCTION_ADD,
    INSTRUCTION_ARG,
    INSTRUCTION_CMD,
    INSTRUCTION_COPY,
    INSTRUCTION_ENTRYPOINT,
    INSTRUCTION_ENV,
    INSTRUCTION_EXPOSE,
    INSTRUCTION_FROM,
    INSTRUCTION_HEALTHCHECK,
    INSTRUCTION_LABEL,
    INSTRUCTION_MAINTAINER,
    INSTRUCTION_ONBUILD,
    INSTRUCTION_RUN,
    INSTRUCTION_SHELL,
    INSTRUCTION_STOPSIGNAL,
    INSTRUCTION_USER,
    INSTRUCTION_VOLUME,
    INSTRUCTION_WORKDIR,
    INSTRUCTION_KINDS,
};

/* How the arguments of a kind are cut into `words`. */
enum instruction_form {
    FORM_LINE,         /* the whole rest is one word */
    FORM_WORDS,        /* blanks separate words, whatever is around them */
    FORM_JSON_OR_LINE, /* ["a", "b"] or the whole rest as one word */
    FORM_JSON_OR_WORDS,
    FORM_PAIRS,        /* NAME=VALUE..., or NAME rest-of-line: words are name, value, name, value */
    FORM_QUOTED_WORDS, /* as FORM_WORDS, but blanks inside quotes do not separate: ARG */
    FORM_HEALTH,       /* the type, and what follows as FORM_JSON_OR_LINE */
    FORM_TRIGGER,      /* ONBUILD: another instruction */
};

struct heredoc {
    char *name;    /* what ended it, quotes taken off: the file's name */
    char *content; /* as it was written: each line with its newline */
    bool expand;   /* the name was not quoted: variables in the content are expanded (files of COPY and ADD) */
    bool chomp;    /* it was <<-: tabs in front of lines do not count, see heredoc_text */
    int line;      /* of its first line of content */
};

struct instruction_flag {
    char *name;  /* without the dashes */
    char *value; /* NULL: no '=' */
};

struct instruction {
    enum instruction_kind kind;
    char *name;                /* as it was written: "run" */
    int first_line, last_line; /* from 1; heredocs included */
    char *original; /* as progress shows it: continuation lines joined, without comments and heredocs' contents */
    char *rest;     /* what follows name and flags, joined, unexpanded; heredoc operators are in it */
    struct instruction_flag *flags; /* in their order, repeated ones too; names are known to the kind */
    size_t flag_count;
    bool empty_continuation; /* empty lines were among those that were joined */
    bool json;               /* `words` comes from a JSON list (only forms that have one) */
    bool legacy_pair;        /* ENV and LABEL: "NAME rest of the line" */
    struct strv words;
    struct heredoc *heredocs; /* ADD, COPY and RUN only */
    size_t heredoc_count;
    struct instruction *trigger; /* ONBUILD: the instruction behind it, else NULL */
};

struct dockerfile {
    char *name;   /* for messages: "Dockerfile" */
    char escape;  /* '\\' or '`' */
    char *syntax; /* directives' values; NULL: absent */
    char *check;
    struct strv lines; /* the text, line by line, for messages and checks */
    struct instruction *instructions;
    size_t count;
    struct strv warnings; /* "[WARNING]: Empty continuation line found in: ..." */
};

/*
 * Reads a whole Dockerfile. `name` is used in messages. An instruction that is not known, a flag that its kind does not
 * have, a heredoc or an argument that is missing are errors (ERROR_INVALID):
 *   dockerfile parse error on line 3: unknown instruction: RUNN (did you mean RUN?)
 * followed by the line itself. A text without instructions: "file with no instructions". On success the caller
 * releases.
 */
int dockerfile_parse(const char *name, const char *text, size_t size, struct dockerfile *ret, struct error *err);
void dockerfile_release(struct dockerfile *file);
#define CLEANUP_DOCKERFILE CLEANUP(dockerfile_release)

/* Lines of instructions outside of a Dockerfile (`commit --change`): no directives, no name. As dockerfile_parse else;
 * there may be none in it. */
int instructions_parse(const char *text, char escape, struct dockerfile *ret, struct error *err);
/*
 * One instruction by itself: a trigger of a base image (Config.OnBuild). The caller releases with
 * instruction_release. No heredocs' contents beyond the text itself.
 */
int instruction_parse(const char *text, char escape, struct instruction *ret, struct error *err);
void instruction_release(struct instruction *instruction);

/* The contents without the tabs that <<- ignores. The caller frees. */
char *heredoc_text(const struct heredoc *heredoc);
/* Is this word one of the instruction's heredoc operators ("<<EOF", "3<<-'x y'")? Which one, or NULL. */
const struct heredoc *instruction_heredoc(const struct instruction *instruction, const char *word);

/* The comment that is the line of this number, without '#' and blanks before its text; NULL: it is none. */
const char *dockerfile_comment(const struct dockerfile *file, int line);
/* "# NAME what it is for" among the comments right above the instruction, up to an empty one: what follows the name;
 * the first of them where there are several. NULL: there is none. Points into the file. */
const char *instruction_description(const struct dockerfile *file, const struct instruction *instruction,
                                    const char *name);

/* "RUN" */
const char *instruction_kind_name(enum instruction_kind kind);
/* In any case; INSTRUCTION_KINDS when there is none. */
enum instruction_kind instruction_kind_find(const char *name, size_t size);
/* The last value of a flag: NULL when it is absent, "" when it has no value. */
const char *instruction_flag(const struct instruction *instruction, const char *name);

/*
 * Puts where it happened around a message: "dockerfile parse error on line 3: MESSAGE", the name of the file and the
 * lines of the instruction, each with its number. Returns -err->errnum. `file` may be NULL (a trigger): only the
 * instruction is named.
 */
int instruction_error(const struct dockerfile *file, const struct instruction *instruction, struct error *err);

/* The one of `words` (NULL-terminated) that `text` was probably meant to be, or NULL: at most two changed, missing,
 * added or exchanged characters, fewer in short words. Case does not matter. */
const char *suggest_word(const char *text, const char *const *words);

#endif
