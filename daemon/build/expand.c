#include "daemon/build/expand.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "daemon/build/expand_pattern.h"

struct expander {
    const char *p;
    const struct expand_options *options;
    char escape;
    bool raw_escapes; /* escapes stay in the result */
    int depth;
    struct error *err;
};

/* The text as a whole and, at the same time, as words. */
struct output {
    struct strbuf text, word;
    struct strv words;
    bool in_word;
};

static void output_release(struct output *out)
{
    strbuf_release(&out->text);
    strbuf_release(&out->word);
    strv_release(&out->words);
}
#define CLEANUP_OUTPUT CLEANUP(output_release)

static int run(struct expander *e, char stop, bool raw_escapes, struct output *out);

static int fail(struct expander *e, const char *message)
{
    return error_set(e->err, ERROR_INVALID, EINVAL, "%s", message);
}

/* ---- output ---- */

static void end_word(struct output *out)
{
    if (out->word.size > 0)
        strv_add_take(&out->words, strbuf_take(&out->word));
    out->in_word = false;
}

/* A character that separates words if it is a blank. */
static void add_plain(struct output *out, char c)
{
    strbuf_addc(&out->text, c);
    if (!isspace((unsigned char)c)) {
        strbuf_addc(&out->word, c);
        out->in_word = true;
    } else if (out->in_word && out->word.size > 0) {
        end_word(out);
    }
}

static void add_raw(struct output *out, const char *s, size_t size)
{
    strbuf_add(&out->text, s, size);
    strbuf_add(&out->word, s, size);
    out->in_word = true;
}

/* ---- variables ---- */

static char *take_name(struct expander *e)
{
    const char *start = e->p;
    if (isdigit((unsigned char)*e->p)) {
        while (isdigit((unsigned char)*e->p))
            e->p++;
    } else if (*e->p != '\0' && strchr("@*#?-$!", *e->p) != NULL) {
        e->p++;
    } else {
        while (isalnum((unsigned char)*e->p) || *e->p == '_')
            e->p++;
    }
    return xstrndup(start, (size_t)(e->p - start));
}

static const char *get(const struct expander *e, const char *name)
{
    return e->options->lookup != NULL ? e->options->lookup(name, e->options->data) : NULL;
}

static void note_unset(const struct expander *e, const char *name)
{
    if (e->options->unset != NULL && !strv_contains(e->options->unset, name))
        strv_add(e->options->unset, name);
}

/* The part of ${...} up to `stop`, variables put in. */
static int take_part(struct expander *e, char stop, bool raw_escapes, const char *missing, struct strbuf *ret)
{
    CLEANUP_OUTPUT struct output part = {.in_word = false};
    int r = run(e, stop, raw_escapes, &part);
    if (r == -ENODATA)
        return fail(e, missing);
    if (r == 0) {
        strbuf_release(ret);
        *ret = (struct strbuf){.data = strbuf_take(&part.text)};
        ret->size = strlen(ret->data);
    }
    return r;
}

static int trim(struct expander *e, char end, const char *word, const char *value, struct strbuf *out)
{
    bool longest = *word == end;
    CLEANUP_EXPAND_PATTERN struct expand_pattern pattern = {0};
    size_t size = strlen(value), cut;
    int r = expand_pattern_compile(word + longest, &pattern, e->err);
    if (r < 0)
        return r;
    if (end == '#')
        strbuf_adds(out, expand_pattern_prefix(&pattern, value, size, longest, &cut) ? value + cut : value);
    else
        strbuf_add(out, value, expand_pattern_suffix(&pattern, value, size, longest, &cut) ? cut : size);
    return 0;
}

