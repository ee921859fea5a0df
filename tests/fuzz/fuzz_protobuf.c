/* Messages in the wire format that criu answers in: read field by field, messages inside of messages too. */
#include <assert.h>

#include "runtime/protobuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(const unsigned char *data, size_t size, int depth)
{
    struct protobuf_reader reader = {.data = data, .size = size};
    struct protobuf_field field;
    while (protobuf_next(&reader, &field) > 0) {
        assert(field.number > 0);
        assert(!field.is_bytes || (field.data >= data && field.data + field.size <= data + size));
        if (field.is_bytes && depth < 8)
            read_all(field.data, field.size, depth + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_all(data, size, 0);
    return 0;
}
