#include <errno.h>

#include "base/memory.h"
#include "base/parse.h"
#include "cmd/dory-runtime/runtime.h"

static const struct option_row *find(const struct option_row *rows, const char *name, size_t size)
{
    for (; rows->name != NULL; rows++)
        if ((strlen(rows->name) == size && strncmp(rows->name, name, size) == 0) ||
            (size == 1 && rows->letter != '\0' && rows->letter == name[0]))
            return rows;
    return NULL;
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
        const char *equals = strchr(name, '=');
        const struct option_row *row = find(rows, name, equals != NULL ? (size_t)(equals - name) : strlen(name));
        if (row == NULL)
            return error_set(err, ERROR_INVALID, 0, "flag provided but not defined: -%s", name);
        if (row->flag != NULL) {
            bool value = true;
            if (equals != NULL && parse_bool(equals + 1, &value) < 0)
                return error_set(err, ERROR_INVALID, 0, "invalid boolean value \"%s\" for -%s", equals + 1, row->name);
            *row->flag = value;
        } else if (equals != NULL) {
            *row->text = equals + 1;
        } else if (i + 1 < argc) {
            *row->text = argv[++i];
        } else {
            return error_set(err, ERROR_INVALID, 0, "flag needs an argument: -%s", name);
        }
    }
    *ret_first = i;
    return 0;
}
