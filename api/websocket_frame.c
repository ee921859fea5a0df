#include "api/websocket_frame.h"

#include <errno.h>

#include "base/base64.h"
#include "base/sha1.h"

#define KEY_SIZE 16

static bool is_control(unsigned opcode)
{
    return opcode & 8;
}

/* Bytes that the header has, as far as that is known from those that are there; 0: two are needed to tell. */
static size_t header_length(const struct websocket_decoder *d)
{
    if (d->header_size < 2)
        return 0;
    unsigned length = d->header[1] & 127;
    return 2 + (length == 126 ? 2u : length == 127 ? 8u : 0u) + 4; /* with the mask */
}

static int begin_payload(struct websocket_decoder *d)
{
    unsigned opcode = d->header[0] & 15, length = d->header[1] & 127;
    bool known = opcode <= WEBSOCKET_BINARY || (opcode >= WEBSOCKET_CLOSE && opcode <= WEBSOCKET_PONG);
    bool final = d->header[0] & 128, masked = d->header[1] & 128;
    if ((d->header[0] & 0x70) != 0 || !known || !masked || (is_control(opcode) && (!final || length > 125)))
        return -EPROTO;
    size_t extra = length == 126 ? 2 : length == 127 ? 8 : 0;
    d->left = extra == 0 ? length : 0;
    for (size_t i = 0; i < extra; i++)
        d->left = d->left << 8 | d->header[2 + i];
    if (d->left >> 63)
        return -EPROTO;
    d->position = 0;
    d->control_size = 0;
    d->in_payload = true;
    return 0;
}

static void unmask(struct websocket_decoder *d, unsigned char *data, size_t size)
{
    const unsigned char *mask = d->header + header_length(d) - 4;
    for (size_t i = 0; i < size; i++)
        data[i] ^= mask[(d->position + i) % 4];
    d->position += size;
    d->left -= size;
}

/* One step inside a payload. */
static int decode_payload(struct websocket_decoder *d, unsigned char *data, size_t size, size_t *taken,
                          struct websocket_event *ret)
{
    unsigned opcode = d->header[0] & 15;
    size_t piece = d->left < size ? (size_t)d->left : size;
    unmask(d, data, piece);
    *taken = piece;
    if (is_control(opcode)) {
        memcpy(d->control + d->control_size, data, piece);
        d->control_size += piece;
    }
    if (d->left == 0) {
        d->in_payload = false;
        d->header_size = 0;
    }
    if (is_control(opcode)) {
        *ret = (struct websocket_event){
            .opcode = (enum websocket_opcode)opcode, .control = true, .data = d->control, .size = d->control_size};
        return d->in_payload ? 0 : 1;
    }
    *ret = (struct websocket_event){.opcode = (enum websocket_opcode)opcode, .data = data, .size = piece};
    return piece > 0;
}

int websocket_decode(struct websocket_decoder *d, void *data, size_t size, size_t *consumed,
                     struct websocket_event *ret)
{
    unsigned char *p = data;
    size_t at = 0;
    *consumed = 0;
    while (at < size || d->in_payload) {
        if (!d->in_payload) {
            d->header[d->header_size++] = p[at++];
            if (d->header_size == 2 && !(d->header[1] & 128))
                return -EPROTO; /* clients mask */
            size_t length = header_length(d);
            int r = length != 0 && d->header_size == length ? begin_payload(d) : 0;
            if (r < 0)
                return r;
            continue;
        }
        if (at == size && d->left > 0)
            break;
        size_t taken = 0;
        int r = decode_payload(d, p + at, size - at, &taken, ret);
        at += taken;
        if (r > 0) {
            *consumed = at;
            return 1;
        }
    }
    *consumed = at;
    return 0;
}

void websocket_header(struct strbuf *out, enum websocket_opcode opcode, size_t size)
{
    strbuf_addc(out, (char)(128 | opcode));
    unsigned bytes = size < 126 ? 0 : size <= UINT16_MAX ? 2 : 8;
    strbuf_addc(out, (char)(bytes == 0 ? size : bytes == 2 ? 126 : 127));
    for (unsigned i = bytes; i-- > 0;)
        strbuf_addc(out, (char)((uint64_t)size >> (8 * i) & 255));
}

char *websocket_accept(const char *key)
{
    CLEANUP_STRBUF struct strbuf plain = STRBUF_INIT;
    if (key == NULL || base64_decode(key, &plain) < 0 || plain.size != KEY_SIZE)
        return NULL;
    CLEANUP_FREE char *text = xasprintf("%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    unsigned char digest[SHA1_SIZE];
    sha1(text, strlen(text), digest);
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    base64_encode(digest, sizeof(digest), false, &out);
    return strbuf_take(&out);
}
