#include "cmd/doryd/options_refused.h"
#include "cmd/doryd/options_rows.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/parse.h"
#include "daemon/runtimes.h"

#define CONFIG_FILE_MAX ((size_t)1024 * 1024)

static void *field(struct daemon_options *options, const struct row *row)
{
    return (char *)options + row->offset;
}

static const void *const_field(const struct daemon_options *options, const struct row *row)
{
    return (const char *)options + row->offset;
}

/* One value in text form. */
static int set_text(struct daemon_options *options, const struct row *row, const char *value, struct error *err)
{
    void *at = field(options, row);
    const char *equals;

    switch (row->type) {
    case ROW_STRING:
        xstrset(at, value);
        return 0;
    case ROW_LIST:
        strv_add(at, value);
        return 0;
    case ROW_BOOL:
        if (parse_bool(value, at) < 0)
            return error_set(err, ERROR_INVALID, 0, "invalid argument \"%s\" for \"--%s\" flag: not a boolean value",
                             value, row->flag);
        return 0;
    case ROW_INT:
        if (parse_int64(value, INT32_MIN, INT32_MAX, at) < 0)
            return error_set(err, ERROR_INVALID, 0, "invalid argument \"%s\" for \"--%s\" flag: not a whole number",
                             value, row->flag);
        return 0;
    case ROW_MAP:
    case ROW_ULIMITS:
    case ROW_RUNTIMES:
        equals = strchr(value, '=');
        if (!equals || equals == value)
            return error_set(err, ERROR_INVALID, 0, "invalid argument \"%s\" for \"--%s\" flag: key=value is expected",
                             value, row->flag);
        {
            CLEANUP_FREE char *name = xstrndup(value, (size_t)(equals - value));
            CLEANUP_FREE char *command = row->type == ROW_RUNTIMES ? runtimes_encode(equals + 1, NULL) : NULL;

            strmap_set(at, name, command ? command : equals + 1);
        }
        return 0;
    }
    return 0;
}

/* For messages: the value as dockerd would print it. */
static char *get_text(const struct daemon_options *options, const struct row *row)
{
    const void *at = const_field(options, row);
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;

    switch (row->type) {
    case ROW_STRING:
        return xstrdup(*(char *const *)at ? *(char *const *)at : "");
    case ROW_BOOL:
        return xstrdup(*(const bool *)at ? "true" : "false");
    case ROW_INT:
        return xasprintf("%" PRId64, *(const int64_t *)at);
    case ROW_LIST: {
        CLEANUP_FREE char *joined = strv_join(at, " ");

        return xasprintf("[%s]", joined);
    }
    case ROW_MAP:
    case ROW_ULIMITS:
    case ROW_RUNTIMES:
        for (size_t i = 0; i < ((const struct strmap *)at)->count; i++) {
            const struct strmap_entry *entry = &((const struct strmap *)at)->items[i];

            strbuf_addf(&text, "%s%s:%s", i ? " " : "", entry->key, entry->value);
        }
        return xasprintf("map[%s]", strbuf_str(&text));
    }
    return NULL;
}

static void release_row(struct daemon_options *options, const struct row *row)
{
    void *at = field(options, row);

    if (row->type == ROW_STRING)
        xstrset(at, NULL);
    else if (row->type == ROW_LIST)
        strv_release(at);
    else if (row->type == ROW_MAP || row->type == ROW_ULIMITS || row->type == ROW_RUNTIMES)
        strmap_release(at);
}

void daemon_options_init(struct daemon_options *options)
{
    pthread_rwlock_init(&options->reload, NULL);
    for (size_t i = 0; i < option_row_count; i++) {
        if (option_rows[i].initial && option_rows[i].type != ROW_LIST)
            set_text(options, &option_rows[i], option_rows[i].initial, NULL);
    }
}

void daemon_options_release(struct daemon_options *options)
{
    for (size_t i = 0; i < option_row_count; i++)
        release_row(options, &option_rows[i]);
    pthread_rwlock_destroy(&options->reload);
}

void invocation_release(struct invocation *invocation)
{
    free(invocation->config_file);
    invocation->config_file = NULL;
}

/* ---- flags ---- */

