#include "cmd/dory/options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "base/strbuf.h"

const struct option *options_find(const struct option *options, const char *name, size_t size)
{
    for (const struct option *o = options; o && o->name; o++) {
        if (strlen(o->name) == size && memcmp(o->name, name, size) == 0)
            return o;
    }
    return NULL;
}

const struct option *options_find_letter(const struct option *options, char letter)
{
    for (const struct option *o = options; o && o->name; o++) {
        if (o->letter == letter)
            return o;
    }
    return NULL;
}

const struct option *options_inherited(const struct option *options)
{
    for (const struct option *o = options; o && o->name; o++) {
        if (o->flags & OPTION_INHERITED)
            return o;
    }
    return NULL;
}

/* "-m, --memory" or "--cpus": how docker names the flag in an error. */
static char *display_name(const struct option *o)
{
    return o->letter ? xasprintf("-%c, --%s", o->letter, o->name) : xasprintf("--%s", o->name);
}

static int invalid_argument(const struct option *o, const char *value, const char *why, struct error *err)
{
    CLEANUP_FREE char *name = display_name(o);
    return error_set(err, ERROR_INVALID, 0, "invalid argument \"%s\" for \"%s\" flag: %s", value, name, why);
}

/* The words of the number parsers of Go, which users see through docker. */
static int invalid_number(const struct option *o, const char *value, int r, struct error *err)
{
    CLEANUP_FREE char *why = xasprintf("strconv.ParseInt: parsing \"%s\": %s", value,
                                       r == -ERANGE ? "value out of range" : "invalid syntax");
    return invalid_argument(o, value, why, err);
}

static int invalid_size(const struct option *o, const char *value, struct error *err)
{
    size_t digits = strspn(value, "0123456789. ");
    CLEANUP_FREE char *why =
        digits == 0 ? xasprintf("invalid size: '%s'", value) : xasprintf("invalid suffix: '%s'", value + digits);
    return invalid_argument(o, value, why, err);
}

static int store_value(const struct option *o, const char *value, void *place, struct error *err)
{
    int r = 0;
    switch (o->type) {
    case OPTION_BOOL:
        if (parse_bool(value, place) < 0) {
            CLEANUP_FREE char *why = xasprintf("strconv.ParseBool: parsing \"%s\": invalid syntax", value);
            return invalid_argument(o, value, why, err);
        }
        return 0;
    case OPTION_STRING:
        xstrset(place, value);
        return 0;
    case OPTION_LIST:
        strv_add(place, value);
        return 0;
    case OPTION_INT:
        r = parse_int64(value, INT64_MIN, INT64_MAX, place);
        return r < 0 ? invalid_number(o, value, r, err) : 0;
    case OPTION_BYTES:
        r = parse_size(value, o->flags & OPTION_MINUS_ONE, place);
        return r < 0 ? invalid_size(o, value, err) : 0;
    case OPTION_DURATION:
        if (parse_duration(value, place) < 0) {
            CLEANUP_FREE char *why = xasprintf("time: invalid duration \"%s\"", value);
            return invalid_argument(o, value, why, err);
        }
        return 0;
    case OPTION_CPUS:
        if (parse_nano_cpus(value, place) < 0) {
            CLEANUP_FREE char *why = xasprintf("failed to parse %s as a rational number", value);
            return invalid_argument(o, value, why, err);
        }
        return 0;
    }
    return 0;
}

static int set_option(const struct option *o, const char *value, void *flags, struct error *err)
{
    bool off = false;
    if (o->flags & OPTION_REFUSED && o->type == OPTION_BOOL && parse_bool(value, &off) == 0 && !off)
        return 0; /* --menu=false asks for nothing */
    if (o->flags & OPTION_REFUSED)
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "--%s is not supported", o->name);
    bool filter = o->value_name && strcmp(o->value_name, "filter") == 0;
    if (filter && *value && !strchr(value, '='))
        return invalid_argument(o, value, "bad format of filter (expected name=value)", err);
    if (o->check) {
        struct error why = {0};
        if (o->check(value, &why) < 0)
            return invalid_argument(o, value, why.message, err);
    }
    int r = store_value(o, value, (char *)flags + o->offset, err);
    if (r == 0 && o->given_offset)
        *(bool *)((char *)flags + o->given_offset) = true;
    return r;
}

