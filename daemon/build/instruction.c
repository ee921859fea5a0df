#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "daemon/build/instruction_internal.h"

#define FLAGS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NO_FLAGS ((const char *const[]){NULL})

const struct instruction_kind_row instruction_kinds[INSTRUCTION_KINDS] = {
    [INSTRUCTION_ADD] = {"ADD", FORM_JSON_OR_WORDS,
                         FLAGS("chown", "chmod", "link", "exclude", "checksum", "keep-git-dir", "unpack"), true},
    [INSTRUCTION_ARG] = {"ARG", FORM_QUOTED_WORDS, NO_FLAGS, false},
    [INSTRUCTION_CMD] = {"CMD", FORM_JSON_OR_LINE, NO_FLAGS, false},
    [INSTRUCTION_COPY] = {"COPY", FORM_JSON_OR_WORDS, FLAGS("from", "chown", "chmod", "link", "parents", "exclude"),
                          true},
    [INSTRUCTION_ENTRYPOINT] = {"ENTRYPOINT", FORM_JSON_OR_LINE, NO_FLAGS, false},
    [INSTRUCTION_ENV] = {"ENV", FORM_PAIRS, NO_FLAGS, false},
    [INSTRUCTION_EXPOSE] = {"EXPOSE", FORM_WORDS, NO_FLAGS, false},
    [INSTRUCTION_FROM] = {"FROM", FORM_WORDS, FLAGS("platform"), false},
    [INSTRUCTION_HEALTHCHECK] = {"HEALTHCHECK", FORM_HEALTH,
                                 FLAGS("interval", "timeout", "start-period", "start-interval", "retries"), false},
    [INSTRUCTION_LABEL] = {"LABEL", FORM_PAIRS, NO_FLAGS, false},
    [INSTRUCTION_MAINTAINER] = {"MAINTAINER", FORM_LINE, NO_FLAGS, false},
    [INSTRUCTION_ONBUILD] = {"ONBUILD", FORM_TRIGGER, NO_FLAGS, true},
    [INSTRUCTION_RUN] = {"RUN", FORM_JSON_OR_LINE, FLAGS("mount", "network", "security"), true},
    [INSTRUCTION_SHELL] = {"SHELL", FORM_JSON_OR_LINE, NO_FLAGS, false},
    [INSTRUCTION_STOPSIGNAL] = {"STOPSIGNAL", FORM_LINE, NO_FLAGS, false},
    [INSTRUCTION_USER] = {"USER", FORM_LINE, NO_FLAGS, false},
    [INSTRUCTION_VOLUME] = {"VOLUME", FORM_JSON_OR_WORDS, NO_FLAGS, false},
    [INSTRUCTION_WORKDIR] = {"WORKDIR", FORM_LINE, NO_FLAGS, false},
};

/* Flags without "=value", and those that may come more than once. */
static const char *const boolean_flags[] = {"link", "parents", "keep-git-dir", "unpack"};
static const char *const repeated_flags[] = {"mount", "exclude"};

