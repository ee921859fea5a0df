#include "api/buildkit/filter.h"

#include <string.h>

#include "base/memory.h"
#include "base/parse.h"
#include "base/strbuf.h"
#include "base/timestamp.h"

enum filter_operator {
    OP_PRESENT,
    OP_NOT_EQUAL,
    OP_MATCHES,
    OP_EQUAL,
    OP_LESS_EQUAL,
    OP_LESS,
    OP_GREATER_EQUAL,
    OP_GREATER
};
/* The longer ones first. */
static const struct {
    const char *text;
    enum filter_operator op;
} operators[] = {
    {"!=", OP_NOT_EQUAL},     {"~=", OP_MATCHES}, {"==", OP_EQUAL}, {"<=", OP_LESS_EQUAL},
    {">=", OP_GREATER_EQUAL}, {"=", OP_EQUAL},    {"<", OP_LESS},   {">", OP_GREATER},
};

struct filter_term {
    size_t text;  /* number of the text that it stands in */
    size_t field; /* in the table */
    enum filter_operator op;
    char *value;
    int64_t ns;
    bool flag;
};

void filter_release(struct filter *filter)
{
    for (size_t i = 0; i < filter->count; i++)
        free(filter->terms[i].value);
    free(filter->terms);
    *filter = (struct filter){0};
}

/* ---- reading ---- */

static bool orders(enum filter_operator op)
{
    return op >= OP_LESS_EQUAL;
}

/* Up to a comma outside of quotes, without the quotes. Returns where it ends; NULL: a quote is never closed. */
static const char *read_word(const char *from, struct strbuf *out)
{
    bool quoted = false;
    for (; *from && (quoted || *from != ','); from++) {
        if (quoted && ((*from == '\\' && (from[1] == '"' || from[1] == '\\')) || (*from == '"' && from[1] == '"')))
            strbuf_addc(out, *++from);
        else if (*from == '"')
            quoted = !quoted;
        else
            strbuf_addc(out, *from);
    }
    return quoted ? NULL : from;
}

static int read_value(struct filter_term *term, enum filter_kind kind, int64_t now_ns, const char *word,
                      struct error *err)
{
    bool time = kind == FILTER_TIME || kind == FILTER_DURATION;
    if (time != orders(term->op))
        return error_set(err, ERROR_INVALID, 0, "invalid filter %.200s: %s", word,
                         time ? "<, <=, > or >= is expected" : "the field has no order");
    if (kind == FILTER_TIME && timestamp_parse_human(term->value, now_ns, &term->ns) < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid filter %.200s: invalid time", word);
    if (kind == FILTER_DURATION && parse_duration(term->value, &term->ns) < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid filter %.200s: invalid duration", word);
    if (kind == FILTER_FLAG && (term->op == OP_MATCHES || parse_bool(term->value, &term->flag) < 0))
        return error_set(err, ERROR_INVALID, 0, "invalid filter %.200s: true or false is expected", word);
    if (term->op == OP_MATCHES && strpbrk(term->value, "^$*+?()[]{}|\\"))
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "filter %.200s: regular expressions are not supported", word);
    return 0;
}

static int read_term(struct filter *filter, size_t text, const char *word, int64_t now_ns, struct error *err)
{
    size_t size = strcspn(word, "=!~<>"), field = 0, op = 0;
    const struct filter_field *fields = filter->fields;
    while (fields[field].name && (strncmp(fields[field].name, word, size) != 0 || fields[field].name[size]))
        field++;
    if (!fields[field].name)
        return error_set(err, ERROR_INVALID, 0, "invalid filter %.200s: there is no such field", word);
    if (filter->count == FILTER_TERMS_MAX)
        return error_set(err, ERROR_INVALID, 0, "filters have more than %d terms", FILTER_TERMS_MAX);
    xgrow((void **)&filter->terms, filter->count, &filter->capacity, sizeof(*filter->terms));
    struct filter_term *term = &filter->terms[filter->count++];
    *term = (struct filter_term){.text = text, .field = field, .op = OP_PRESENT};
    if (!word[size])
        return 0;
    while (op < ARRAY_SIZE(operators) && strncmp(operators[op].text, word + size, strlen(operators[op].text)) != 0)
        op++;
    if (op == ARRAY_SIZE(operators))
        return error_set(err, ERROR_INVALID, 0, "invalid filter %.200s: there is no such operator", word);
    term->op = operators[op].op;
    term->value = xstrdup(word + size + strlen(operators[op].text));
    return read_value(term, fields[field].kind, now_ns, word, err);
}

int filter_parse(char *const *texts, size_t count, const struct filter_field *fields, int64_t now_ns,
                 struct filter *ret, struct error *err)
{
    *ret = (struct filter){.fields = fields};
    for (size_t i = 0; i < count; i++) {
        for (const char *p = texts[i]; *p;) {
            CLEANUP_STRBUF struct strbuf word = STRBUF_INIT;
            p = read_word(p, &word);
            if (!p)
                return error_set(err, ERROR_INVALID, 0, "invalid filter %.200s: a quote is not closed", texts[i]);
            int r = read_term(ret, i, strbuf_str(&word), now_ns, err);
            if (r < 0)
                return r;
            p += *p == ',';
        }
    }
    return 0;
}

/* ---- matching ---- */

static bool compare(enum filter_operator op, int64_t a, int64_t b)
{
    switch (op) {
    case OP_LESS:
        return a < b;
    case OP_LESS_EQUAL:
        return a <= b;
    case OP_GREATER:
        return a > b;
    case OP_GREATER_EQUAL:
        return a >= b;
    default:
        return false;
    }
}

static bool holds(const struct filter_term *term, enum filter_kind kind, const struct filter_value *value)
{
    const char *text = value->text ? value->text : "";
    if (kind == FILTER_FLAG)
        return term->op == OP_PRESENT ? value->flag : (value->flag == term->flag) == (term->op == OP_EQUAL);
    if (kind != FILTER_TEXT)
        return term->op == OP_PRESENT ? value->ns != 0 : compare(term->op, value->ns, term->ns);
    switch (term->op) {
    case OP_PRESENT:
        return *text;
    case OP_NOT_EQUAL:
        return strcmp(text, term->value) != 0;
    case OP_MATCHES:
        return *text && strstr(text, term->value);
    default:
        return *text && strcmp(text, term->value) == 0;
    }
}

bool filter_match(const struct filter *filter, filter_get get, const void *record)
{
    bool any = filter->count == 0;
    for (size_t i = 0; i < filter->count && !any;) {
        size_t text = filter->terms[i].text;
        any = true;
        for (; i < filter->count && filter->terms[i].text == text; i++) {
            struct filter_value value = {0};
            size_t field = filter->terms[i].field;
            get(record, field, &value);
            any = any && holds(&filter->terms[i], filter->fields[field].kind, &value);
        }
    }
    return any;
}
