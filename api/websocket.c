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

#define BUFFER_SIZE 16384
#define FRAME_HEADER_SIZE 8 /* docker's: stream, three zeros, size */
#define CLOSE_NORMAL 1000
#define CLOSE_PROTOCOL_ERROR 1002

struct relay {
    int client, stream;
    bool multiplexed;
    enum websocket_opcode opcode;
    struct websocket_decoder decoder;
    unsigned char header[FRAME_HEADER_SIZE];
    size_t header_size; /* bytes of docker's header so far */
    uint32_t left;      /* of its payload */
};

static int send_frame(struct relay *relay, enum websocket_opcode opcode, const void *data, size_t size)
{
    CLEANUP_STRBUF struct strbuf frame = STRBUF_INIT;
    websocket_header(&frame, opcode, size);
    if (size > 0)
        strbuf_add(&frame, data, size);
    return fd_write_all(relay->client, frame.data, frame.size);
}

static void send_close(struct relay *relay, uint16_t code)
{
    uint16_t text = htons(code);
    send_frame(relay, WEBSOCKET_CLOSE, &text, sizeof(text));
}

/* ---- from the container ---- */

/* The payloads between docker's headers. */
static int send_demultiplexed(struct relay *relay, const unsigned char *data, size_t size)
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
        int r = send_frame(relay, relay->opcode, data + at, piece);
        if (r < 0)
            return r;
        at += piece;
        relay->left -= (uint32_t)piece;
    }
    return 0;
}

/* False: this direction has ended. */
static bool from_stream(struct relay *relay)
{
    unsigned char buffer[BUFFER_SIZE];
    ssize_t n = read(relay->stream, buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR)
        return true;
    if (n <= 0) {
        send_close(relay, CLOSE_NORMAL);
        return false;
    }
    return (relay->multiplexed ? send_demultiplexed(relay, buffer, (size_t)n)
                               : send_frame(relay, relay->opcode, buffer, (size_t)n)) == 0;
}

/* ---- from the client ---- */

static bool handle_event(struct relay *relay, const struct websocket_event *event)
{
    if (!event->control)
        return fd_write_all(relay->stream, event->data, event->size) == 0;
    if (event->opcode == WEBSOCKET_PING)
        return send_frame(relay, WEBSOCKET_PONG, event->data, event->size) == 0;
    if (event->opcode == WEBSOCKET_CLOSE) { /* answered with its own code */
        send_frame(relay, WEBSOCKET_CLOSE, event->data, event->size < 2 ? 0 : 2);
        return false;
    }
    return true;
}

static bool from_client(struct relay *relay)
{
    unsigned char buffer[BUFFER_SIZE];
    ssize_t n = read(relay->client, buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR)
        return true;
    if (n <= 0)
        return false;
    for (size_t at = 0; at < (size_t)n;) {
        struct websocket_event event;
        size_t consumed = 0;
        int r = websocket_decode(&relay->decoder, buffer + at, (size_t)n - at, &consumed, &event);
        if (r < 0) {
            send_close(relay, CLOSE_PROTOCOL_ERROR);
            return false;
        }
        at += consumed;
        if (r > 0 && !handle_event(relay, &event))
            return false;
    }
    return true;
}

static void *relay_main(void *data)
{
    struct relay *relay = data;
    struct pollfd polls[2] = {{.fd = relay->client, .events = POLLIN}, {.fd = relay->stream, .events = POLLIN}};
    bool going = true;
    while (going) {
        if (poll(polls, 2, -1) < 0 && errno != EINTR)
            break;
        if (polls[1].revents != 0)
            going = from_stream(relay);
        if (going && polls[0].revents != 0)
            going = from_client(relay);
    }
    shutdown(relay->client, SHUT_RDWR);
    fd_close(relay->client);
    fd_close(relay->stream);
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
    relay->client = hijack_with_head(request, &head, err);
    relay->stream = pair[0];
    relay->multiplexed = multiplexed;
    relay->opcode = api_version(request) >= 28 ? WEBSOCKET_BINARY : WEBSOCKET_TEXT;
    r = relay->client < 0 ? relay->client : api_thread_start(relay_main, relay);
    if (r < 0) {
        fd_close(relay->client);
        fd_close(pair[0]);
        fd_close(pair[1]);
        free(relay);
        return r;
    }
    *ret_fd = pair[1];
    return 0;
}
