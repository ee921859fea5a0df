/* The body of POST /containers/{id}/exec: what is accepted is kept, and reads back, as it was. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "daemon/exec_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_STRBUF struct strbuf first = STRBUF_INIT, second = STRBUF_INIT;
    struct exec_config config = {0}, again = {0};
    struct json_writer w;
    if (json_table_decode_text(&exec_config_table, (const char *)data, size, &config, NULL) == 0 &&
        exec_config_validate(&config, NULL) == 0) {
        json_writer_init(&w, &first);
        json_table_encode(&exec_config_table, &config, &w);
        if (json_table_decode_text(&exec_config_table, strbuf_str(&first), first.size, &again, NULL) < 0 ||
            exec_config_validate(&again, NULL) < 0)
            abort();
        json_writer_init(&w, &second);
        json_table_encode(&exec_config_table, &again, &w);
        if (strcmp(strbuf_str(&first), strbuf_str(&second)) != 0)
            abort();
    }
    exec_config_release(&config);
    exec_config_release(&again);
    return 0;
}
