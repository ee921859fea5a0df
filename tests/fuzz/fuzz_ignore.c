/* Patterns and a path (behind the first NUL): a pruned directory hides everything beneath it; wildcards of paths. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "archive/ignore.h"
#include "base/path_match.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_IGNORE struct ignore ignore = {0};
    const uint8_t *nul = memchr(data, '\0', size);
    size_t patterns = nul != NULL ? (size_t)(nul - data) : size, rest = size - patterns;
    CLEANUP_FREE char *text = xstrndup((const char *)data, patterns);
    CLEANUP_FREE char *path = nul != NULL ? xstrndup((const char *)nul + 1, rest - 1) : xstrdup("a/b");
    bool matched = false;
    (void)path_match(text, path, &matched);
    CLEANUP_FREE char *clean = path_clean(path);
    if (ignore_parse(text, patterns, &ignore, NULL) < 0 || strlen(clean) > 4096 || clean[0] == '/')
        return 0;
    bool hidden = ignore_match(&ignore, clean);
    char *slash = strrchr(clean, '/');
    if (slash != NULL) {
        *slash = '\0';
        if (ignore_prunes(&ignore, clean) && !hidden)
            abort();
    }
    return 0;
}