/* Behind "${NAME", at one of - + ? # %. */
static int modify(struct expander *e, const char *name, bool empty_is_unset, struct strbuf *out)
{
    CLEANUP_STRBUF struct strbuf word = STRBUF_INIT;
    char kind = *e->p++;
    int r = take_part(e, '}', kind == '#' || kind == '%', "syntax error: missing '}'", &word);
    if (r < 0)
        return r;
    const char *value = get(e, name);
    const char *text = strbuf_str(&word);
    bool set = value != NULL && !(empty_is_unset && *value == '\0');
    if (value == NULL && e->options->keep_unset) {
        strbuf_addf(out, "${%s%s%c%s}", name, empty_is_unset ? ":" : "", kind, text);
        return 0;
    }
    switch (kind) {
    case '-':
        strbuf_adds(out, set ? value : text);
        return 0;
    case '+':
        strbuf_adds(out, set ? text : "");
        return 0;
    case '?':
        if (set) {
            strbuf_adds(out, value);
            return 0;
        }
        return error_set(e->err, ERROR_INVALID, EINVAL, "%s: %s", name,
                         *text != '\0'   ? text
                         : value == NULL ? "is not allowed to be unset"
                                         : "is not allowed to be empty");
    default:
        if (value == NULL)
            note_unset(e, name);
        return trim(e, kind, text, value != NULL ? value : "", out);
    }
}

static int replace(struct expander *e, const char *name, struct strbuf *out)
{
    CLEANUP_STRBUF struct strbuf from = STRBUF_INIT, to = STRBUF_INIT;
    CLEANUP_EXPAND_PATTERN struct expand_pattern pattern = {0};
    bool all = *++e->p == '/';
    e->p += all;
    int r = take_part(e, '/', true, "syntax error: missing '/' in ${}", &from);
    if (r == 0)
        r = take_part(e, '}', true, "syntax error: missing '}'", &to);
    if (r == 0)
        r = expand_pattern_compile(strbuf_str(&from), &pattern, e->err);
    if (r < 0)
        return r;
    const char *value = get(e, name);
    if (value == NULL && e->options->keep_unset) {
        strbuf_addf(out, "${%s/%s%s/%s}", name, all ? "/" : "", strbuf_str(&from), strbuf_str(&to));
        return 0;
    }
    if (value == NULL) {
        note_unset(e, name);
        return 0;
    }
    bool done = false;
    while (*value != '\0') {
        size_t size;
        if (!done && expand_pattern_prefix(&pattern, value, strlen(value), true, &size) && size > 0) {
            strbuf_add(out, to.data, to.size);
            value += size;
            done = !all;
        } else {
            strbuf_addc(out, *value++);
        }
        if (out->size > EXPAND_SIZE_MAX)
            return error_set(e->err, ERROR_INVALID, E2BIG, "the result is larger than %d bytes", EXPAND_SIZE_MAX);
    }
    return 0;
}

static int add_value(struct expander *e, const char *name, bool braces, struct strbuf *out)
{
    const char *value = get(e, name);
    if (value != NULL)
        strbuf_adds(out, value);
    else if (e->options->keep_unset)
        strbuf_addf(out, braces ? "${%s}" : "$%s", name);
    else
        note_unset(e, name);
    return 0;
}

/* At a '$'. */
static int dollar(struct expander *e, struct strbuf *out)
{
    bool braces = *++e->p == '{';
    e->p += braces;
    if (braces && *e->p == '\0')
        return fail(e, "syntax error: missing '}'");
    if (braces && strchr("{}:", *e->p) != NULL)
        return fail(e, "syntax error: bad substitution");
    CLEANUP_FREE char *name = take_name(e);
    if (!braces && *name == '\0') {
        strbuf_addc(out, '$');
        return 0;
    }
    if (!braces)
        return add_value(e, name, false, out);
    if (*e->p == '}') {
        e->p++;
        return add_value(e, name, true, out);
    }
    if (*e->p == '\0')
        return fail(e, "syntax error: missing '}'");
    if (*e->p == '/')
        return replace(e, name, out);
    bool colon = *e->p == ':';
    char kind = e->p[colon];
    if (kind == '\0' && colon)
        return fail(e, "syntax error: missing '}'");
    if (kind == '\0' || strchr(colon ? "-+?" : "-+?#%", kind) == NULL)
        return error_set(e->err, ERROR_INVALID, EINVAL, "unsupported modifier (%s%c) in substitution", colon ? ":" : "",
                         kind);
    e->p += colon;
    return modify(e, name, colon, out);
}

/* ---- quotes and the rest ---- */

static int single_quotes(struct expander *e, struct strbuf *out)
{
    const char *end = strchr(e->p + 1, '\'');
    if (end == NULL)
        return fail(e, "unexpected end of statement while looking for matching single-quote");
    bool keep = e->options->keep_quotes;
    strbuf_add(out, e->p + !keep, (size_t)(end - e->p) - 1 + 2 * keep);
    e->p = end + 1;
    return 0;
}

