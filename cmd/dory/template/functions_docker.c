/* The functions that docker adds: json, split, join, title, lower, upper, pad, truncate. Their arguments have the right
 * types when they are called. */
#include <string.h>

#include "base/utf8.h"
#include "cmd/dory/template/functions.h"
#include "cmd/dory/template/letter_case.h"

/* Blanks that pad adds at most on a side. */
#define PAD_MAX 65536

static const struct json *text_of(const struct call *call, size_t i)
{
    return call->args[i].json;
}

/* A row of a list as docker writes it: by name, without what is only there for `.Label`, and with <, > and & escaped as
 * Go does where nobody asks it not to. */
static void print_row(const struct json *row, struct strbuf *out)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    CLEANUP_FREE size_t *order = value_sorted_keys(row);
    strbuf_addc(&text, '{');
    for (size_t i = 0; i < row->object.count; i++) {
        const char *key = row->object.keys[order[i]];
        if (strcmp(key, "LabelMap") == 0)
            continue;
        strbuf_adds(&text, text.size > 1 ? "," : "");
        json_quote(&text, key, strlen(key));
        strbuf_addc(&text, ':');
        value_print_json((struct value){&row->object.values[order[i]], GO_ANY}, &text);
    }
    strbuf_addc(&text, '}');
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c == '<' || c == '>' || c == '&')
            strbuf_addf(out, "\\u%04x", c);
        else
            strbuf_addc(out, c);
    }
}

static int function_json(const struct call *call, struct value *ret, struct error *err)
{
    (void)err;
    if (call->header) {
        *ret = call->args[0];
        return 0;
    }
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    if (value_kind(call->args[0]) == JSON_OBJECT && json_get(call->args[0].json, "LabelMap"))
        print_row(call->args[0].json, &text);
    else
        value_print_json(call->args[0], &text);
    *ret = value_string(call->arena, strbuf_str(&text), text.size);
    return 0;
}

static int function_join(const struct call *call, struct value *ret, struct error *err)
{
    (void)err;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct value list = call->args[0];
    for (size_t i = 0; value_kind(list) == JSON_ARRAY && i < list.json->array.count; i++) {
        if (i > 0)
            strbuf_add(&text, text_of(call, 1)->string.data, text_of(call, 1)->string.size);
        value_print(value_element(list, i), &text);
    }
    *ret = value_string(call->arena, strbuf_str(&text), text.size);
    return 0;
}

/* Where the next piece of text (which ends at `end`) ends; an empty separator cuts between characters. */
static const char *piece_end(const char *p, const char *end, const struct json *separator)
{
    if (separator->string.size > 0)
        return memmem(p, (size_t)(end - p), separator->string.data, separator->string.size);
    size_t n = utf8_sequence(p, (size_t)(end - p));
    p += n ? n : 1;
    return p < end ? p : NULL;
}

static int function_split(const struct call *call, struct value *ret, struct error *err)
{
    (void)err;
    struct json *list = xcalloc(1, sizeof(*list));
    const struct json *text = text_of(call, 0), *separator = text_of(call, 1);
    const char *p = text->string.data, *end = p + text->string.size;
    size_t capacity = 0;
    list->kind = JSON_ARRAY;
    while (p && !(separator->string.size == 0 && p == end)) {
        const char *cut = piece_end(p, end, separator);
        size_t size = (size_t)((cut ? cut : end) - p);
        xgrow((void **)&list->array.items, list->array.count, &capacity, sizeof(struct json));
        struct json *item = &list->array.items[list->array.count++];
        *item = (struct json){.kind = JSON_STRING};
        item->string.data = xmemdup(p, size + 1);
        item->string.data[size] = '\0';
        item->string.size = size;
        p = cut ? cut + separator->string.size : NULL;
    }
    *ret = value_take(call->arena, list);
    ret->type = GO_SLICE;
    return 0;
}

static int change_case(const struct call *call, enum letter_case to, struct value *ret)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    if (call->header) {
        *ret = call->args[0];
        return 0;
    }
    letter_case(text_of(call, 0)->string.data, text_of(call, 0)->string.size, to, &text);
    *ret = value_string(call->arena, strbuf_str(&text), text.size);
    return 0;
}

static int function_lower(const struct call *call, struct value *ret, struct error *err)
{
    (void)err;
    return change_case(call, CASE_LOWER, ret);
}

static int function_upper(const struct call *call, struct value *ret, struct error *err)
{
    (void)err;
    return change_case(call, CASE_UPPER, ret);
}

static int function_title(const struct call *call, struct value *ret, struct error *err)
{
    (void)err;
    return change_case(call, CASE_TITLE, ret);
}

static int function_pad(const struct call *call, struct value *ret, struct error *err)
{
    int64_t before = call->args[1].json->integer, after = call->args[2].json->integer;
    const struct json *text = text_of(call, 0);
    if (text->string.size == 0) {
        *ret = call->args[0];
        return 0;
    }
    if (before < 0 || after < 0)
        return error_set(err, ERROR_INVALID, 0, "strings: negative Repeat count");
    if (before > PAD_MAX || after > PAD_MAX)
        return error_set(err, ERROR_INVALID, 0, "strings: Repeat count beyond %d", PAD_MAX);
    CLEANUP_FREE char *padded = xasprintf("%*s%s%*s", (int)before, "", text->string.data, (int)after, "");
    *ret = value_string(call->arena, padded, strlen(padded));
    return 0;
}

static int function_truncate(const struct call *call, struct value *ret, struct error *err)
{
    const struct json *text = text_of(call, 0);
    int64_t limit = call->args[1].json->integer;
    if (limit < 0)
        return error_set(err, ERROR_INVALID, 0, "runtime error: slice bounds out of range [:%lld]", (long long)limit);
    *ret = call->args[0];
    if (!call->header && (uint64_t)limit < text->string.size)
        *ret = value_string(call->arena, text->string.data, (size_t)limit);
    return 0;
}

const struct function docker_functions[] = {
    {"join", function_join, 2, 2, {ARGUMENT_STRINGS, ARGUMENT_STRING}},
    {"json", function_json, 1, 1, {ARGUMENT_ANY}},
    {"lower", function_lower, 1, 1, {ARGUMENT_STRING}},
    {"pad", function_pad, 3, 3, {ARGUMENT_STRING, ARGUMENT_INT, ARGUMENT_INT}},
    {"split", function_split, 2, 2, {ARGUMENT_STRING, ARGUMENT_STRING}},
    {"title", function_title, 1, 1, {ARGUMENT_STRING}},
    {"truncate", function_truncate, 2, 2, {ARGUMENT_STRING, ARGUMENT_INT}},
    {"upper", function_upper, 1, 1, {ARGUMENT_STRING}},
};
const size_t docker_function_count = ARRAY_SIZE(docker_functions);
