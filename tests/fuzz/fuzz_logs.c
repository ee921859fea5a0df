/* Log files may be damaged; what the writer writes must be read back whatever the program said. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "daemon/logs_record.h"
#include "daemon/shim_log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void damaged(const uint8_t *data, size_t size)
{
    CLEANUP_FREE char *line = xmemdup(data, size);
    struct logs_record record;

    if (logs_record_parse(line, size, &record) == 0)
        free(logs_record_details(&record));
}

static void written(const uint8_t *data, size_t size)
{
    CLEANUP_FREE char *line = xmalloc(6 * size + LOG_RECORD_OVERHEAD);
    struct logs_record record;
    size_t n = log_record_write(line, (const char *)data, size, true, LOG_STDERR, NULL, "2024-01-02T03:04:05.5Z");

    if (n > 6 * size + LOG_RECORD_OVERHEAD || line[n - 1] != '\n' || memchr(line, '\n', n - 1))
        abort();
    if (logs_record_parse(line, n - 1, &record) < 0 || !record.is_stderr || record.time != 1704164645500000000)
        abort();
    if (record.text_size == 0 || record.text[record.text_size - 1] != '\n')
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    damaged(data, size);
    written(data, size);
    return 0;
}
