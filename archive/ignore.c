#include "archive/ignore.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/path_match.h"
#include "base/utf8.h"

/*
 * A pattern is a list of tokens that a path is run through one character at a time, with the set of places in the list
 * where one could be (no backtracking: time is the product of both lengths).
 */
enum token_kind {
    TOKEN_BYTE,
    TOKEN_UNIT, /* '?' or [class]: one character that is no slash */
    TOKEN_STAR, /* any number of them */
    TOKEN_DIRS, /* "**" and a slash: nothing, or anything that ends in a slash */
    TOKEN_REST, /* "**" at an end: anything */
};

struct ignore_token {
    enum token_kind kind;
    char byte;
    char *unit; /* TOKEN_UNIT: as path_match takes it */
};

struct ignore_pattern {
    bool exception;
    struct ignore_token *tokens;
    size_t count, capacity;
};

#define PATTERN_MAX 4096 /* bytes, and tokens */

static void pattern_release(struct ignore_pattern *pattern)
{
    for (size_t i = 0; i < pattern->count; i++)
        free(pattern->tokens[i].unit);
    free(pattern->tokens);
}

void ignore_release(struct ignore *ignore)
{
    for (size_t i = 0; i < ignore->count; i++)
        pattern_release(&ignore->patterns[i]);
    free(ignore->patterns);
    *ignore = (struct ignore){0};
}

/* ---- reading patterns ---- */

static void add_token(struct ignore_pattern *pattern, enum token_kind kind, char byte, char *unit)
{
    xgrow((void **)&pattern->tokens, pattern->count, &pattern->capacity, sizeof(*pattern->tokens));
    pattern->tokens[pattern->count++] = (struct ignore_token){.kind = kind, .byte = byte, .unit = unit};
}

/* p: at the '['; the pattern is known to be well formed. */
static const char *class_end(const char *p)
{
    for (p += p[1] == '^' ? 2 : 1; *p != ']' && *p != '\0'; p++)
        if (*p == '\\' && p[1] != '\0')
            p++;
    return *p == ']' ? p + 1 : p;
}

/* A "**" at the very front without a slash behind it means any end ("**.go") if nothing else is special in the pattern.
 */
static bool is_suffix(const char *text)
{
    return strncmp(text, "**", 2) == 0 && text[2] != '/' && text[2] != '\0' && strpbrk(text + 2, "*?[]\\") == NULL;
}

static void compile(const char *text, struct ignore_pattern *pattern)
{
    const char *p = text;
    if (is_suffix(text)) {
        add_token(pattern, TOKEN_REST, 0, NULL);
        p += 2;
    }
    while (*p != '\0') {
        if (strncmp(p, "**", 2) == 0) {
            p += 2;
            p += *p == '/';
            add_token(pattern, *p == '\0' ? TOKEN_REST : TOKEN_DIRS, 0, NULL);
        } else if (*p == '*') {
            add_token(pattern, TOKEN_STAR, 0, NULL);
            p++;
        } else if (*p == '?' || *p == '[') {
            const char *end = *p == '?' ? p + 1 : class_end(p);
            add_token(pattern, TOKEN_UNIT, 0, xstrndup(p, (size_t)(end - p)));
            p = end;
        } else {
            p += *p == '\\' && p[1] != '\0';
            add_token(pattern, TOKEN_BYTE, *p++, NULL);
        }
    }
}

static char *trimmed(const char *start, size_t size)
{
    while (size > 0 && isspace((unsigned char)*start)) {
        start++;
        size--;
    }
    while (size > 0 && isspace((unsigned char)start[size - 1]))
        size--;
    return xstrndup(start, size);
}

int ignore_add(struct ignore *ignore, const char *text, struct error *err)
{
    CLEANUP_FREE char *line = trimmed(text, strlen(text));
    bool exception = *line == '!', matched;
    CLEANUP_FREE char *rest = trimmed(line + exception, strlen(line + exception));
    if (*line == '\0')
        return 0;
    if (*rest == '\0')
        return error_set(err, ERROR_INVALID, EINVAL, "illegal exclusion pattern: \"!\"");
    if (strlen(rest) > PATTERN_MAX || ignore->count >= IGNORE_PATTERNS_MAX)
        return error_set(err, ERROR_INVALID, E2BIG, "more than %d patterns, or one longer than %d bytes",
                         IGNORE_PATTERNS_MAX, PATTERN_MAX);
    CLEANUP_FREE char *clean = path_clean(rest);
    const char *relative = clean[0] == '/' && clean[1] != '\0' ? clean + 1 : clean;
    if (path_match(relative, ".", &matched) < 0)
        return error_set(err, ERROR_INVALID, EINVAL, "syntax error in pattern: \"%s\"", rest);
    struct ignore_pattern pattern = {.exception = exception};
    compile(relative, &pattern);
    xgrow((void **)&ignore->patterns, ignore->count, &ignore->capacity, sizeof(pattern));
    ignore->patterns[ignore->count++] = pattern;
    ignore->has_exceptions |= exception;
    return 0;
}

