#include "api/websocket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/hijack.h"
#include "api/server_private.h"
#include "api/websocket_frame.h"
#include "base/fd.h"
#include "base/relay.h"

#define FRAME_HEADER_SIZE 8 /* docker's: stream, three zeros, size */
#define CLOSE_NORMAL 1000
#define CLOSE_PROTOCOL_ERROR 1002

enum { INPUT, OUTPUT }; /* client to stream, stream to client */

struct relay {
    struct relay_way ways[RELAY_WAYS];
    bool multiplexed;
    enum websocket_opcode opcode;
    bool closed; /* the close frame is on its way: no other may follow it */
    struct websocket_decoder decoder;
    /* The latest ping, which is the only one that has to be answered (RFC 6455 5.5.3). */
    unsigned char ping[WEBSOCKET_CONTROL_MAX];
    size_t ping_size;
    bool ping_waits;
    unsigned char header[FRAME_HEADER_SIZE];
    size_t header_size; /* bytes of docker's header so far */
    uint32_t left;      /* of its payload */
};

static void add_frame(struct relay *relay, enum websocket_opcode opcode, const void *data, size_t size)
{
    struct strbuf *pending = &relay->ways[OUTPUT].pending;
    if (relay->closed)
        return;
    websocket_header(pending, opcode, size);
    if (size > 0)
        strbuf_add(pending, data, size);
    relay->closed = opcode == WEBSOCKET_CLOSE;
}

static void add_close(struct relay *relay, uint16_t code)
{
    uint16_t text = htons(code);
    add_frame(relay, WEBSOCKET_CLOSE, &text, sizeof(text));
}

/* ---- from the container ---- */

/* The payloads between docker's headers. */
static void add_demultiplexed(struct relay *relay, const unsigned char *data, size_t size)
{
    for (size_t at = 0; at < size;) {
        if (relay->left == 0) {
            relay->header[relay->header_size++] = data[at++];
            if (relay->header_size < FRAME_HEADER_SIZE)
                continue;
            uint32_t length;
            memcpy(&length, relay->header + 4, sizeof(length));
            relay->left = ntohl(length);
            relay->header_size = 0;
            continue;
        }
        size_t piece = size - at < relay->left ? size - at : relay->left;
        add_frame(relay, relay->opcode, data + at, piece);
        at += piece;
        relay->left -= (uint32_t)piece;
    }
}

static void from_stream(void *data, unsigned char *bytes, size_t size)
{
    struct relay *relay = data;
    if (relay->multiplexed)
        add_demultiplexed(relay, bytes, size);
    else
        add_frame(relay, relay->opcode, bytes, size);
}

/* ---- from the client ---- */

static void handle_event(struct relay *relay, const struct websocket_event *event)
{
    if (!event->control) {
        strbuf_add(&relay->ways[INPUT].pending, event->data, event->size);
    } else if (event->opcode == WEBSOCKET_PING) {
        memcpy(relay->ping, event->data, event->size);
        relay->ping_size = event->size;
        relay->ping_waits = true;
    } else if (event->opcode == WEBSOCKET_CLOSE) { /* answered with its own code */
        add_frame(relay, WEBSOCKET_CLOSE, event->data, event->size < 2 ? 0 : 2);
        relay->ways[INPUT].ended = true;
    }
}

static void from_client(void *data, unsigned char *bytes, size_t size)
{
    struct relay *relay = data;
    for (size_t at = 0; at < size && !relay->ways[INPUT].ended;) {
        struct websocket_event event;
        size_t consumed = 0;
        int r = websocket_decode(&relay->decoder, bytes + at, size - at, &consumed, &event);
        if (r < 0) {
            add_close(relay, CLOSE_PROTOCOL_ERROR);
            relay->ways[INPUT].ended = true;
            return;
        }
        at += consumed;
        if (r > 0)
            handle_event(relay, &event);
    }
}

