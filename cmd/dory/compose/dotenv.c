#include "cmd/dory/compose/dotenv.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"

struct reader {
    const char *at;
    unsigned line;
    const struct interpolation *outside;
    struct strv *into;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

static void skip_blanks(struct reader *reader)
{
    while (is_blank(*reader->at))
        reader->at++;
}

/* To the next statement; false at the end. */
static bool next_statement(struct reader *reader)
{
    for (;;) {
        while (is_blank(*reader->at) || *reader->at == '\n') {
            reader->line += *reader->at == '\n';
            reader->at++;
        }
        if (*reader->at != '#')
            return *reader->at != '\0';
        reader->at += strcspn(reader->at, "\n");
    }
}

static const char *look_up(void *data, const char *name, size_t size)
{
    struct reader *reader = data;
    const char *value = reader->outside ? reader->outside->lookup(reader->outside->data, name, size) : NULL;
    return value ? value : interpolate_from_list(reader->into, name, size);
}

static int set_expanded(struct reader *reader, const char *name, const char *value, struct error *err)
{
    struct interpolation how = {look_up, reader, reader->outside ? reader->outside->warnings : NULL};
    CLEANUP_FREE char *expanded = NULL;
    struct error why = {0};
    int r = interpolate_text(&how, value, &expanded, &why);
    if (r < 0)
        return error_set(err, ERROR_INVALID, 0, "line %u: %s", reader->line, why.message);
    CLEANUP_FREE char *entry = xasprintf("%s=%s", name, expanded);
    strv_env_set(reader->into, entry);
    return 0;
}

static int read_plain(struct reader *reader, const char *name, struct error *err)
{
    size_t size = strcspn(reader->at, "\n");
    CLEANUP_FREE char *value = xstrndup(reader->at, size);
    reader->at += size;
    char *comment = strstr(value, " #");
    if (comment)
        *comment = '\0';
    for (size_t n = strlen(value); n > 0 && isspace((unsigned char)value[n - 1]); n--)
        value[n - 1] = '\0';
    return set_expanded(reader, name, value, err);
}

/* What follows a backslash between double quotes; returns how many bytes it took. */
static size_t unescape(const char *text, struct strbuf *out)
{
    static const char letters[] = "abfnrtv", values[] = "\a\b\f\n\r\t\v";
    const char *letter = *text ? strchr(letters, *text) : NULL;
    if (letter)
        strbuf_addc(out, values[letter - letters]);
    else if (*text == '$')
        strbuf_adds(out, "$$");
    else if (*text == '"' || *text == '\\')
        strbuf_addc(out, *text);
    else if (*text == '0' && strspn(text + 1, "01234567") >= 3 && text[1] < '4') {
        char c = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
        strbuf_addc(out, c ? c : '0');
        return 4;
    } else {
        strbuf_addc(out, '\\');
        strbuf_addc(out, *text);
    }
    return 1;
}

static int read_quoted(struct reader *reader, const char *name, struct error *err)
{
    const char *start = reader->at;
    char quote = *reader->at++;
    CLEANUP_STRBUF struct strbuf value = STRBUF_INIT;
    for (; *reader->at && *reader->at != quote; reader->at++) {
        reader->line += *reader->at == '\n';
        if (*reader->at != '\\' || !reader->at[1]) {
            strbuf_addc(&value, *reader->at);
        } else if (quote == '"') {
            reader->line += reader->at[1] == '\n';
            reader->at += unescape(reader->at + 1, &value);
        } else {
            if (reader->at[1] != quote)
                strbuf_addc(&value, '\\');
            strbuf_addc(&value, *++reader->at);
            reader->line += *reader->at == '\n';
        }
    }
    if (!*reader->at)
        return error_set(err, ERROR_INVALID, 0, "line %u: unterminated quoted value %.*s", reader->line,
                         (int)strcspn(start, "\n"), start);
    reader->at++;
    if (quote == '"')
        return set_expanded(reader, name, strbuf_str(&value), err);
    CLEANUP_FREE char *entry = xasprintf("%s=%s", name, strbuf_str(&value));
    strv_env_set(reader->into, entry);
    return 0;
}

static bool is_name_byte(char c)
{
    return isalnum((unsigned char)c) || strchr("_.-[]", c) || (unsigned char)c >= 0x80;
}

/* NAME and '=' or ':'; *ret_alone when the line has no more than the name. */
static int read_name(struct reader *reader, char **ret, bool *ret_alone, struct error *err)
{
    if (strncmp(reader->at, "export", 6) == 0 && is_blank(reader->at[6])) {
        reader->at += 6;
        skip_blanks(reader);
    }
    const char *start = reader->at;
    while (*reader->at && is_name_byte(*reader->at))
        reader->at++;
    CLEANUP_FREE char *name = xstrndup(start, (size_t)(reader->at - start));
    skip_blanks(reader);
    char c = *reader->at;
    if (c && c != '=' && c != ':' && c != '\n' && is_name_byte(c))
        return error_set(err, ERROR_INVALID, 0, "line %u: key cannot contain a space", reader->line);
    if ((c && c != '=' && c != ':' && c != '\n') || !*name)
        return error_set(err, ERROR_INVALID, 0, "line %u: unexpected character \"%c\" in variable name \"%.*s\"",
                         reader->line, c, (int)strcspn(start, "\n"), start);
    *ret_alone = c == '\n' || c == '\0';
    if (!*ret_alone)
        reader->at++;
    *ret = TAKE_PTR(name);
    return 0;
}

static int read_statement(struct reader *reader, struct error *err)
{
    CLEANUP_FREE char *name = NULL;
    bool alone = false;
    int r = read_name(reader, &name, &alone, err);
    if (r < 0)
        return r;
    if (alone) {
        const char *value = look_up(reader, name, strlen(name));
        CLEANUP_FREE char *entry = value ? xasprintf("%s=%s", name, value) : NULL;
        if (entry)
            strv_env_set(reader->into, entry);
        return 0;
    }
    skip_blanks(reader);
    return *reader->at == '"' || *reader->at == '\'' ? read_quoted(reader, name, err) : read_plain(reader, name, err);
}

static int parse_raw(const char *text, const struct interpolation *outside, struct strv *into, struct error *err)
{
    unsigned number = 0;
    while (*text) {
        size_t size = strcspn(text, "\n");
        CLEANUP_FREE char *line = xstrndup(text, size);
        text += size + (text[size] == '\n');
        number++;
        if (size > 0 && line[strlen(line) - 1] == '\r')
            line[strlen(line) - 1] = '\0';
        const char *start = line + strspn(line, " \t");
        if (!*start || *start == '#')
            continue;
        size_t name = strcspn(start, "=");
        if (name == 0 || strcspn(start, " \t") < name)
            return error_set(err, ERROR_INVALID, 0, "line %u: variable '%.*s' contains whitespaces", number, (int)name,
                             start);
        const char *value = outside && !start[name] ? outside->lookup(outside->data, start, name) : NULL;
        CLEANUP_FREE char *entry = start[name] ? xstrdup(start) : value ? xasprintf("%s=%s", start, value) : NULL;
        if (entry)
            strv_env_set(into, entry);
    }
    return 0;
}

int dotenv_parse(const char *text, enum dotenv_format format, const struct interpolation *outside, struct strv *into,
                 struct error *err)
{
    if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
        text += 3;
    if (format == DOTENV_RAW)
        return parse_raw(text, outside, into, err);
    struct reader reader = {text, 1, outside, into};
    int r = 0;
    while (r == 0 && next_statement(&reader))
        r = read_statement(&reader, err);
    return r;
}

int dotenv_load(const char *path, enum dotenv_format format, const struct interpolation *outside, struct strv *into,
                struct error *err)
{
    CLEANUP_FREE char *text = NULL;
    size_t size;
    struct error why = {0};
    int r = file_read(AT_FDCWD, path, DOTENV_SIZE_MAX, &text, &size, &why);
    if (r == 0 && strlen(text) != size)
        r = error_set(&why, ERROR_INVALID, 0, "%s has NUL characters", path);
    if (r == 0 && (r = dotenv_parse(text, format, outside, into, &why)) < 0)
        error_context(&why, "failed to read %s", path);
    return r < 0 ? error_propagate(err, &why) : 0;
}
