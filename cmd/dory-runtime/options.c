#include <errno.h>
#include <stdio.h>

#include "base/memory.h"
#include "base/parse.h"
#include "base/strbuf.h"
#include "cmd/dory-runtime/runtime.h"

static const struct option_row *find(const struct option_row *rows, const char *name, size_t size)
{
    for (; rows->name != NULL; rows++)
        if ((strlen(rows->name) == size && strncmp(rows->name, name, size) == 0) ||
            (size == 1 && rows->letter != '\0' && rows->letter == name[0]))
            return rows;
    return NULL;
}

void options_print(const struct option_row *rows)
{
    for (; rows->name != NULL; rows++) {
        CLEANUP_STRBUF struct strbuf left = STRBUF_INIT;
        if (rows->letter != '\0')
            strbuf_addf(&left, "  -%c, --%s", rows->letter, rows->name);
        else
            strbuf_addf(&left, "      --%s", rows->name);
        if (rows->flag == NULL)
            strbuf_adds(&left, " VALUE");
        printf("%-32s %s%s\n", strbuf_str(&left), rows->help, rows->list != NULL ? " (may be repeated)" : "");
    }
}

/* `-h` only where no row of the command claims the letter. */
static bool is_help(const struct option_row *rows, const char *name)
{
    return (strcmp(name, "help") == 0 || strcmp(name, "h") == 0) && find(rows, name, strlen(name)) == NULL;
}

static int take_flag(const struct option_row *row, const char *text, struct error *err)
{
    bool value = true;
    if (text != NULL && parse_bool(text, &value) < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid boolean value \"%s\" for -%s", text, row->name);
    *row->flag = value;
    if (row->given != NULL)
        *row->given = true;
    return 0;
}

int options_parse(const struct option_row *rows, int argc, char **argv, int *ret_first, struct error *err)
{
    int i = 1;
    for (; i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        const char *name = argv[i] + 1 + (argv[i][1] == '-');
        if (is_help(rows, name))
            command_help(argv[0], rows);
        const char *equals = strchr(name, '=');
        const struct option_row *row = find(rows, name, equals != NULL ? (size_t)(equals - name) : strlen(name));
        if (row == NULL)
            return error_set(err, ERROR_INVALID, 0, "flag provided but not defined: -%s", name);
        if (row->flag != NULL) {
            int r = take_flag(row, equals != NULL ? equals + 1 : NULL, err);
            if (r < 0)
                return r;
            continue;
        }
        if (equals == NULL && i + 1 >= argc)
            return error_set(err, ERROR_INVALID, 0, "flag needs an argument: -%s", name);
        const char *value = equals != NULL ? equals + 1 : argv[++i];
        if (row->list != NULL)
            strv_add(row->list, value);
        else
            *row->text = value;
    }
    *ret_first = i;
    return 0;
}

int option_number(const char *option, const char *text, int64_t min, int64_t max, int64_t *ret, struct error *err)
{
    return parse_int64(text, min, max, ret) < 0
               ? error_set(err, ERROR_INVALID, 0, "invalid value \"%s\" for --%s", text, option)
               : 0;
}

/* Finds arguments and options in any order; the arguments are put at the end of argv. */
static int parse_mixed(const struct option_row *rows, int argc, char **argv, int *ret_first, struct error *err)
{
    CLEANUP_FREE char **arguments = xcalloc((size_t)argc + 1, sizeof(*arguments));
    char *command = argv[0];
    size_t count = 0;
    for (int at = 0; at < argc;) {
        int first;
        argv[at] = command; /* what --help is about; an argument that stood here is in `arguments` */
        int r = options_parse(rows, argc - at, argv + at, &first, err);
        if (r < 0)
            return r;
        at += first;
        bool only_arguments = strcmp(argv[at - 1], "--") == 0;
        if (at < argc)
            arguments[count++] = argv[at];
        while (only_arguments && ++at < argc)
            arguments[count++] = argv[at];
    }
    memcpy(argv + argc - count, arguments, count * sizeof(*arguments));
    *ret_first = argc - (int)count;
    return 0;
}

int options_one_id(const struct option_row *rows, int argc, char **argv, int most, const char **ret_id, int *ret_rest,
                   struct error *err)
{
    int first;
    int r = most > 0 ? parse_mixed(rows, argc, argv, &first, err) : options_parse(rows, argc, argv, &first, err);
    if (r < 0)
        return r;
    int count = argc - first;
    if (most == 1 && count != 1)
        return error_set(err, ERROR_INVALID, 0, "\"%s\" requires exactly 1 argument(s)", argv[0]);
    if (count < 1)
        return error_set(err, ERROR_INVALID, 0, "\"%s\" requires a container ID", argv[0]);
    if (most > 0 && count > most)
        return error_set(err, ERROR_INVALID, 0, "\"%s\" requires at most %d argument(s)", argv[0], most);
    *ret_id = argv[first];
    *ret_rest = first + 1;
    return 0;
}
