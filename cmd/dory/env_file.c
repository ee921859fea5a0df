#include "cmd/dory/env_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/error_words.h"
#include "base/file.h"
#include "base/strbuf.h"
#include "base/utf8.h"

#define FILE_MAX (16 << 20)
#define LINE_MAX_BYTES (64 << 10)

/* Go's notion of white space, as far as it is one or two bytes; 0 when the text starts with none. */
static size_t blank_size(const char *p)
{
    if (*p && strchr(" \t\n\v\f\r", *p))
        return 1;
    return p[0] == '\xc2' && (p[1] == '\x85' || p[1] == '\xa0') ? 2 : 0;
}

static int check_text(const char *line, size_t size, size_t number, struct error *err)
{
    CLEANUP_STRBUF struct strbuf bytes = STRBUF_INIT;
    if (size >= LINE_MAX_BYTES)
        return error_set(err, ERROR_INVALID, 0, "bufio.Scanner: token too long");
    for (size_t i = 0, n; i < size; i += n) {
        n = utf8_sequence(line + i, size - i);
        if (n > 0 && line[i] != '\0')
            continue;
        for (size_t k = 0; k < size; k++)
            strbuf_addf(&bytes, k == 0 ? "%u" : " %u", (unsigned char)line[k]);
        return error_set(err, ERROR_INVALID, 0, "invalid utf8 bytes at line %zu: [%s]", number, strbuf_str(&bytes));
    }
    return 0;
}

static int read_line(const char *line, bool environment, struct strv *env, struct error *err)
{
    const char *p = line;
    for (size_t n; (n = blank_size(p)) > 0;)
        p += n;
    if (!*p || *p == '#')
        return 0;
    size_t name = strcspn(p, "=");
    if (name == 0)
        return error_set(err, ERROR_INVALID, 0, "no variable name on line '%s'", p);
    if (strcspn(p, " \t") < name)
        return error_set(err, ERROR_INVALID, 0, "variable '%.*s' contains whitespaces", (int)name, p);
    const char *value = environment && !p[name] ? getenv(p) : NULL;
    CLEANUP_FREE char *entry = value ? xasprintf("%s=%s", p, value) : xstrdup(p);
    if (p[name] || value)
        strv_env_set(env, entry);
    return 0;
}

static int read_lines(char *text, size_t size, bool environment, struct strv *env, struct error *err)
{
    char *end = text + size, *line = text;
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        line += 3;
    for (size_t number = 1; line < end; number++) {
        char *newline = memchr(line, '\n', (size_t)(end - line)), *stop = newline ? newline : end;
        int r = check_text(line, (size_t)(stop - line), number, err);
        if (r < 0)
            return r;
        char *next = newline ? newline + 1 : end;
        *stop = '\0';
        if (stop > line && stop[-1] == '\r')
            stop[-1] = '\0';
        r = read_line(line, environment, env, err);
        if (r < 0)
            return r;
        line = next;
    }
    return 0;
}

int env_file_read(const char *path, bool environment, struct strv *env, struct error *err)
{
    CLEANUP_FREE char *text = NULL;
    size_t size = 0;
    struct error failure = {0};
    int r = file_read(AT_FDCWD, path, FILE_MAX, &text, &size, &failure);
    if (r < 0 && strncmp(failure.message, "open ", 5) == 0)
        return error_set(err, ERROR_SYSTEM, r, "open %s: %s", path, error_words(r));
    if (r < 0)
        return error_set(err, ERROR_SYSTEM, r, "invalid env file (%s): read %s: %s", path, path, error_words(r));
    r = read_lines(text, size, environment, env, err);
    return r < 0 ? error_context(err, "invalid env file (%s)", path) : 0;
}
