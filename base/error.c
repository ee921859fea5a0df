#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

static int natural_errno(enum error_kind kind)
{
    switch (kind) {
    case ERROR_INVALID:
        return EINVAL;
    case ERROR_UNAUTHORIZED:
        return EACCES;
    case ERROR_FORBIDDEN:
        return EPERM;
    case ERROR_NOT_FOUND:
        return ENOENT;
    case ERROR_CONFLICT:
        return EEXIST;
    case ERROR_NOT_MODIFIED:
        return EALREADY;
    case ERROR_NOT_IMPLEMENTED:
        return ENOSYS;
    case ERROR_UNAVAILABLE:
        return EHOSTUNREACH;
    case ERROR_CANCELLED:
        return ECANCELED;
    case ERROR_NONE:
    case ERROR_SYSTEM:
        break;
    }
    return EIO;
}

/* Appends to message at *used, cutting at the end of the room. */
static void append(char *message, size_t *used, const char *text)
{
    size_t room = sizeof((struct error *)NULL)->message - 1 - *used;
    size_t size = strlen(text);
    if (size > room)
        size = utf8_cut(text, room);
    memcpy(message + *used, text, size);
    *used += size;
    message[*used] = '\0';
}

/* The arguments may be parts of err->message itself, so every message is composed beside it. */
static void compose(struct error *err, const char *separator, const char *tail, const char *format, va_list args)
{
    char message[sizeof err->message];
    /* One more byte than is kept shows utf8_cut() where the character at the edge goes on. */
    char head[sizeof err->message + 1];
    size_t used = 0;
    if (vsnprintf(head, sizeof head, format, args) < 0)
        head[0] = '\0';
    append(message, &used, head);
    append(message, &used, separator);
    append(message, &used, tail);
    memcpy(err->message, message, used + 1);
}

int error_set(struct error *err, enum error_kind kind, int errnum, const char *format, ...)
{
    if (errnum < 0)
        errnum = -errnum;
    if (errnum == 0)
        errnum = natural_errno(kind);
    if (err) {
        va_list args;
        va_start(args, format);
        compose(err, "", "", format, args);
        va_end(args);
        err->kind = kind;
        err->errnum = errnum;
    }
    return -errnum;
}

int error_errno(struct error *err, int errnum, const char *format, ...)
{
    if (errnum < 0)
        errnum = -errnum;
    if (errnum == 0)
        errnum = EIO;
    if (err) {
        char unknown[32];
        const char *text = strerrordesc_np(errnum);
        if (!text) {
            snprintf(unknown, sizeof unknown, "Unknown error %d", errnum);
            text = unknown;
        }
        va_list args;
        va_start(args, format);
        compose(err, ": ", text, format, args);
        va_end(args);
        err->kind = ERROR_SYSTEM;
        err->errnum = errnum;
    }
    return -errnum;
}

int error_context(struct error *err, const char *format, ...)
{
    if (!err || err->kind == ERROR_NONE)
        return -EIO;
    va_list args;
    va_start(args, format);
    compose(err, ": ", err->message, format, args);
    va_end(args);
    return -err->errnum;
}

int error_propagate(struct error *to, const struct error *from)
{
    if (to && to != from) {
        to->kind = from->kind;
        to->errnum = from->errnum;
        /* Not the whole structure: most messages are short. */
        memcpy(to->message, from->message, strnlen(from->message, sizeof from->message - 1) + 1);
        to->message[sizeof to->message - 1] = '\0';
    }
    return -from->errnum;
}

void error_clear(struct error *err)
{
    if (!err)
        return;
    err->kind = ERROR_NONE;
    err->errnum = 0;
    err->message[0] = '\0';
}
