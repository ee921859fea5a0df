/* fluentd's forward protocol in message mode: [tag, time, record] in MessagePack, one after another; with
 * acknowledgements [tag, time, record, {"chunk": id}], which the server answers with {"ack": id}. */
#include <errno.h>
#include <string.h>

#include "daemon/shim_sink.h"

/* Big endian, as all of MessagePack. */
static void put_number(struct strbuf *out, unsigned char kind, uint64_t n, int bytes)
{
    strbuf_addc(out, (char)kind);
    while (bytes-- > 0)
        strbuf_addc(out, (char)(n >> (8 * bytes)));
}

static void put_bytes(struct strbuf *out, const char *text, size_t size)
{
    if (size < 32)
        strbuf_addc(out, (char)(0xa0 | size));
    else if (size <= 0xff)
        put_number(out, 0xd9, size, 1);
    else if (size <= 0xffff)
        put_number(out, 0xda, size, 2);
    else
        put_number(out, 0xdb, size, 4);
    strbuf_add(out, text, size);
}

static void put_text(struct strbuf *out, const char *text)
{
    put_bytes(out, text != NULL ? text : "", text != NULL ? strlen(text) : 0);
}

static void put_pair(struct strbuf *out, const char *key, const char *value)
{
    put_text(out, key);
    put_text(out, value);
}

/* Seconds, or fluentd's own type 0 (seconds and nanoseconds) of eight bytes. */
static void put_time(struct strbuf *out, int64_t time, bool nanoseconds)
{
    if (!nanoseconds) {
        put_number(out, 0xd3, (uint64_t)(time / 1000000000), 8);
        return;
    }
    put_number(out, 0xd7, 0, 1);
    for (int shift = 24; shift >= 0; shift -= 8)
        strbuf_addc(out, (char)((uint64_t)(time / 1000000000) >> shift));
    for (int shift = 24; shift >= 0; shift -= 8)
        strbuf_addc(out, (char)((uint64_t)(time % 1000000000) >> shift));
}

/* What the record has of its own wins over an attribute of the same name. */
static bool is_own(const char *key)
{
    static const char *const names[] = {"log",        "source",          "partial_message",
                                        "partial_id", "partial_ordinal", "partial_last"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcmp(names[i], key) == 0)
            return true;
    return false;
}

void fluentd_format(const struct log_sink_config *c, enum log_stream stream, const char *text, size_t size,
                    bool newline, int64_t time, const struct log_sink_piece *piece, struct strbuf *out)
{
    bool partial = piece != NULL && piece->number > 0;
    uint64_t members = partial ? 6 : 2;
    for (size_t i = 0; i < c->extra.count; i++)
        members += !is_own(c->extra.items[i].key);
    strbuf_addc(out, (char)(c->ack ? 0x94 : 0x93)); /* fluentd_add_chunk() is the fourth */
    put_text(out, c->tag);
    put_time(out, time, c->nanoseconds);
    put_number(out, 0xdf, members, 4);
    for (size_t i = 0; i < c->extra.count; i++)
        if (!is_own(c->extra.items[i].key))
            put_pair(out, c->extra.items[i].key, c->extra.items[i].value);
    put_pair(out, "source", stream == LOG_STDERR ? "stderr" : "stdout");
    put_text(out, "log");
    put_bytes(out, text, size);
    if (partial) {
        char number[16];
        snprintf(number, sizeof(number), "%u", piece->number);
        put_pair(out, "partial_message", "true");
        put_pair(out, "partial_id", piece->id);
        put_pair(out, "partial_ordinal", number);
        put_pair(out, "partial_last", newline ? "true" : "false");
    }
}

void fluentd_add_chunk(struct strbuf *out, const char *id)
{
    strbuf_addc(out, (char)0x81);
    put_pair(out, "chunk", id);
}

/* A text of up to 255 bytes at *at. 1 and *at is behind it, 0: more has to come, -EPROTO. */
static int take_short_text(const char *data, size_t size, size_t *at, const char **ret, size_t *ret_size)
{
    unsigned char kind;
    size_t header = 1;
    if (*at >= size)
        return 0;
    kind = (unsigned char)data[*at];
    if ((kind & 0xe0) == 0xa0) {
        *ret_size = kind & 0x1f;
    } else if (kind == 0xd9 || kind == 0xc4) {
        header = 2;
        if (*at + header > size)
            return 0;
        *ret_size = (unsigned char)data[*at + 1];
    } else {
        return -EPROTO;
    }
    if (*ret_size > size - *at - header)
        return 0;
    *ret = data + *at + header;
    *at += header + *ret_size;
    return 1;
}

int fluentd_take_ack(const char *data, size_t size, const char **ret_id, size_t *ret_id_size, size_t *ret_used)
{
    const char *key;
    size_t at = 1, key_size;
    if (size == 0)
        return 0;
    if ((unsigned char)data[0] != 0x81)
        return -EPROTO;
    int r = take_short_text(data, size, &at, &key, &key_size);
    if (r > 0 && (key_size != 3 || memcmp(key, "ack", 3) != 0))
        return -EPROTO;
    if (r > 0)
        r = take_short_text(data, size, &at, ret_id, ret_id_size);
    if (r > 0)
        *ret_used = at;
    return r;
}