/* Pongs and the end of the stream; true when all is done. */
static bool settle(struct relay *relay)
{
    struct relay_way *input = &relay->ways[INPUT], *output = &relay->ways[OUTPUT];
    if (output->broken)
        input->ended = true; /* the client is gone; what it sent still goes to the container */
    if (relay->ping_waits && relay_is_empty(output) && !output->broken) {
        add_frame(relay, WEBSOCKET_PONG, relay->ping, relay->ping_size);
        relay->ping_waits = false;
    }
    if (output->ended && !relay->closed && !output->broken)
        add_close(relay, CLOSE_NORMAL);
    return relay_is_empty(output) && (output->ended || (input->ended && relay_is_empty(input)));
}

static void *relay_main(void *data)
{
    struct relay *relay = data;
    struct relay_way *ways = relay->ways; /* with the sanitizers gcc takes the member for four bytes */
    struct pollfd polls[RELAY_POLLS];
    int client = ways[INPUT].from, stream = ways[INPUT].to;
    while (!settle(relay)) {
        relay_prepare(ways, polls);
        if (poll(polls, RELAY_POLLS, -1) >= 0)
            relay_move(ways, polls);
        else if (errno != EINTR)
            break;
    }
    shutdown(client, SHUT_RDWR);
    fd_close(client);
    fd_close(stream);
    relay_release(&relay->ways[INPUT]);
    relay_release(&relay->ways[OUTPUT]);
    free(relay);
    return NULL;
}

/* ---- the handshake ---- */

static int bad_handshake(struct error *err, const char *why)
{
    return error_set(err, ERROR_INVALID, 0, "this endpoint speaks WebSocket: %s", why);
}

static int check_handshake(const struct api_request *request, char **ret_accept, struct error *err)
{
    const char *upgrade = api_header(request, "Upgrade"), *version = api_header(request, "Sec-WebSocket-Version");
    if (!request_wants_upgrade(request) || upgrade == NULL || strcasecmp(upgrade, "websocket") != 0)
        return bad_handshake(err, "Connection: Upgrade and Upgrade: websocket are missing");
    if (version == NULL || strcmp(version, "13") != 0)
        return bad_handshake(err, "Sec-WebSocket-Version: 13 is missing");
    *ret_accept = websocket_accept(api_header(request, "Sec-WebSocket-Key"));
    return *ret_accept == NULL ? bad_handshake(err, "Sec-WebSocket-Key is missing or malformed") : 0;
}

int websocket_take(struct api_request *request, bool multiplexed, int *ret_fd, struct error *err)
{
    CLEANUP_FREE char *accept = NULL;
    CLEANUP_STRBUF struct strbuf head = STRBUF_INIT;
    int r = check_handshake(request, &accept, err);
    if (r < 0)
        return r;
    if (request->replied || !request->threaded)
        return error_set(err, ERROR_SYSTEM, EALREADY, "the connection cannot be taken over");
    int pair[2];
    r = fd_socketpair(SOCK_STREAM, pair);
    if (r < 0)
        return error_errno(err, r, "a socket for the stream");
    request->replied = true;
    strbuf_addf(&head,
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Accept: %s\r\n\r\n",
                accept);
    struct relay *relay = xcalloc(1, sizeof(*relay));
    int client = hijack_with_head(request, &head, err);
    relay->ways[INPUT] = (struct relay_way){.from = client, .to = pair[0], .convert = from_client, .data = relay};
    relay->ways[OUTPUT] = (struct relay_way){.from = pair[0], .to = client, .convert = from_stream, .data = relay};
    relay->multiplexed = multiplexed;
    relay->opcode = api_version(request) >= 28 ? WEBSOCKET_BINARY : WEBSOCKET_TEXT;
    r = client < 0 ? client : api_thread_start(relay_main, relay);
    if (r < 0) {
        fd_close(client);
        fd_close(pair[0]);
        fd_close(pair[1]);
        free(relay);
        return r;
    }
    *ret_fd = pair[1];
    return 0;
}
