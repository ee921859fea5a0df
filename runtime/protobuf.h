/*
 * Internal to runtime/: as much of Google's protocol buffers (proto2 wire format) as criu's RPC takes: varints, strings
 * and messages as fields. Pure; reading is bounded by the buffer.
 */
#ifndef DORY_RUNTIME_PROTOBUF_H
#define DORY_RUNTIME_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

/* Negative numbers of int32 fields are sign-extended to 64 bits, as the format wants. */
void protobuf_add_int(struct strbuf *out, unsigned field, int64_t value);
/* NULL adds nothing. */
void protobuf_add_string(struct strbuf *out, unsigned field, const char *text);
void protobuf_add_message(struct strbuf *out, unsigned field, const struct strbuf *message);

struct protobuf_reader {
    const unsigned char *data;
    size_t size;
};

struct protobuf_field {
    unsigned number;
    bool is_bytes;
    uint64_t value;            /* a varint or fixed number */
    const unsigned char *data; /* bytes: inside the reader's buffer */
    size_t size;
};

/* The next field: 1, 0 at the end, -EBADMSG on bytes that are no message. */
int protobuf_next(struct protobuf_reader *reader, struct protobuf_field *ret);

#endif
