/* Modes as chmod(1) takes them: octal, or symbolic (u=rwX,go=rX), without the umask. Pure. */
#ifndef DORY_DAEMON_BUILD_CHMOD_MODE_H
#define DORY_DAEMON_BUILD_CHMOD_MODE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

#define CHMOD_CLAUSES_MAX 32

struct chmod_mode {
    bool octal;
    mode_t mode; /* octal */
    struct {
        mode_t who; /* bits that the clause may change: S_IRWXU | S_ISUID... */
        char operation;
        mode_t bits;      /* of all three classes */
        bool conditional; /* X */
        char copy;        /* 'u', 'g' or 'o': the bits of that class; 0 */
    } clauses[CHMOD_CLAUSES_MAX];
    size_t count;
};

/* "invalid chmod parameter: '%s'. it should be octal string and between 0 and 07777" */
int chmod_mode_parse(const char *text, struct chmod_mode *ret, struct error *err);
/* The new permission bits (07777) of something that has `mode` (st_mode, with its type). */
mode_t chmod_mode_apply(const struct chmod_mode *how, mode_t mode);

#endif