static int double_quotes(struct expander *e, struct strbuf *out)
{
    int r = 0;
    if (e->options->keep_quotes)
        strbuf_addc(out, '"');
    for (e->p++; r == 0 && *e->p != '"';) {
        if (*e->p == '\0')
            return fail(e, "unexpected end of statement while looking for matching double-quote");
        if (*e->p == '$') {
            r = dollar(e, out);
            continue;
        }
        if (*e->p == e->escape) {
            if (e->raw_escapes)
                strbuf_addc(out, *e->p);
            if (e->p[1] == '\0') {
                e->p++;
                continue;
            }
            if (e->p[1] == '"' || e->p[1] == '$' || e->p[1] == e->escape)
                e->p++;
        }
        strbuf_addc(out, *e->p++);
    }
    if (r < 0)
        return r;
    if (e->options->keep_quotes)
        strbuf_addc(out, '"');
    e->p++;
    return 0;
}

/* One quoted text or variable at e->p. */
static int special(struct expander *e, struct output *out)
{
    CLEANUP_STRBUF struct strbuf part = STRBUF_INIT;
    bool variable = *e->p == '$';
    int r = variable ? dollar(e, &part) : *e->p == '"' ? double_quotes(e, &part) : single_quotes(e, &part);
    if (r < 0)
        return r;
    if (variable)
        for (size_t i = 0; i < part.size; i++)
            add_plain(out, part.data[i]);
    else
        add_raw(out, strbuf_str(&part), part.size);
    return 0;
}

static void escaped(struct expander *e, struct output *out)
{
    if (e->raw_escapes)
        add_raw(out, e->p, 1);
    e->p++;
    if (*e->p != '\0')
        add_raw(out, e->p++, 1);
}

/* Up to `stop` (taken, not in the output) or, when that is NUL, the end. -ENODATA: the stop does not come. */
static int run(struct expander *e, char stop, bool raw_escapes, struct output *out)
{
    bool outer = e->raw_escapes;
    int r = 0;
    if (++e->depth > EXPAND_DEPTH_MAX)
        return error_set(e->err, ERROR_INVALID, E2BIG, "more than %d levels of ${}", EXPAND_DEPTH_MAX);
    e->raw_escapes = raw_escapes;
    while (r == 0 && *e->p != '\0' && (stop == '\0' || *e->p != stop)) {
        if (*e->p == '$' || (!e->options->heredoc && (*e->p == '"' || *e->p == '\'')))
            r = special(e, out);
        else if (*e->p == e->escape)
            escaped(e, out);
        else
            add_plain(out, *e->p++);
        if (r == 0 && out->text.size > EXPAND_SIZE_MAX)
            r = error_set(e->err, ERROR_INVALID, E2BIG, "the result is larger than %d bytes", EXPAND_SIZE_MAX);
    }
    e->raw_escapes = outer;
    e->depth--;
    if (r == 0 && stop != '\0' && *e->p == '\0')
        return -ENODATA;
    if (r == 0 && stop != '\0')
        e->p++;
    return r;
}

static int expand(const char *text, const struct expand_options *options, struct output *out, struct error *err)
{
    struct error local = {0};
    struct expander e = {
        .p = text, .options = options, .escape = options->escape != '\0' ? options->escape : '\\', .err = &local};
    int r = run(&e, '\0', options->keep_escapes, out);
    if (r == 0) {
        end_word(out);
        return 0;
    }
    CLEANUP_STRBUF struct strbuf quoted = STRBUF_INIT;
    json_quote(&quoted, text, strlen(text));
    error_context(&local, "failed to process %.500s", strbuf_str(&quoted));
    return error_propagate(err, &local);
}

int expand_word(const char *text, const struct expand_options *options, char **ret, struct error *err)
{
    CLEANUP_OUTPUT struct output out = {.in_word = false};
    int r = expand(text, options, &out, err);
    if (r == 0)
        *ret = strbuf_take(&out.text);
    return r;
}

int expand_words(const char *text, const struct expand_options *options, struct strv *ret, struct error *err)
{
    CLEANUP_OUTPUT struct output out = {.in_word = false};
    int r = expand(text, options, &out, err);
    if (r == 0)
        strv_add_all(ret, &out.words);
    return r;
}