static bool is_among(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

const char *instruction_kind_name(enum instruction_kind kind)
{
    return instruction_kinds[kind].name;
}

enum instruction_kind instruction_kind_find(const char *name, size_t size)
{
    for (enum instruction_kind kind = 0; kind < INSTRUCTION_KINDS; kind++)
        if (strlen(instruction_kinds[kind].name) == size && strncasecmp(instruction_kinds[kind].name, name, size) == 0)
            return kind;
    return INSTRUCTION_KINDS;
}

const char *instruction_flag(const struct instruction *instruction, const char *name)
{
    for (size_t i = instruction->flag_count; i-- > 0;)
        if (strcmp(instruction->flags[i].name, name) == 0)
            return instruction->flags[i].value != NULL ? instruction->flags[i].value : "";
    return NULL;
}

void instruction_release(struct instruction *instruction)
{
    free(instruction->name);
    free(instruction->original);
    free(instruction->rest);
    for (size_t i = 0; i < instruction->flag_count; i++) {
        free(instruction->flags[i].name);
        free(instruction->flags[i].value);
    }
    free(instruction->flags);
    strv_release(&instruction->words);
    for (size_t i = 0; i < instruction->heredoc_count; i++)
        heredoc_release(&instruction->heredocs[i]);
    free(instruction->heredocs);
    if (instruction->trigger != NULL)
        instruction_release(instruction->trigger);
    free(instruction->trigger);
    *instruction = (struct instruction){0};
}

char *trimmed(const char *start, size_t size)
{
    while (size > 0 && isspace((unsigned char)*start)) {
        start++;
        size--;
    }
    while (size > 0 && isspace((unsigned char)start[size - 1]))
        size--;
    return xstrndup(start, size);
}

/* ---- flags ---- */

/* One word of the flags, quotes and escapes taken off. Returns what follows it. */
static const char *take_flag_word(const char *p, struct strbuf *out)
{
    char quote = '\0';
    for (; *p != '\0'; p++) {
        if (quote == '\0' && isspace((unsigned char)*p))
            break;
        if (*p == quote) {
            quote = '\0';
        } else if (quote == '\0' && (*p == '\'' || *p == '"')) {
            quote = *p;
        } else if (*p != '\\') {
            strbuf_addc(out, *p);
        } else if (p[1] != '\0') {
            strbuf_addc(out, *++p);
        }
    }
    return p;
}

static int add_flag(struct instruction *instruction, const char *word, size_t *capacity, struct error *err)
{
    const char *const *known = instruction_kinds[instruction->kind].flags;
    size_t size = strcspn(word + 2, "="), known_count = 0;
    CLEANUP_FREE char *name = xstrndup(word + 2, size);
    const char *value = word[2 + size] == '=' ? word + 2 + size + 1 : NULL;
    while (known[known_count] != NULL)
        known_count++;
    if (!is_among(name, known, known_count)) {
        const char *meant = suggest_word(name, known);
        return error_set(err, ERROR_INVALID, EINVAL, "unknown flag: --%s%s%s%s", name, meant ? " (did you mean " : "",
                         meant ? meant : "", meant ? "?)" : "");
    }
    if (instruction_flag(instruction, name) != NULL && !is_among(name, repeated_flags, ARRAY_SIZE(repeated_flags)))
        return error_set(err, ERROR_INVALID, EINVAL, "duplicate flag specified: --%s", name);
    bool boolean = is_among(name, boolean_flags, ARRAY_SIZE(boolean_flags));
    if (boolean ? value != NULL && *value == '\0' : value == NULL)
        return error_set(err, ERROR_INVALID, EINVAL, "missing a value on flag: --%s", name);
    if (boolean && value != NULL && strcasecmp(value, "true") != 0 && strcasecmp(value, "false") != 0)
        return error_set(err, ERROR_INVALID, EINVAL, "expecting boolean value for flag --%s, not: %s", name, value);
    if (instruction->flag_count >= DOCKERFILE_FLAGS_MAX)
        return error_set(err, ERROR_INVALID, E2BIG, "more than %d flags", DOCKERFILE_FLAGS_MAX);
    xgrow((void **)&instruction->flags, instruction->flag_count, capacity, sizeof(*instruction->flags));
    instruction->flags[instruction->flag_count++] =
        (struct instruction_flag){.name = TAKE_PTR(name), .value = xstrdup(value)};
    return 0;
}

/* The words at the front that start with "--", up to "--" itself. *rest is moved behind them. */
static int take_flags(struct instruction *instruction, const char **rest, struct error *err)
{
    size_t capacity = 0;
    const char *p = *rest;
    int r = 0;
    while (r == 0) {
        p += strspn(p, INSTRUCTION_BLANKS "\n");
        if (strncmp(p, "--", 2) != 0)
            break;
        CLEANUP_STRBUF struct strbuf word = STRBUF_INIT;
        p = take_flag_word(p, &word);
        if (strcmp(strbuf_str(&word), "--") == 0)
            break;
        r = add_flag(instruction, strbuf_str(&word), &capacity, err);
    }
    *rest = p;
    return r;
}

/* ---- one line ---- */

static int unknown_instruction(const char *name, struct error *err)
{
    const char *names[INSTRUCTION_KINDS + 1] = {NULL};
    for (size_t i = 0; i < INSTRUCTION_KINDS; i++)
        names[i] = instruction_kinds[i].name;
    const char *meant = suggest_word(name, names);
    return error_set(err, ERROR_INVALID, EINVAL, "unknown instruction: %s%s%s%s", name, meant ? " (did you mean " : "",
                     meant ? meant : "", meant ? "?)" : "");
}

static int read_line(const char *line, char escape, struct instruction *ret, struct error *err)
{
    size_t size = strcspn(line, INSTRUCTION_BLANKS "\n");
    const char *rest = line + size;
    ret->original = trimmed(line, strlen(line));
    ret->name = xstrndup(line, size);
    ret->kind = instruction_kind_find(ret->name, size);
    if (ret->kind == INSTRUCTION_KINDS)
        return unknown_instruction(ret->name, err);
    int r = take_flags(ret, &rest, err);
    if (r < 0)
        return r;
    ret->rest = trimmed(rest, strlen(rest));
    r = instruction_cut(ret, escape, err);
    if (r == 0 && instruction_kinds[ret->kind].heredocs && ret->kind != INSTRUCTION_ONBUILD)
        r = instruction_find_heredocs(ret, err);
    return r;
}

int instruction_from_line(const char *line, char escape, struct instruction *ret, struct error *err)
{
    struct instruction instruction = {0};
    int r = read_line(line + strspn(line, INSTRUCTION_BLANKS "\n"), escape, &instruction, err);
    if (r < 0)
        instruction_release(&instruction);
    else
        *ret = instruction;
    return r;
}