/* One "--name[=value]". *used is 2 when the next argument was its value. */
static int parse_long(const struct option_parse *parse, const char *text, const char *next, void *flags, int *used,
                      bool *ret_help, struct error *err)
{
    const char *equals = strchr(text, '=');
    size_t size = equals ? (size_t)(equals - text) : strlen(text);
    const struct option *o = options_find(parse->options, text, size);
    if (!o && (o = options_find(parse->inherited, text, size))) {
        o = o->flags & OPTION_INHERITED ? o : NULL;
        flags = parse->inherited_flags;
    }
    if (!o && size == 4 && memcmp(text, "help", 4) == 0) {
        bool asked = true;
        if (equals && parse_bool(equals + 1, &asked) < 0)
            return error_set(
                err, ERROR_INVALID, 0,
                "invalid argument \"%s\" for \"--help\" flag: strconv.ParseBool: parsing \"%s\": invalid syntax",
                equals + 1, equals + 1);
        *ret_help = *ret_help || asked;
        return 0;
    }
    if (!o)
        return error_set(err, ERROR_INVALID, 0, "unknown flag: --%.*s", (int)size, text);
    if (equals)
        return set_option(o, equals + 1, flags, err);
    if (o->type == OPTION_BOOL)
        return set_option(o, "true", flags, err);
    if (!next)
        return error_set(err, ERROR_INVALID, 0, "flag needs an argument: --%s", o->name);
    *used = 2;
    return set_option(o, next, flags, err);
}

/* One "-abc", "-nVALUE" or "-n VALUE". */
static int parse_short(const struct option_parse *parse, const char *text, const char *next, void *flags, int *used,
                       bool *ret_help, struct error *err)
{
    for (const char *p = text; *p; p++) {
        const struct option *o = options_find_letter(parse->options, *p);
        if (!o && *p == 'h') {
            *ret_help = true;
            return 0;
        }
        if (!o)
            return error_set(err, ERROR_INVALID, 0, "unknown shorthand flag: '%c' in -%s", *p, p);
        if (o->type == OPTION_BOOL && p[1] != '=') {
            int r = set_option(o, "true", flags, err);
            if (r < 0)
                return r;
            continue;
        }
        if (p[1] == '=')
            return set_option(o, p + 2, flags, err);
        if (p[1])
            return set_option(o, p + 1, flags, err);
        if (!next)
            return error_set(err, ERROR_INVALID, 0, "flag needs an argument: '%c' in -%s", *p, p);
        *used = 2;
        return set_option(o, next, flags, err);
    }
    return 0;
}

int options_parse(const struct option_parse *parse, int argc, char **argv, void *flags, struct strv *arguments,
                  bool *ret_help, struct error *err)
{
    bool only_arguments = false;
    for (int i = 0; i < argc;) {
        const char *arg = argv[i], *next = i + 1 < argc ? argv[i + 1] : NULL;
        int used = 1, r = 0;
        if (only_arguments || arg[0] != '-' || arg[1] == '\0') {
            strv_add(arguments, arg);
            only_arguments = only_arguments || parse->stop_at_argument;
        } else if (strcmp(arg, "--") == 0) {
            only_arguments = true;
        } else if (arg[1] == '-') {
            r = parse_long(parse, arg + 2, next, flags, &used, ret_help, err);
        } else {
            r = parse_short(parse, arg + 1, next, flags, &used, ret_help, err);
        }
        if (r < 0)
            return r;
        if (*ret_help)
            return 0;
        i += used;
    }
    return 0;
}

/* The flag whose value the next word is, after `word`; NULL when it takes none or has it already. */
static const struct option *waits_for_value(const struct option *options, const char *word)
{
    const struct option *o;
    if (word[0] != '-' || word[1] == '\0' || strchr(word, '='))
        return NULL;
    if (word[1] == '-')
        o = options_find(options, word + 2, strlen(word + 2));
    else
        o = options_find_letter(options, word[strlen(word) - 1]);
    return o && o->type != OPTION_BOOL ? o : NULL;
}

