/* config.json, a bundle's and an exec's: parsed, checked, written and parsed again. What was written once must be
 * written the same a second time. */
#include <stdint.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/strbuf.h"
#include "runtime/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void whole(const char *text, size_t size)
{
    struct oci_spec spec = {0};
    struct error err = {0};
    if (oci_spec_parse(text, size, &spec, &err) < 0) {
        if (err.kind != ERROR_INVALID || err.message[0] == '\0')
            abort();
        return;
    }
    oci_spec_validate(&spec, &err);
    CLEANUP_STRBUF struct strbuf first = STRBUF_INIT, second = STRBUF_INIT;
    oci_spec_write(&spec, &first);
    struct oci_spec again = {0};
    if (oci_spec_parse(first.data, first.size, &again, &err) == 0) {
        oci_spec_write(&again, &second);
        if (first.size != second.size || memcmp(first.data, second.data, first.size) != 0)
            abort();
    } else {
        /* A required string that was null. */
        if (err.kind != ERROR_INVALID)
            abort();
    }
    oci_spec_release(&again);
    oci_spec_release(&spec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const char *text = (const char *)data + 1;
    struct oci_process process = {0};
    struct oci_resources resources = {0};
    switch (data[0] % 4) {
    case 0:
        if (json_table_decode_text(&oci_process_table, text, size - 1, &process, NULL) == 0)
            oci_process_validate(&process, NULL);
        json_table_release(&oci_process_table, &process);
        break;
    case 1:
        if (oci_resources_parse(text, size - 1, &resources, NULL) == 0)
            oci_resources_release(&resources);
        break;
    default:
        whole(text, size - 1);
    }
    return 0;
}
