/* The config of an image, as it comes from strangers: parsed into an image, its container config written again. */
#include <stdint.h>
#include <stdlib.h>

#include "base/memory.h"
#include "image/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct image_object *object = NULL;
    struct error err = {0};
    if (image_parse_config((const char *)data, size, &object, &err) < 0)
        return 0;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &out);
    json_table_encode(&container_config_table, &object->image.config, &w);
    /* What was taken once can be written and is JSON. */
    CLEANUP_JSON struct json *again = NULL;
    if (json_parse(out.data, out.size, &again, &err) < 0)
        abort();
    image_unref(&object->image);
    return 0;
}
