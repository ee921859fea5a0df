/* GELF 1.1: a JSON object, compressed and cut into chunks where it goes as datagrams, ended by a NUL byte on a stream.
 */
#include <errno.h>
#include <zlib.h>

#include "base/json.h"
#include "daemon/log_options.h"
#include "daemon/shim_sink.h"

/* zlib's way to ask for a gzip header. */
#define WINDOW_GZIP (15 + 16)
#define WINDOW_ZLIB 15
/* What zlib needs less memory for: messages are short. */
#define MEMORY_LEVEL 5

void gelf_format(const struct log_sink_config *c, int severity, const char *text, size_t size, int64_t time,
                 struct strbuf *out)
{
    struct json_writer w;
    char seconds[40];
    int n = snprintf(seconds, sizeof(seconds), "%lld.%03d", (long long)(time / 1000000000),
                     (int)(time % 1000000000 / 1000000));
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_member_string(&w, "version", "1.1");
    json_member_string(&w, "host", c->hostname);
    json_key(&w, "short_message");
    json_put_string_n(&w, text, size);
    json_key(&w, "timestamp");
    json_put_raw(&w, seconds, (size_t)n);
    json_member_int(&w, "level", severity);
    for (size_t i = 0; i < c->extra.count; i++)
        json_member_string(&w, c->extra.items[i].key, c->extra.items[i].value);
    json_end_object(&w);
    if (c->stream)
        strbuf_addc(out, '\0');
}

int gelf_compress(const struct log_sink_config *c, const struct strbuf *message, struct strbuf *out)
{
    z_stream z = {.next_in = (Bytef *)message->data, .avail_in = (uInt)message->size};
    if (c->compression == GELF_PLAIN) {
        strbuf_add(out, message->data, message->size);
        return 0;
    }
    if (deflateInit2(&z, (int)c->level, Z_DEFLATED, c->compression == GELF_ZLIB ? WINDOW_ZLIB : WINDOW_GZIP,
                     MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
        return -ENOMEM;
    size_t room = deflateBound(&z, message->size);
    z.next_out = (Bytef *)strbuf_reserve(out, room);
    z.avail_out = (uInt)room;
    int r = deflate(&z, Z_FINISH);
    out->size += room - z.avail_out;
    strbuf_terminate(out);
    deflateEnd(&z);
    return r == Z_STREAM_END ? 0 : -ENOMEM;
}

int gelf_chunk_count(size_t size)
{
    size_t data = GELF_CHUNK_MAX - GELF_CHUNK_HEADER, count = (size + data - 1) / data;
    if (size <= GELF_CHUNK_MAX)
        return 1;
    return count <= GELF_CHUNKS_MAX ? (int)count : -EMSGSIZE;
}

void gelf_chunk(const struct strbuf *message, const unsigned char id[8], int i, int count, struct strbuf *out)
{
    size_t data = GELF_CHUNK_MAX - GELF_CHUNK_HEADER, start = (size_t)i * data, left = message->size - start;
    const unsigned char magic[2] = {0x1e, 0x0f}, place[2] = {(unsigned char)i, (unsigned char)count};
    strbuf_add(out, magic, sizeof(magic));
    strbuf_add(out, id, 8);
    strbuf_add(out, place, sizeof(place));
    strbuf_add(out, message->data + start, left < data ? left : data);
}
