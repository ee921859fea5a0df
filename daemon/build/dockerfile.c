/* Lines of a Dockerfile: directives, comments, continuation, heredocs. */
#include "daemon/build/dockerfile.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "daemon/build/instruction_internal.h"

struct reader {
    struct dockerfile *file;
    size_t line; /* index of the next one */
    bool directives_done, escape_seen;
    size_t capacity;
};

static const char *skip_blanks(const char *p)
{
    while (isspace((unsigned char)*p))
        p++;
    return p;
}

/* ---- directives ---- */

static int set_directive(struct reader *reader, const char *name, const char *value, struct error *err)
{
    struct dockerfile *file = reader->file;
    bool is_escape = strcasecmp(name, "escape") == 0;
    char **where = strcasecmp(name, "syntax") == 0 ? &file->syntax : &file->check;
    if (is_escape ? reader->escape_seen : *where != NULL)
        return error_set(err, ERROR_INVALID, EINVAL, "only one %s parser directive can be used", name);
    if (!is_escape) {
        *where = xstrdup(value);
        return 0;
    }
    reader->escape_seen = true;
    if (strcmp(value, "\\") != 0 && strcmp(value, "`") != 0)
        return error_set(err, ERROR_INVALID, EINVAL, "invalid escape token '%s' does not match ` or \\", value);
    file->escape = value[0];
    return 0;
}

/* "# name = value" in the comments at the top. The first line that is none ends them. */
static int take_directive(struct reader *reader, const char *line, struct error *err)
{
    static const char *const known[] = {"syntax", "escape", "check"};
    if (reader->directives_done)
        return 0;
    reader->directives_done = true;
    if (*line != '#')
        return 0;
    const char *name = skip_blanks(line + 1), *end = name;
    while (isalnum((unsigned char)*end))
        end++;
    const char *equals = skip_blanks(end);
    if (end == name || *equals != '=')
        return 0;
    CLEANUP_FREE char *value = trimmed(equals + 1, strlen(equals + 1));
    for (size_t i = 0; i < ARRAY_SIZE(known) && *value != '\0'; i++) {
        if (strlen(known[i]) == (size_t)(end - name) && strncasecmp(known[i], name, (size_t)(end - name)) == 0) {
            reader->directives_done = false;
            return set_directive(reader, known[i], value, err);
        }
    }
    return 0;
}

/* ---- lines ---- */

/* The line goes on in the next one: an escape at its end that is not escaped itself. It is taken off. */
static bool take_continuation(char *line, char escape)
{
    size_t size = strlen(line);
    while (size > 0 && (line[size - 1] == ' ' || line[size - 1] == '\t'))
        size--;
    if (size == 0 || line[size - 1] != escape || (size > 1 && line[size - 2] == escape))
        return false;
    line[size - 1] = '\0';
    return true;
}

/* Joins what follows a line that goes on. Comments between are dropped, empty lines too, with a warning: true. */
static bool join_lines(struct reader *reader, struct strbuf *line)
{
    const struct strv *lines = &reader->file->lines;
    bool more = true, empty = false;
    while (more && reader->line < lines->count) {
        const char *next = lines->items[reader->line++];
        const char *start = skip_blanks(next);
        if (*start == '#')
            continue;
        if (*start == '\0') {
            empty = true;
            continue;
        }
        CLEANUP_FREE char *part = xstrdup(next);
        more = take_continuation(part, reader->file->escape);
        strbuf_adds(line, part);
    }
    if (empty)
        strv_addf(&reader->file->warnings, "[WARNING]: Empty continuation line found in:\n    %s", strbuf_str(line));
    return empty;
}

/* ---- heredocs ---- */

static int read_heredoc(struct reader *reader, struct heredoc *heredoc, struct error *err)
{
    const struct strv *lines = &reader->file->lines;
    struct strbuf content = STRBUF_INIT;
    heredoc->line = (int)reader->line + 1;
    while (reader->line < lines->count) {
        const char *line = lines->items[reader->line++];
        if (strcmp(heredoc->chomp ? line + strspn(line, "\t") : line, heredoc->name) == 0) {
            heredoc->content = strbuf_take(&content);
            return 0;
        }
        strbuf_adds(&content, line);
        strbuf_addc(&content, '\n');
    }
    strbuf_release(&content);
    return error_set(err, ERROR_INVALID, EINVAL, "unterminated heredoc");
}

static int read_heredocs(struct reader *reader, struct instruction *instruction, struct error *err)
{
    struct instruction *owner = instruction->trigger != NULL ? instruction->trigger : instruction;
    int r = 0;
    for (size_t i = 0; r == 0 && i < owner->heredoc_count; i++)
        r = read_heredoc(reader, &owner->heredocs[i], err);
    return r;
}

/* ---- the whole ---- */

static int where(const struct dockerfile *file, int line, struct error *err)
{
    struct instruction here = {.first_line = line, .last_line = line};
    return instruction_error(file, &here, err);
}