static const struct row *find_flag(const char *name, size_t size)
{
    for (size_t i = 0; i < option_row_count; i++) {
        if (!(option_rows[i].flags & ROW_JSON_ONLY) && strlen(option_rows[i].flag) == size &&
            strncmp(option_rows[i].flag, name, size) == 0)
            return &option_rows[i];
    }
    return NULL;
}

static const struct row *find_letter(char letter)
{
    for (size_t i = 0; i < option_row_count; i++) {
        if (option_rows[i].letter == letter)
            return &option_rows[i];
    }
    return NULL;
}

/* Flags that are no settings. */
static bool take_special(struct invocation *invocation, const char *argument)
{
    const struct {
        const char *name;
        bool *flag;
    } specials[] = {{"--help", &invocation->help},         {"-h", &invocation->help},
                    {"--version", &invocation->version},   {"-v", &invocation->version},
                    {"--validate", &invocation->validate}, {"--man", &invocation->man}};

    for (size_t i = 0; i < ARRAY_SIZE(specials); i++) {
        if (strcmp(argument, specials[i].name) == 0) {
            *specials[i].flag = true;
            return true;
        }
    }
    return false;
}

struct flags {
    int argc;
    char **argv;
    int at;
    bool given[OPTION_ROWS_MAX];
};

/* The value of the flag at flags->at: behind "=", right behind the letter, or the next argument. */
static const char *flag_value(struct flags *flags, const char *inline_value, bool is_bool)
{
    if (inline_value)
        return inline_value;
    if (is_bool)
        return "true";
    return flags->at + 1 < flags->argc ? flags->argv[++flags->at] : NULL;
}

static int take_flag(struct daemon_options *options, struct invocation *invocation, struct flags *flags,
                     struct error *err)
{
    const char *argument = flags->argv[flags->at], *value = NULL;
    bool is_long = strncmp(argument, "--", 2) == 0;
    size_t size = is_long ? strcspn(argument + 2, "=") : 1;
    const struct row *row = is_long ? find_flag(argument + 2, size) : find_letter(argument[1]);

    if (is_long && argument[2 + size])
        value = argument + 2 + size + 1;
    else if (!is_long && argument[2])
        value = argument + 2 + (argument[2] == '=');
    if (is_long && size == strlen("config-file") && strncmp(argument + 2, "config-file", size) == 0) {
        value = flag_value(flags, value, false);
        if (value)
            xstrset(&invocation->config_file, value);
        return value ? 0 : error_set(err, ERROR_INVALID, 0, "flag needs an argument: --config-file");
    }
    if (!row && is_long) {
        const struct refused *refused = refused_flag(argument + 2, size);

        if (refused)
            return refused_take(refused, flag_value(flags, value, refused->is_bool), err);
        return error_set(err, ERROR_INVALID, 0, "unknown flag: %.*s", (int)size + 2, argument);
    }
    if (!row)
        return error_set(err, ERROR_INVALID, 0, "unknown shorthand flag: '%c' in %s", argument[1], argument);
    value = flag_value(flags, value, row->type == ROW_BOOL);
    if (!value)
        return error_set(err, ERROR_INVALID, 0, "flag needs an argument: --%s", row->flag);
    flags->given[row - option_rows] = true;
    return set_text(options, row, value, err);
}

