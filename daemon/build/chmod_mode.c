#include "daemon/build/chmod_mode.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static int invalid(const char *text, struct error *err)
{
    return error_set(err, ERROR_INVALID, EINVAL,
                     "invalid chmod parameter: '%s'. it should be octal string and between 0 and 07777, or symbolic as "
                     "u=rwX,go=rX",
                     text);
}

static mode_t who_bits(char c)
{
    switch (c) {
    case 'u':
        return S_IRWXU | S_ISUID;
    case 'g':
        return S_IRWXG | S_ISGID;
    case 'o':
        return S_IRWXO | S_ISVTX;
    default:
        return 07777;
    }
}

static bool permission(char c, mode_t *bits, bool *conditional)
{
    switch (c) {
    case 'r':
        *bits |= 0444;
        return true;
    case 'w':
        *bits |= 0222;
        return true;
    case 'x':
        *bits |= 0111;
        return true;
    case 'X':
        *conditional = true;
        return true;
    case 's':
        *bits |= S_ISUID | S_ISGID;
        return true;
    case 't':
        *bits |= S_ISVTX;
        return true;
    default:
        return false;
    }
}

/* One "ugo=rwx" or "u+x-w"; several operations may follow one who. NULL: malformed. */
static const char *take_clause(const char *p, struct chmod_mode *mode)
{
    mode_t who = 0;
    for (; *p != '\0' && strchr("ugoa", *p) != NULL; p++)
        who |= who_bits(*p);
    if (who == 0)
        who = 07777;
    if (*p == '\0' || strchr("+-=", *p) == NULL)
        return NULL;
    while (*p != '\0' && strchr("+-=", *p) != NULL) {
        if (mode->count >= CHMOD_CLAUSES_MAX)
            return NULL;
        __auto_type clause = &mode->clauses[mode->count++];
        *clause = (__typeof__(*clause)){.who = who, .operation = *p++};
        if (*p != '\0' && strchr("ugo", *p) != NULL)
            clause->copy = *p++;
        else
            while (permission(*p, &clause->bits, &clause->conditional))
                p++;
    }
    return p;
}

int chmod_mode_parse(const char *text, struct chmod_mode *ret, struct error *err)
{
    struct chmod_mode mode = {0};
    size_t size = strlen(text);
    if (size > 0 && text[strspn(text, "01234567")] == '\0') {
        for (const char *p = text; *p != '\0' && mode.mode <= 07777; p++)
            mode.mode = mode.mode * 8 + (mode_t)(*p - '0');
        mode.octal = true;
        if (mode.mode > 07777)
            return invalid(text, err);
        *ret = mode;
        return 0;
    }
    const char *p = take_clause(text, &mode);
    while (p != NULL && *p == ',')
        p = take_clause(p + 1, &mode);
    if (p == NULL || *p != '\0')
        return invalid(text, err);
    *ret = mode;
    return 0;
}

static mode_t copied(mode_t mode, char from)
{
    mode_t bits = from == 'u' ? mode >> 6 : from == 'g' ? mode >> 3 : mode;
    bits &= 7;
    return bits | bits << 3 | bits << 6;
}

mode_t chmod_mode_apply(const struct chmod_mode *how, mode_t mode)
{
    mode_t now = mode & 07777;
    if (how->octal)
        return how->mode;
    for (size_t i = 0; i < how->count; i++) {
        __auto_type clause = &how->clauses[i];
        mode_t bits = clause->copy != '\0' ? copied(now, clause->copy) : clause->bits;
        if (clause->conditional && (S_ISDIR(mode) || (now & 0111) != 0))
            bits |= 0111;
        bits &= clause->who;
        if (clause->operation == '+')
            now |= bits;
        else if (clause->operation == '-')
            now &= ~bits;
        else
            now = (now & ~(clause->who & (clause->who == 07777 ? 07777 : ~(mode_t)S_ISVTX))) | bits;
    }
    return now;
}