static int read_instruction(struct reader *reader, struct error *err)
{
    struct dockerfile *file = reader->file;
    int first = (int)reader->line + 1;
    struct instruction instruction;
    struct error local = {0};
    CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;
    CLEANUP_FREE char *start = xstrdup(skip_blanks(file->lines.items[reader->line++]));
    bool more = take_continuation(start, file->escape);
    strbuf_adds(&line, start);
    bool empty = more && join_lines(reader, &line);
    if (*skip_blanks(strbuf_str(&line)) == '\0')
        return 0;
    int r = file->count >= DOCKERFILE_INSTRUCTIONS_MAX
                ? error_set(&local, ERROR_INVALID, E2BIG, "more than %d instructions", DOCKERFILE_INSTRUCTIONS_MAX)
                : instruction_from_line(strbuf_str(&line), file->escape, &instruction, &local);
    if (r == 0) {
        r = read_heredocs(reader, &instruction, &local);
        instruction.first_line = first;
        instruction.empty_continuation = empty;
        instruction.last_line = (int)reader->line;
        xgrow((void **)&file->instructions, file->count, &reader->capacity, sizeof(instruction));
        file->instructions[file->count++] = instruction;
    }
    if (r < 0 && file->name != NULL)
        where(file, first, &local);
    return r < 0 ? error_propagate(err, &local) : 0;
}

static void split_lines(const char *text, size_t size, struct strv *out)
{
    static const char mark[] = "\xef\xbb\xbf";
    if (size >= 3 && memcmp(text, mark, 3) == 0) {
        text += 3;
        size -= 3;
    }
    while (size > 0) {
        const char *end = memchr(text, '\n', size);
        size_t length = end != NULL ? (size_t)(end - text) : size, used = end != NULL ? length + 1 : length;
        if (length > 0 && text[length - 1] == '\r')
            length--;
        strv_add_take(out, xstrndup(text, length));
        text += used;
        size -= used;
    }
}

static int read_all(struct reader *reader, struct error *err)
{
    struct dockerfile *file = reader->file;
    while (reader->line < file->lines.count) {
        const char *line = skip_blanks(file->lines.items[reader->line]);
        int r = take_directive(reader, line, err);
        if (r < 0)
            return where(file, (int)reader->line + 1, err);
        if (*line == '\0' || *line == '#') {
            reader->line++;
            continue;
        }
        r = read_instruction(reader, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int dockerfile_parse(const char *name, const char *text, size_t size, struct dockerfile *ret, struct error *err)
{
    struct dockerfile file = {.name = xstrdup(name), .escape = '\\'};
    struct reader reader = {.file = &file};
    struct error local = {0};
    int r = 0;
    if (size > DOCKERFILE_SIZE_MAX)
        r = error_set(&local, ERROR_INVALID, EFBIG, "the Dockerfile (%s) is larger than %d bytes", name,
                      DOCKERFILE_SIZE_MAX);
    else if (memchr(text, '\0', size) != NULL)
        r = error_set(&local, ERROR_INVALID, EINVAL, "the Dockerfile (%s) has a NUL in it", name);
    if (r == 0) {
        split_lines(text, size, &file.lines);
        r = read_all(&reader, &local);
    }
    if (r == 0 && file.count == 0)
        r = size == 0 ? error_set(&local, ERROR_INVALID, EINVAL, "the Dockerfile (%s) cannot be empty", name)
                      : error_set(&local, ERROR_INVALID, EINVAL, "file with no instructions");
    if (r < 0) {
        dockerfile_release(&file);
        return error_propagate(err, &local);
    }
    *ret = file;
    return 0;
}

void dockerfile_release(struct dockerfile *file)
{
    free(file->name);
    free(file->syntax);
    free(file->check);
    strv_release(&file->lines);
    for (size_t i = 0; i < file->count; i++)
        instruction_release(&file->instructions[i]);
    free(file->instructions);
    strv_release(&file->warnings);
    *file = (struct dockerfile){0};
}

int instructions_parse(const char *text, char escape, struct dockerfile *ret, struct error *err)
{
    *ret = (struct dockerfile){.escape = escape == '`' ? '`' : '\\'};
    struct reader reader = {.file = ret, .directives_done = true};
    split_lines(text, strlen(text), &ret->lines);
    int r = read_all(&reader, err);
    if (r < 0)
        dockerfile_release(ret);
    return r;
}

int instruction_parse(const char *text, char escape, struct instruction *ret, struct error *err)
{
    CLEANUP_DOCKERFILE struct dockerfile file = {0};
    int r = instructions_parse(text, escape, &file, err);
    if (r == 0 && file.count != 1)
        r = error_set(err, ERROR_INVALID, EINVAL, "\"%s\" is not one instruction", text);
    if (r == 0) {
        *ret = file.instructions[0];
        file.count = 0;
    }
    return r;
}
