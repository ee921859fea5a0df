#include "runtime/protobuf.h"

#include <errno.h>
#include <string.h>

enum wire { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

static void add_varint(struct strbuf *out, uint64_t value)
{
    while (value >= 0x80) {
        strbuf_addc(out, (char)(value | 0x80));
        value >>= 7;
    }
    strbuf_addc(out, (char)value);
}

void protobuf_add_int(struct strbuf *out, unsigned field, int64_t value)
{
    add_varint(out, (uint64_t)field << 3 | WIRE_VARINT);
    add_varint(out, (uint64_t)value);
}

static void add_bytes(struct strbuf *out, unsigned field, const void *data, size_t size)
{
    add_varint(out, (uint64_t)field << 3 | WIRE_BYTES);
    add_varint(out, size);
    if (size > 0)
        strbuf_add(out, data, size);
}

void protobuf_add_string(struct strbuf *out, unsigned field, const char *text)
{
    if (text != NULL)
        add_bytes(out, field, text, strlen(text));
}

void protobuf_add_message(struct strbuf *out, unsigned field, const struct strbuf *message)
{
    add_bytes(out, field, message->data, message->size);
}

static int read_varint(struct protobuf_reader *reader, uint64_t *ret)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (reader->size == 0)
            return -EBADMSG;
        unsigned char byte = *reader->data++;
        reader->size--;
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *ret = value;
            return 0;
        }
    }
    return -EBADMSG;
}

static int read_fixed(struct protobuf_reader *reader, size_t size, uint64_t *ret)
{
    if (reader->size < size)
        return -EBADMSG;
    *ret = 0;
    for (size_t i = 0; i < size; i++)
        *ret |= (uint64_t)reader->data[i] << (8 * i);
    reader->data += size;
    reader->size -= size;
    return 0;
}

int protobuf_next(struct protobuf_reader *reader, struct protobuf_field *ret)
{
    uint64_t key, size;
    *ret = (struct protobuf_field){0};
    if (reader->size == 0)
        return 0;
    if (read_varint(reader, &key) < 0 || key >> 3 == 0 || key >> 3 > UINT32_MAX >> 3)
        return -EBADMSG;
    ret->number = (unsigned)(key >> 3);
    int r;
    switch (key & 7) {
    case WIRE_VARINT:
        r = read_varint(reader, &ret->value);
        break;
    case WIRE_FIXED64:
        r = read_fixed(reader, 8, &ret->value);
        break;
    case WIRE_FIXED32:
        r = read_fixed(reader, 4, &ret->value);
        break;
    case WIRE_BYTES:
        if (read_varint(reader, &size) < 0 || size > reader->size)
            return -EBADMSG;
        ret->is_bytes = true;
        ret->data = reader->data;
        ret->size = (size_t)size;
        reader->data += size;
        reader->size -= (size_t)size;
        return 1;
    default:
        return -EBADMSG;
    }
    return r < 0 ? r : 1;
}