int ignore_parse(const char *text, size_t size, struct ignore *ret, struct error *err)
{
    struct ignore ignore = {0};
    int r = 0;
    if (size > IGNORE_SIZE_MAX)
        return error_set(err, ERROR_INVALID, EFBIG, "larger than %d bytes", IGNORE_SIZE_MAX);
    if (memchr(text, '\0', size) != NULL)
        return error_set(err, ERROR_INVALID, EINVAL, "has a NUL in it");
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        size -= 3;
    }
    while (r == 0 && size > 0) {
        const char *end = memchr(text, '\n', size);
        size_t length = end != NULL ? (size_t)(end - text) : size;
        CLEANUP_FREE char *line = xstrndup(text, length);
        if (*line != '#')
            r = ignore_add(&ignore, line, err);
        text += length + (end != NULL);
        size -= length + (end != NULL);
    }
    if (r < 0)
        ignore_release(&ignore);
    else
        *ret = ignore;
    return r;
}

/* ---- matching ---- */

enum { AT = 1, INSIDE = 2 }; /* before the token; within what a "**" stands for */

/* Where one is, too, without taking a character. */
static void spread(const struct ignore_pattern *p, unsigned char *states)
{
    for (size_t i = 0; i < p->count; i++)
        if ((states[i] & AT) != 0 && p->tokens[i].kind >= TOKEN_STAR)
            states[i + 1] |= AT;
}

/* Takes one character (its bytes: s, size). */
static void step(const struct ignore_pattern *p, const char *s, size_t size, const unsigned char *states,
                 unsigned char *next)
{
    bool matched, slash = *s == '/';
    char c[5] = "";
    memcpy(c, s, size);
    memset(next, 0, p->count + 1);
    for (size_t i = 0; i < p->count; i++) {
        const struct ignore_token *token = &p->tokens[i];
        if (states[i] == 0)
            continue;
        if (token->kind == TOKEN_UNIT && !slash && path_match(token->unit, c, &matched) == 0 && matched)
            next[i + 1] |= AT;
        if (token->kind == TOKEN_REST || (token->kind == TOKEN_STAR && !slash))
            next[i] |= AT;
        if (token->kind == TOKEN_DIRS) {
            next[i] |= INSIDE;
            next[i + 1] |= slash ? AT : 0;
        }
    }
    /* a byte of the pattern, or the rest of a character of several bytes */
    for (size_t i = 0; i + size <= p->count; i++) {
        size_t same = 0;
        while ((states[i] & AT) != 0 && same < size && p->tokens[i + same].kind == TOKEN_BYTE &&
               p->tokens[i + same].byte == s[same])
            same++;
        if (same == size)
            next[i + size] |= AT;
    }
    spread(p, next);
}

/* Does the pattern match the path or one of its parents? *ret_open (may be NULL): something beneath the path could
 * match. */
static bool match_pattern(const struct ignore_pattern *p, const char *path, bool *ret_open)
{
    CLEANUP_FREE unsigned char *states = xcalloc(p->count + 1, 1), *next = xcalloc(p->count + 1, 1);
    bool open = false;
    states[0] = AT;
    spread(p, states);
    for (const char *s = path; *s != '\0';) {
        size_t size = utf8_sequence(s, strlen(s));
        if (size == 0)
            size = 1;
        if (*s == '/' && (states[p->count] & AT) != 0)
            return true;
        step(p, s, size, states, next);
        memcpy(states, next, p->count + 1);
        s += size;
    }
    if ((states[p->count] & AT) != 0)
        return true;
    step(p, "/", 1, states, next);
    for (size_t i = 0; i <= p->count; i++)
        open |= next[i] != 0;
    if (ret_open != NULL)
        *ret_open = open;
    return false;
}

bool ignore_match(const struct ignore *ignore, const char *path)
{
    bool hidden = false;
    if (*path == '\0' || strcmp(path, ".") == 0)
        return false;
    for (size_t i = 0; i < ignore->count; i++)
        if (ignore->patterns[i].exception == hidden && match_pattern(&ignore->patterns[i], path, NULL))
            hidden = !ignore->patterns[i].exception;
    return hidden;
}

bool ignore_prunes(const struct ignore *ignore, const char *directory)
{
    if (!ignore_match(ignore, directory))
        return false;
    for (size_t i = 0; i < ignore->count; i++) {
        bool open = false;
        if (ignore->patterns[i].exception && (match_pattern(&ignore->patterns[i], directory, &open) || open))
            return false;
    }
    return true;
}

void ignore_file_names(const char *dockerfile, struct strv *ret)
{
    strv_addf(ret, "%s.dockerignore", dockerfile);
    strv_add(ret, ".dockerignore");
}
