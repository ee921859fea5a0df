/* The arguments of an instruction, cut into words after the form of its kind. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "daemon/build/instruction_internal.h"

/* ["a", "b"]. 0 and *ret_json false: it is none, and means itself. */
static int json_list(const char *rest, struct strv *out, bool *ret_json, struct error *err)
{
    CLEANUP_JSON struct json *list = NULL;
    *ret_json = false;
    if (*rest != '[' || json_parse(rest, strlen(rest), &list, NULL) < 0 || list->kind != JSON_ARRAY)
        return 0;
    for (size_t i = 0; i < json_count(list); i++) {
        const char *s = json_string(json_at(list, i));
        if (s == NULL || strlen(s) != json_at(list, i)->string.size) {
            strv_clear(out);
            return error_set(err, ERROR_INVALID, EINVAL,
                             s == NULL ? "when using JSON array syntax, arrays must be comprised of strings only"
                                       : "a string of the JSON array has a NUL in it");
        }
        strv_add(out, s);
    }
    *ret_json = true;
    return 0;
}

static void blank_words(const char *rest, struct strv *out)
{
    for (const char *p = rest; *p != '\0';) {
        size_t size = strcspn(p, INSTRUCTION_BLANKS);
        strv_add_take(out, xstrndup(p, size));
        p += size;
        p += strspn(p, INSTRUCTION_BLANKS);
    }
}

/* Up to a blank outside quotes; quotes and escapes are kept. An escape at the very end is dropped. */
static const char *quoted_word(const char *p, char escape, struct strbuf *out)
{
    char quote = '\0';
    for (; *p != '\0' && (quote != '\0' || !isspace((unsigned char)*p)); p++) {
        if (*p == escape && quote != '\'') {
            if (p[1] == '\0')
                continue;
            strbuf_addc(out, *p++);
        } else if (*p == quote) {
            quote = '\0';
        } else if (quote == '\0' && (*p == '\'' || *p == '"')) {
            quote = *p;
        }
        strbuf_addc(out, *p);
    }
    return p;
}

static void quoted_words(const char *rest, char escape, struct strv *out)
{
    const char *p = rest;
    for (;;) {
        while (isspace((unsigned char)*p))
            p++;
        if (*p == '\0')
            return;
        struct strbuf word = STRBUF_INIT;
        p = quoted_word(p, escape, &word);
        if (word.size > 0)
            strv_add_take(out, strbuf_take(&word));
        strbuf_release(&word);
    }
}

/* NAME=VALUE..., or the old form NAME rest-of-line. */
static int pairs(struct instruction *instruction, char escape, struct error *err)
{
    CLEANUP_STRV struct strv words = STRV_INIT;
    const char *rest = instruction->rest;
    quoted_words(rest, escape, &words);
    if (words.count == 0)
        return 0;
    if (strchr(words.items[0], '=') == NULL) {
        size_t size = strcspn(rest, INSTRUCTION_BLANKS);
        if (rest[size] == '\0')
            return error_set(err, ERROR_INVALID, EINVAL, "%s must have two arguments",
                             instruction_kind_name(instruction->kind));
        strv_add_take(&instruction->words, xstrndup(rest, size));
        strv_add(&instruction->words, rest + size + strspn(rest + size, INSTRUCTION_BLANKS));
        instruction->legacy_pair = true;
        return 0;
    }
    for (size_t i = 0; i < words.count; i++) {
        const char *equals = strchr(words.items[i], '=');
        if (equals == NULL)
            return error_set(err, ERROR_INVALID, EINVAL,
                             "Syntax error - can't find = in \"%s\". Must be of the form: name=value", words.items[i]);
        strv_add_take(&instruction->words, xstrndup(words.items[i], (size_t)(equals - words.items[i])));
        strv_add(&instruction->words, equals + 1);
    }
    return 0;
}

static int line_or_json(struct instruction *instruction, const char *rest, struct error *err)
{
    int r = json_list(rest, &instruction->words, &instruction->json, err);
    if (r == 0 && !instruction->json && *rest != '\0')
        strv_add(&instruction->words, rest);
    return r;
}

static int health(struct instruction *instruction, struct error *err)
{
    const char *rest = instruction->rest;
    size_t size = strcspn(rest, INSTRUCTION_BLANKS);
    if (size == 0)
        return 0;
    strv_add_take(&instruction->words, xstrndup(rest, size));
    return line_or_json(instruction, rest + size + strspn(rest + size, INSTRUCTION_BLANKS), err);
}

static int trigger(struct instruction *instruction, char escape, struct error *err)
{
    if (*instruction->rest == '\0')
        return 0;
    size_t size = strcspn(instruction->rest, INSTRUCTION_BLANKS);
    enum instruction_kind kind = instruction_kind_find(instruction->rest, size);
    if (kind == INSTRUCTION_ONBUILD)
        return error_set(err, ERROR_INVALID, EINVAL, "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
    if (kind == INSTRUCTION_FROM || kind == INSTRUCTION_MAINTAINER)
        return error_set(err, ERROR_INVALID, EINVAL, "%s isn't allowed as an ONBUILD trigger",
                         instruction_kind_name(kind));
    struct instruction inner;
    int r = instruction_from_line(instruction->rest, escape, &inner, err);
    if (r == 0) {
        instruction->trigger = xmemdup(&inner, sizeof(inner));
        strv_add(&instruction->words, instruction->rest);
    }
    return r;
}

int instruction_cut(struct instruction *instruction, char escape, struct error *err)
{
    int r;
    switch (instruction_kinds[instruction->kind].form) {
    case FORM_LINE:
        if (*instruction->rest != '\0')
            strv_add(&instruction->words, instruction->rest);
        return 0;
    case FORM_WORDS:
        blank_words(instruction->rest, &instruction->words);
        return 0;
    case FORM_JSON_OR_LINE:
        return line_or_json(instruction, instruction->rest, err);
    case FORM_JSON_OR_WORDS:
        r = json_list(instruction->rest, &instruction->words, &instruction->json, err);
        if (r == 0 && !instruction->json)
            blank_words(instruction->rest, &instruction->words);
        return r;
    case FORM_PAIRS:
        return pairs(instruction, escape, err);
    case FORM_QUOTED_WORDS:
        quoted_words(instruction->rest, escape, &instruction->words);
        return 0;
    case FORM_HEALTH:
        return health(instruction, err);
    case FORM_TRIGGER:
        return trigger(instruction, escape, err);
    }
    return 0;
}
