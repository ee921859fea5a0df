/* Whatever parses must survive being written and parsed again. */
#include <stdint.h>

#include "base/memory.h"
#include "image/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_FREE char *text = xstrndup((const char *)data, size);
    struct reference first = {0}, second = {0};
    if (reference_parse(text, &first, NULL) < 0)
        return 0;
    CLEANUP_FREE char *full = reference_full(&first);
    CLEANUP_FREE char *familiar = reference_familiar(&first);
    if (reference_parse(full, &second, NULL) < 0)
        abort();
    CLEANUP_FREE char *again = reference_familiar(&second);
    if (strcmp(familiar, again) != 0)
        abort();
    reference_release(&first);
    reference_release(&second);
    return 0;
}
