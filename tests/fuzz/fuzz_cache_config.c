/* What a build cache that is kept elsewhere says it has. What can be read is read again from what is written of it. */
#include <stdint.h>
#include <stdlib.h>

#include "daemon/build/cache_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_CACHE_CONFIG struct cache_config first = {0}, second = {0};
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    if (cache_config_parse((const char *)data, size, &first, NULL) < 0)
        return 0;
    cache_config_write(&first, &text);
    if (cache_config_parse(text.data, text.size, &second, NULL) < 0 || second.count != first.count)
        abort();
    return 0;
}
