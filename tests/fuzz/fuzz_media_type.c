/* Accept headers: what is taken is an offer, and a header that names none takes none. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/media_type.h"
#include "base/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const offers[] = {"application/jsonl", MEDIA_TYPE_JSON_SEQUENCE, NULL};
    CLEANUP_FREE char *text = xstrndup((const char *)data, size);
    const char *taken = media_type_accepted(text, offers);

    if (taken != NULL && strcasestr(text, taken) == NULL)
        abort();
    return 0;
}
