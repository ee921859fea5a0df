/*
 * Words of a Dockerfile as a shell would read them: quotes and escapes taken off, variables put in. $NAME, ${NAME} and
 * ${NAME} with :- - :+ + :? ? # ## % %% / // as docker's reference documents them; words inside may hold variables
 * again. Pure; depth and size of the result are bounded.
 */
#ifndef DORY_DAEMON_BUILD_EXPAND_H
#define DORY_DAEMON_BUILD_EXPAND_H

#include "base/error.h"
#include "base/strbuf.h"
#include "base/strv.h"

#define EXPAND_DEPTH_MAX 32
#define EXPAND_SIZE_MAX (8 << 20)

struct expand_options {
    /* The value, or NULL when the variable is not set. */
    const char *(*lookup)(const char *name, void *data);
    void *data;
    char escape;        /* '\\' or '`'; 0 is '\\' */
    bool keep_quotes;   /* quotes stay in the result (what is only shown) */
    bool keep_escapes;  /* escapes stay too: texts that are read again */
    bool keep_unset;    /* variables that are not set stay as they are written */
    bool heredoc;       /* quotes are characters like any other */
    struct strv *unset; /* names that were looked up in vain and had no default are added; may be NULL */
};

/* The whole text is one word, blanks included (ENV's and LABEL's values, ARG, USER, WORKDIR, flags). The caller frees
 * *ret. "failed to process \"${a\": syntax error: missing '}'" and the like (ERROR_INVALID). */
int expand_word(const char *text, const struct expand_options *options, char **ret, struct error *err);
/* As a shell splits: blanks outside quotes separate, also those that come from variables (EXPOSE). Words are added to
 * *ret. */
int expand_words(const char *text, const struct expand_options *options, struct strv *ret, struct error *err);

#endif
