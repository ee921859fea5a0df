/*
 * WebSocket (RFC 6455) for one purpose: a byte stream inside frames, as GET /containers/{id}/attach/ws has it. The
 * decoder is incremental and keeps no payload; everything here is pure.
 */
#ifndef DORY_API_WEBSOCKET_FRAME_H
#define DORY_API_WEBSOCKET_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"

enum websocket_opcode {
    WEBSOCKET_CONTINUATION = 0,
    WEBSOCKET_TEXT = 1,
    WEBSOCKET_BINARY = 2,
    WEBSOCKET_CLOSE = 8,
    WEBSOCKET_PING = 9,
    WEBSOCKET_PONG = 10,
};

#define WEBSOCKET_CONTROL_MAX 125

/* Zero-initialised is the start of a connection. */
struct websocket_decoder {
    unsigned char header[14];
    size_t header_size;      /* bytes of it so far */
    uint64_t left, position; /* of the payload of the frame that is being read */
    bool in_payload;
    unsigned char control[WEBSOCKET_CONTROL_MAX];
    size_t control_size;
};

struct websocket_event {
    enum websocket_opcode opcode;
    bool control;     /* a whole control frame, else a piece of data: */
    const void *data; /* of data: in the input buffer, unmasked in place; of a control frame: in the decoder */
    size_t size;
};

/*
 * Looks at *size bytes of a client's stream, which it may change. 1: *ret is the next event; *consumed bytes are done
 * with. 0: all was consumed and nothing is complete. -EPROTO: unmasked, reserved bits, an unknown opcode, a control
 * frame that is fragmented or too long.
 */
int websocket_decode(struct websocket_decoder *decoder, void *data, size_t size, size_t *consumed,
                     struct websocket_event *ret);
/* Appends the header of an unmasked frame of `size` bytes that follow. */
void websocket_header(struct strbuf *out, enum websocket_opcode opcode, size_t size);
/* The value of Sec-WebSocket-Accept for a Sec-WebSocket-Key; the caller frees. NULL: the key is not 16 bytes in base64.
 */
char *websocket_accept(const char *key);

#endif
