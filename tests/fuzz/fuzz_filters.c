/* What a client may send before a handler runs: the request's target and its filters. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/filters.h"
#include "api/target.h"
#include "base/base64.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const patterns[] = {"/containers/{}/json", "/images/{*}/json", "/{}/{}/{}"};
    CLEANUP_FREE char *text = xstrndup((const char *)data, size);
    CLEANUP_JSON struct json *tree = NULL;
    CLEANUP_STRBUF struct strbuf plain = STRBUF_INIT;
    struct target target = {0};

    if (target_parse(text, 24, 47, &target, NULL) == 0) {
        const char *filters = target_query(&target, "filters");
        CLEANUP_JSON struct json *from_query = NULL;

        filters_normalise(filters, NULL, &from_query, NULL);
        for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
            CLEANUP_STRV struct strv values = STRV_INIT;

            target_match(target.path, patterns[i], &values);
        }
    }
    target_release(&target);
    filters_normalise(text, NULL, &tree, NULL);
    base64_decode(text, &plain);
    return 0;
}
