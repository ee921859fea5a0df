/* Archives of `context import`: every piece that is found lies inside of the archive. */
#include <stdint.h>
#include <stdlib.h>

#include "cmd/dory/context_archive.h"
#include "cmd/dory/context_zip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct strbuf *archive, const char *piece, size_t size)
{
    if (piece && (piece < archive->data || size > (size_t)(archive->data + archive->size - piece)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_STRBUF struct strbuf archive = STRBUF_INIT;
    struct context_archive found = {0};
    struct error err = {0};
    CLEANUP_STRBUF struct strbuf tar = STRBUF_INIT;
    strbuf_add(&archive, data, size);
    context_zip_unpack(&archive, &tar, NULL);
    if (context_archive_parse(&archive, &found, &err) < 0)
        return 0;
    check(&archive, found.meta, found.meta_size);
    for (size_t i = 0; i < CONTEXT_TLS_FILES; i++)
        check(&archive, found.tls[i].data, found.tls[i].size);
    return 0;
}