static int parse_flags(struct daemon_options *options, struct invocation *invocation, struct flags *flags,
                       struct error *err)
{
    for (flags->at = 1; flags->at < flags->argc; flags->at++) {
        const char *argument = flags->argv[flags->at];
        int r;

        if (take_special(invocation, argument))
            continue;
        if (argument[0] != '-' || !argument[1])
            return error_set(err, ERROR_INVALID, 0, "unknown argument: %s (doryd takes no arguments)", argument);
        r = take_flag(options, invocation, flags, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- daemon.json ---- */

static int wrong_type(const struct row *row, const char *expected, struct error *err)
{
    return error_set(err, ERROR_INVALID, 0, "%s: expected %s", option_key(row), expected);
}

static int set_json_list(struct daemon_options *options, const struct row *row, const struct json *value,
                         struct error *err)
{
    if (value->kind != JSON_ARRAY)
        return wrong_type(row, "a list of strings", err);
    for (size_t i = 0; i < value->array.count; i++) {
        const char *text = json_string(&value->array.items[i]);

        if (!text)
            return wrong_type(row, "a list of strings", err);
        strv_add(field(options, row), text);
    }
    return 0;
}

/* [{"base": "10.10.0.0/16", "size": 24}], kept as on the command line: "base=10.10.0.0/16,size=24". */
static int set_json_pools(struct daemon_options *options, const struct row *row, const struct json *value,
                          struct error *err)
{
    for (size_t i = 0; i < json_count(value); i++) {
        const struct json *pool = json_at(value, i);
        const char *base = json_get_string(pool, "base");

        if (!base)
            return wrong_type(row, "a list of {\"base\", \"size\"}", err);
        strv_addf(field(options, row), "base=%s,size=%" PRId64, base, json_get_int(pool, "size", 0));
    }
    return value->kind == JSON_ARRAY ? 0 : wrong_type(row, "a list of {\"base\", \"size\"}", err);
}

/* {"nofile": {"Name": "nofile", "Soft": 1024, "Hard": 2048}}, kept as on the command line: "1024:2048". */
static int set_json_ulimits(struct daemon_options *options, const struct row *row, const struct json *value,
                            struct error *err)
{
    for (size_t i = 0; value->kind == JSON_OBJECT && i < value->object.count; i++) {
        const struct json *limit = &value->object.values[i];
        const struct json *soft = json_get(limit, "Soft"), *hard = json_get(limit, "Hard");
        CLEANUP_FREE char *text = NULL;

        if (!soft || !hard || soft->kind != JSON_INTEGER || hard->kind != JSON_INTEGER)
            return wrong_type(row, "an object of {\"Name\", \"Soft\", \"Hard\"}", err);
        text = xasprintf("%" PRId64 ":%" PRId64, soft->integer, hard->integer);
        strmap_set(field(options, row), value->object.keys[i], text);
    }
    return value->kind == JSON_OBJECT ? 0 : wrong_type(row, "an object of ulimits", err);
}

/* {"runc": {"path": "/usr/sbin/runc", "runtimeArgs": ["--debug"]}}: program and arguments are kept as one value. */
static int set_json_runtimes(struct daemon_options *options, const struct row *row, const struct json *value,
                             struct error *err)
{
    for (size_t i = 0; value->kind == JSON_OBJECT && i < value->object.count; i++) {
        const struct json *runtime = &value->object.values[i], *list = json_get(runtime, "runtimeArgs");
        const char *path = json_get_string(runtime, "path"), *name = value->object.keys[i];
        CLEANUP_STRV struct strv arguments = STRV_INIT;
        CLEANUP_FREE char *command = NULL;

        if (json_get(runtime, "runtimeType") || json_get(runtime, "options"))
            return error_set(err, ERROR_NOT_IMPLEMENTED, 0,
                             "%s: %s: runtimeType and options name containerd's shims, which are not there: path is "
                             "expected",
                             option_key(row), name);
        if (!path || (list && list->kind != JSON_ARRAY && list->kind != JSON_NULL))
            return wrong_type(row, "an object of {\"path\", \"runtimeArgs\"}", err);
        for (size_t j = 0; j < json_count(list); j++) {
            if (!json_string(json_at(list, j)))
                return wrong_type(row, "an object of {\"path\", \"runtimeArgs\"}", err);
            strv_add(&arguments, json_string(json_at(list, j)));
        }
        command = runtimes_encode(path, &arguments);
        strmap_set(field(options, row), name, command);
    }
    return value->kind == JSON_OBJECT ? 0 : wrong_type(row, "an object of runtimes", err);
}

static int set_json_map(struct daemon_options *options, const struct row *row, const struct json *value,
                        struct error *err)
{
    bool switches = row->flags & ROW_BOOLS;

    for (size_t i = 0; i < value->object.count; i++) {
        const struct json *item = &value->object.values[i];
        const char *text = !switches                 ? json_string(item)
                           : item->kind != JSON_BOOL ? NULL
                           : item->boolean           ? "true"
                                                     : "false";

        if (!text)
            return wrong_type(row, switches ? "an object of true and false" : "an object of strings", err);
        strmap_set(field(options, row), value->object.keys[i], text);
    }
    return 0;
}

static int set_json(struct daemon_options *options, const struct row *row, const struct json *value, struct error *err)
{
    switch (row->type) {
    case ROW_STRING:
        if (value->kind != JSON_STRING)
            return wrong_type(row, "a string", err);
        xstrset(field(options, row), value->string.data);
        return 0;
    case ROW_BOOL:
        if (value->kind != JSON_BOOL)
            return wrong_type(row, "true or false", err);
        *(bool *)field(options, row) = value->boolean;
        return 0;
    case ROW_INT:
        if (value->kind != JSON_INTEGER || value->integer < INT32_MIN || value->integer > INT32_MAX)
            return wrong_type(row, "a whole number", err);
        *(int64_t *)field(options, row) = value->integer;
        return 0;
    case ROW_LIST:
        return row->flags & ROW_POOLS ? set_json_pools(options, row, value, err)
                                      : set_json_list(options, row, value, err);
    case ROW_ULIMITS:
        return set_json_ulimits(options, row, value, err);
    case ROW_RUNTIMES:
        return set_json_runtimes(options, row, value, err);
    case ROW_MAP:
        if (value->kind != JSON_OBJECT)
            return wrong_type(row, "an object of strings", err);
        return set_json_map(options, row, value, err);
    }
    return 0;
}

static const struct row *find_key(const char *key)
{
    for (size_t i = 0; i < option_row_count; i++) {
        if (!(option_rows[i].flags & ROW_NO_JSON) && strcmp(option_key(&option_rows[i]), key) == 0)
            return &option_rows[i];
    }
    return NULL;
}

/* Both sides of a conflict, as dockerd prints them: "log-level: (from flag: debug, from file: info)". */
static void describe_conflict(const struct daemon_options *options, const struct row *row, const struct json *value,
                              struct strv *conflicts)
{
    struct daemon_options file = {0};
    CLEANUP_FREE char *flag_text = get_text(options, row), *file_text = NULL;

    set_json(&file, row, value, NULL);
    file_text = get_text(&file, row);
    release_row(&file, row);
    strv_addf(conflicts, "%s: (from flag: %s, from file: %s)", option_key(row), flag_text, file_text);
}

static int check_keys(const struct daemon_options *options, const struct json *tree, const bool *given,
                      struct error *err)
{
    CLEANUP_STRV struct strv unknown = STRV_INIT, conflicts = STRV_INIT;
    CLEANUP_FREE char *list = NULL;

    for (size_t i = 0; i < tree->object.count; i++) {
        const struct row *row = find_key(tree->object.keys[i]);

        const struct refused *refused = row ? NULL : refused_key(tree->object.keys[i]);

        if (refused) {
            int r = refused_take_json(refused, &tree->object.values[i], err);

            if (r < 0)
                return r;
        } else if (!row) {
            strv_add(&unknown, tree->object.keys[i]);
        } else if (given && given[row - option_rows]) {
            describe_conflict(options, row, &tree->object.values[i], &conflicts);
        }
    }
    if (unknown.count > 0) {
        list = strv_join(&unknown, ", ");
        return error_set(err, ERROR_INVALID, 0, "the following directives don't match any configuration option: %s",
                         list);
    }
    if (conflicts.count > 0) {
        list = strv_join(&conflicts, ", ");
        return error_set(err, ERROR_INVALID, 0,
                         "the following directives are specified both as a flag and in the configuration file: %s",
                         list);
    }
    return 0;
}

int daemon_options_read_json(struct daemon_options *options, const char *text, size_t size, const bool *given,
                             struct error *err)
{
    CLEANUP_JSON struct json *tree = NULL;
    int r;

    if (strspn(text, " \t\r\n") == size)
        return 0; /* dockerd takes an empty file for an empty object */
    r = json_parse(text, size, &tree, err);
    if (r < 0)
        return r;
    if (tree->kind != JSON_OBJECT)
        return error_set(err, ERROR_INVALID, 0, "not a JSON object");
    r = check_keys(options, tree, given, err);
    for (size_t i = 0; r == 0 && i < tree->object.count; i++) {
        const struct row *row = find_key(tree->object.keys[i]);

        r = row ? set_json(options, row, &tree->object.values[i], err) : 0; /* else it says what is so anyway */
    }
    return r;
}

static int read_config_file(struct daemon_options *options, const struct invocation *invocation, const bool *given,
                            struct error *err)
{
    const char *path = invocation->config_file ? invocation->config_file : DEFAULT_CONFIG_FILE;
    CLEANUP_FREE char *text = NULL;
    struct error own = {0};
    size_t size = 0;
    int r = file_read(AT_FDCWD, path, CONFIG_FILE_MAX, &text, &size, &own);

    if (r == -ENOENT && !invocation->config_file)
        return 0;
    if (r == 0)
        r = daemon_options_read_json(options, text, size, given, &own);
    if (r < 0) {
        error_context(&own, "unable to configure the Dory daemon with file %s", path);
        return error_propagate(err, &own);
    }
    return 0;
}

/* ---- the whole ---- */

int daemon_options_load(struct daemon_options *options, struct invocation *invocation, int argc, char **argv,
                        struct error *err)
{
    struct flags flags = {.argc = argc, .argv = argv};
    int r = parse_flags(options, invocation, &flags, err);

    if (r < 0 || invocation->help || invocation->man || invocation->version)
        return r;
    r = read_config_file(options, invocation, flags.given, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < option_row_count; i++) {
        if (option_rows[i].type == ROW_LIST && option_rows[i].initial &&
            ((const struct strv *)const_field(options, &option_rows[i]))->count == 0)
            set_text(options, &option_rows[i], option_rows[i].initial, NULL);
    }
    if (options->debug)
        xstrset(&options->log_level, "debug");
    return daemon_options_check(options, err);
}

static void swap_row(struct daemon_options *a, struct daemon_options *b, const struct row *row)
{
    static const size_t sizes[] = {sizeof(char *),        sizeof(struct strv),   sizeof(bool),         sizeof(int64_t),
                                   sizeof(struct strmap), sizeof(struct strmap), sizeof(struct strmap)};
    char kept[sizeof(struct strmap)];

    memcpy(kept, field(a, row), sizes[row->type]);
    memcpy(field(a, row), field(b, row), sizes[row->type]);
    memcpy(field(b, row), kept, sizes[row->type]);
}

void daemon_options_reload(struct daemon_options *options, struct daemon_options *from, struct strv *ignored)
{
    pthread_rwlock_wrlock(&options->reload);
    for (size_t i = 0; i < option_row_count; i++) {
        CLEANUP_FREE char *now = get_text(options, &option_rows[i]), *then = get_text(from, &option_rows[i]);

        if (strcmp(now, then) == 0)
            continue;
        if (option_rows[i].flags & ROW_RELOAD)
            swap_row(options, from, &option_rows[i]);
        else
            strv_add(ignored, option_key(&option_rows[i]));
    }
    pthread_rwlock_unlock(&options->reload);
    daemon_options_release(from);
}

static char *describe(const struct daemon_options *options, const struct row *row)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    const struct strmap *map = const_field(options, row);
    const struct strv *list = const_field(options, row);
    struct json_writer w;

    if (row->type == ROW_STRING || row->type == ROW_BOOL || row->type == ROW_INT)
        return get_text(options, row);
    json_writer_init(&w, &text);
    if (row->type == ROW_LIST) {
        json_begin_array(&w);
        for (size_t i = 0; i < list->count; i++)
            json_put_string(&w, list->items[i]);
        json_end_array(&w);
    } else {
        json_begin_object(&w);
        for (size_t i = 0; i < map->count; i++)
            json_member_string(&w, map->items[i].key, map->items[i].value);
        json_end_object(&w);
    }
    return strbuf_take(&text);
}

void daemon_options_describe(const struct daemon_options *options, struct strmap *ret)
{
    for (size_t i = 0; i < option_row_count; i++) {
        if (option_rows[i].flags & ROW_RELOAD) {
            CLEANUP_FREE char *text = describe(options, &option_rows[i]);

            strmap_set(ret, option_key(&option_rows[i]), text);
        }
    }
}
