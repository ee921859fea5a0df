#include "cmd/dory/compose/table.h"

#include <strings.h>

#include "cmd/dory/columns.h"

#define CELL_MIN 20
#define CELL_PADDING 3

int compose_table_format(const char *format, bool *ret_json, struct error *err)
{
    *ret_json = format && strcasecmp(format, "json") == 0;
    if (*ret_json || !format || !*format || strcasecmp(format, "table") == 0 || strcasecmp(format, "pretty") == 0)
        return 0;
    return error_set(err, ERROR_INVALID, 0, "format value \"%s\" could not be parsed: parsing failed", format);
}

void compose_table_print(const struct strv *lines)
{
    columns_print(lines, CELL_MIN, CELL_PADDING);
}
