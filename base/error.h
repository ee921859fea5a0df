/*
 * Errors as values. A function that can fail returns 0 or -errno and describes the failure in its last parameter, a
 * `struct error` owned by the caller. Whoever has something to add puts it in front with error_context(); nobody
 * prints. The message names the object and the cause, in docker's words where docker has words for it.
 */
#ifndef DORY_BASE_ERROR_H
#define DORY_BASE_ERROR_H

#include <stdarg.h>

/* What kind of failure it is for a client: the API maps each to one HTTP status (in brackets). */
enum error_kind {
    ERROR_NONE = 0,
    ERROR_SYSTEM,          /* the kernel or the disk said no (500) */
    ERROR_INVALID,         /* the request is malformed (400) */
    ERROR_UNAUTHORIZED,    /* credentials missing or refused (401) */
    ERROR_FORBIDDEN,       /* understood and refused (403) */
    ERROR_NOT_FOUND,       /* no such object (404) */
    ERROR_CONFLICT,        /* in use, exists already, wrong state (409) */
    ERROR_NOT_MODIFIED,    /* already so (304) */
    ERROR_NOT_IMPLEMENTED, /* dory cannot do this (501) */
    ERROR_UNAVAILABLE,     /* not now: registry gone, swarm asked of a node without it (503) */
    ERROR_CANCELLED,       /* the client went away */
};

/* Zero-initialised is "no error". Plain storage: nothing to release. */
struct error {
    enum error_kind kind;
    int errnum; /* positive errno value */
    char message[2000];
};

/*
 * Fill `err` (which may be NULL) and return -errnum, so that `return error_set(...)` is the whole failure path.
 * errnum 0 picks the natural errno of the kind (NOT_FOUND: ENOENT, INVALID: EINVAL, CONFLICT: EEXIST, ...). A message
 * that is too long is cut at the end.
 */
int error_set(struct error *err, enum error_kind kind, int errnum, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* ERROR_SYSTEM with ": strerror(errnum)" appended. errnum may be given positive or negative. Returns -|errnum|. */
int error_errno(struct error *err, int errnum, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts "format: " in front of the message. Returns -err->errnum (-EIO if err is NULL or empty). */
int error_context(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Copies `from` to `to` when `to` is not NULL. Returns -from->errnum. */
int error_propagate(struct error *to, const struct error *from);

/* Back to "no error". */
void error_clear(struct error *err);

#endif