size_t options_skip(const struct option *options, char *const *words, size_t count, const struct option **ret_waiting)
{
    size_t i = 0;
    if (ret_waiting)
        *ret_waiting = NULL;
    while (i < count && words[i][0] == '-') {
        const struct option *o = waits_for_value(options, words[i++]);
        if (o && i == count && ret_waiting)
            *ret_waiting = o;
        i += o && i < count;
    }
    return i;
}

void options_release(const struct option *options, void *flags)
{
    for (const struct option *o = options; o && o->name; o++) {
        if (o->flags & OPTION_REFUSED)
            continue;
        void *place = (char *)flags + o->offset;
        if (o->type == OPTION_STRING)
            xstrset(place, NULL);
        else if (o->type == OPTION_LIST)
            strv_release(place);
    }
}

/* Text is broken this much earlier than it must, unless its rest fits: docker's way of wrapping. */
#define WRAP_SLOP 5

/* How much of the text goes into a line of `room` columns. */
static size_t line_take(const char *text, size_t room)
{
    size_t line = strcspn(text, "\n"), left = strlen(text);
    if (left <= room && line == left)
        return left;
    size_t limit = room - WRAP_SLOP;
    if (line < limit)
        return line;
    size_t take = limit;
    while (take > 0 && text[take] != ' ')
        take--;
    return take > 0 ? take : strcspn(text, " \n");
}

/* Prints text in a column that starts at `indent`, breaking at blanks; newlines in the text are kept. */
static void print_wrapped(FILE *out, const char *text, int indent, int width)
{
    size_t room = width - indent < 24 ? 24 : (size_t)(width - indent);
    bool first = true;
    if (!*text)
        fprintf(out, "\n");
    while (*text) {
        size_t take = line_take(text, room);
        fprintf(out, "%*s%.*s\n", first ? 0 : indent, "", (int)take, text);
        first = false;
        text += take;
        if (*text == ' ' || *text == '\n')
            text++;
    }
}

static bool is_visible(const struct option *o)
{
    return !(o->flags & (OPTION_HIDDEN | OPTION_REFUSED));
}

bool options_visible(const struct option *options)
{
    for (const struct option *o = options; o && o->name; o++) {
        if (is_visible(o))
            return true;
    }
    return false;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct option *const *)a)->name, (*(const struct option *const *)b)->name);
}

static void print_row(FILE *out, const struct option *o, int column, int width)
{
    CLEANUP_STRBUF struct strbuf head = STRBUF_INIT;
    if (o->letter)
        strbuf_addf(&head, "  -%c, --%s", o->letter, o->name);
    else
        strbuf_addf(&head, "      --%s", o->name);
    if (o->value_name)
        strbuf_addf(&head, " %s", o->value_name);
    fprintf(out, "%-*s", column, strbuf_str(&head));
    print_wrapped(out, o->help, column, width - 1);
}

struct rows {
    const struct option **items;
    size_t count, capacity, widest;
};

static void add_row(struct rows *rows, const struct option *o)
{
    size_t size = strlen(o->name) + (o->value_name ? 1 + strlen(o->value_name) : 0);
    rows->widest = size > rows->widest ? size : rows->widest;
    xgrow((void **)&rows->items, rows->count, &rows->capacity, sizeof(const struct option *));
    rows->items[rows->count++] = o;
}

void options_print(FILE *out, const struct option *options, const struct option *inherited, int width)
{
    struct rows rows = {0};
    for (const struct option *o = options; o && o->name; o++) {
        if (is_visible(o))
            add_row(&rows, o);
    }
    for (const struct option *o = options_inherited(inherited); o; o = options_inherited(o + 1))
        add_row(&rows, o);
    if (rows.count > 0)
        qsort(rows.items, rows.count, sizeof(const struct option *), by_name);
    for (size_t i = 0; i < rows.count; i++)
        print_row(out, rows.items[i], 2 + 4 + 2 + (int)rows.widest + 3, width);
    free(rows.items);
}
