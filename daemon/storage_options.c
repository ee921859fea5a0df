#include "daemon/storage_options.h"

#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/parse.h"

int storage_options_size(const struct strv *options, uint64_t *ret_bytes, struct error *err)
{
    int64_t bytes = 0;
    for (size_t i = 0; i < options->count; i++) {
        const char *option = options->items[i], *equals = strchr(option, '=');
        if (equals == NULL)
            return error_set(err, ERROR_INVALID, 0, "unable to parse key/value option %s", option);
        CLEANUP_FREE char *key = xstrndup(option, (size_t)(equals - option));
        if (strcasecmp(key, "overlay2.size") != 0)
            return error_set(err, ERROR_INVALID, 0, "overlay2: unknown option %s", key);
        if (parse_size(equals + 1, false, &bytes) < 0)
            return error_set(err, ERROR_INVALID, 0, "%s: invalid size: '%s'", key, equals + 1);
    }
    *ret_bytes = (uint64_t)bytes;
    return 0;
}
