/* Requests and responses over connections that are kept. */
#include "api/client.h"

#include <errno.h>
#include <string.h>

#include "api/client_connection.h"
#include "api/client_http.h"
#include "base/fd.h"

#define KEPT_MAX 4
#define ERROR_BODY_MAX ((size_t)1024 * 1024)
#define UPLOAD_PIECE 65536

struct client {
    struct client_address address;
    char *version; /* "/v1.43" or "" */
    struct connection *kept[KEPT_MAX];
    size_t kept_count;
};

struct client_response {
    struct client *client;
    struct connection *connection;
    struct http_head head;
    struct chunk_decoder chunks;
    int64_t left; /* of Content-Length; -1: until the end */
    bool ended;
    struct strbuf line; /* client_read_line: bytes read ahead */
    size_t line_used;
};

const char *client_choose_host(const char *host)
{
    const char *const candidates[] = {host, getenv("DORY_HOST"), getenv("DOCKER_HOST")};

    for (size_t i = 0; i < ARRAY_SIZE(candidates); i++) {
        if (candidates[i] && *candidates[i])
            return candidates[i];
    }
    return CLIENT_DEFAULT_HOST;
}

int client_new(const char *host, const struct client_tls *tls, struct client **ret, struct error *err)
{
    struct client *client = xcalloc(1, sizeof(*client));
    const char *version = getenv("DOCKER_API_VERSION");
    int r = client_address_parse(client_choose_host(host), tls, &client->address, err);

    if (r < 0) {
        client_free(client);
        return r;
    }
    if (version && *version)
        client->version = xasprintf("/v%s", version[0] == 'v' ? version + 1 : version);
    *ret = client;
    return 0;
}

void client_to_service(struct client *client, int patience_ms)
{
    free(client->version);
    client->version = NULL;
    client->address.patience_ms = patience_ms;
}

void client_free(struct client *client)
{
    if (!client)
        return;
    for (size_t i = 0; i < client->kept_count; i++)
        connection_close(client->kept[i]);
    client_address_release(&client->address);
    free(client->version);
    free(client);
}

/* ---- sending ---- */

static bool streams_body(const struct client_request *request)
{
    return request->stream_body || request->body_writer;
}

static void write_head(const struct client *client, const struct client_request *request, bool upgrade,
                       struct strbuf *out)
{
    const char *method = request->method ? request->method : "GET";
    const char *type = request->content_type;

    strbuf_addf(out, "%s %s%s HTTP/1.1\r\nHost: dory\r\nUser-Agent: dory/" DORY_VERSION "\r\n", method,
                client->version ? client->version : "", request->path);
    if (upgrade)
        strbuf_adds(out, "Connection: Upgrade\r\nUpgrade: tcp\r\n");
    for (const char *const *h = request->headers; h && *h; h++)
        strbuf_addf(out, "%s\r\n", *h);
    if (streams_body(request))
        strbuf_addf(out, "Content-Type: %s\r\nTransfer-Encoding: chunked\r\n", type ? type : "application/x-tar");
    else if (request->body_size > 0)
        strbuf_addf(out, "Content-Type: %s\r\nContent-Length: %zu\r\n", type ? type : "application/json",
                    request->body_size);
    else if (strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0)
        strbuf_adds(out, "Content-Length: 0\r\n");
    strbuf_adds(out, "\r\n");
    if (!streams_body(request))
        strbuf_add(out, request->body, request->body_size);
}

/* A client_sink: one chunk. -EPIPE: the daemon wants no more of it; its answer tells why. */
static int put_chunk(void *data, const void *bytes, size_t size, struct error *err)
{
    struct connection *connection = data;
    char head[32];

    if (size == 0)
        return 0;
    int r = connection_write(connection, head, (size_t)snprintf(head, sizeof(head), "%zx\r\n", size));
    if (r == 0)
        r = connection_write(connection, bytes, size);
    if (r == 0)
        r = connection_write(connection, "\r\n", 2);
    return r < 0 ? error_errno(err, r, "send to the daemon") : 0;
}

static int upload_written(struct connection *connection, const struct client_request *request, struct error *err)
{
    int r = request->body_writer(put_chunk, connection, request->writer_data, err);

    return r < 0 ? r : connection_write(connection, "0\r\n\r\n", 5);
}

/* -EPIPE as put_chunk(). */
static int upload(struct connection *connection, int fd, struct error *err)
{
    CLEANUP_FREE char *piece = xmalloc(UPLOAD_PIECE + 32);
    int r;

    for (;;) {
        const size_t head = 16; /* room for the size line in front of the data */
        char size_line[16];
        ssize_t n = read(fd, piece + head, UPLOAD_PIECE);
        int length;

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(err, errno, "read the request's body");
        if (n == 0)
            break;
        length = snprintf(size_line, sizeof(size_line), "%zx\r\n", (size_t)n);
        memcpy(piece + head - length, size_line, (size_t)length);
        memcpy(piece + head + n, "\r\n", 2);
        r = connection_write(connection, piece + head - length, (size_t)length + (size_t)n + 2);
        if (r < 0)
            return r;
    }
    return connection_write(connection, "0\r\n\r\n", 5);
}

/* Reads to the end of a head. */
static int receive_head(struct connection *connection, struct http_head *ret, struct error *err)
{
    for (;;) {
        const char *data = connection->buffer + connection->start;
        size_t size = connection->end - connection->start;
        size_t length = http_head_length(data, size);
        ssize_t n;
        int r;

        if (length > 0) {
            r = http_head_parse(data, length, ret, err);
            connection->start += length;
            if (r == 0 && ret->status < 200 && ret->status != 101) { /* 100 Continue */
                http_head_release(ret);
                *ret = (struct http_head){0};
                continue;
            }
            return r;
        }
        n = connection_fill(connection);
        if (n == 0)
            return error_set(err, ERROR_UNAVAILABLE, ECONNRESET, "the daemon closed the connection without an answer");
        if (n < 0)
            return error_errno(err, (int)n, "read the answer");
    }
}

/* A kept connection that the daemon has closed in the meantime fails before it yields a byte. */
static int exchange(struct client *client, const struct client_request *request, bool upgrade,
                    struct connection *connection, struct http_head *head, struct error *err)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    int r;

    write_head(client, request, upgrade, &out);
    r = connection_write(connection, out.data, out.size);
    if (r == 0 && request->body_writer)
        r = upload_written(connection, request, err);
    else if (r == 0 && request->stream_body)
        r = upload(connection, request->body_fd, err);
    /* A daemon that stopped reading has most likely said why. */
    if (r < 0 && r != -EPIPE && r != -ECONNRESET)
        return err->kind != ERROR_NONE ? r : error_errno(err, r, "send to the daemon");
    return receive_head(connection, head, err);
}

static enum error_kind kind_of_status(int status)
{
    switch (status) {
    case 400:
        return ERROR_INVALID;
    case 401:
        return ERROR_UNAUTHORIZED;
    case 403:
        return ERROR_FORBIDDEN;
    case 404:
        return ERROR_NOT_FOUND;
    case 409:
        return ERROR_CONFLICT;
    case 501:
        return ERROR_NOT_IMPLEMENTED;
    case 503:
        return ERROR_UNAVAILABLE;
    default:
        return ERROR_SYSTEM;
    }
}

/* Turns a response with a status of 400 or more into an error. */
static int failure(struct client_response *response, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    CLEANUP_JSON struct json *tree = NULL;
    int status = response->head.status;
    const char *message = NULL;

    if (client_read_all(response, ERROR_BODY_MAX, &text, NULL) == 0 && text.size > 0 &&
        json_parse(text.data, text.size, &tree, NULL) == 0)
        message = json_get_string(tree, "message");
    while (!message && text.size > 0 && strchr("\r\n ", text.data[text.size - 1]))
        text.data[--text.size] = '\0';
    if (!message && text.size > 0)
        message = text.data;
    if (message)
        return error_set(err, kind_of_status(status), 0, "Error response from daemon: %s", message);
    return error_set(err, kind_of_status(status), 0, "Error response from daemon: HTTP status %d without a message",
                     status);
}

static void frame_body(struct client_response *response, const struct client_request *request)
{
    const struct http_head *head = &response->head;
    bool none = head->status == 204 || head->status == 304 || (request->method && strcmp(request->method, "HEAD") == 0);

    response->left = head->content_length;
    response->ended = none || (!head->chunked && head->content_length == 0);
}

static int send_once(struct client *client, const struct client_request *request, bool upgrade,
                     struct connection *connection, struct client_response **ret, struct error *err)
{
    struct client_response *response = xcalloc(1, sizeof(*response));
    int r;

    response->client = client;
    response->connection = connection;
    connection->used = true;
    r = exchange(client, request, upgrade, connection, &response->head, err);
    if (r < 0)
        response->head.close = true; /* no use for the connection any more */
    else
        frame_body(response, request);
    if (r == 0 && response->head.status >= 400)
        r = failure(response, err);
    if (r < 0) {
        client_response_free(response);
        return r;
    }
    *ret = response;
    return 0;
}

int client_send(struct client *client, const struct client_request *request, struct client_response **ret,
                struct error *err)
{
    struct error own = {0};
    struct connection *connection = NULL;
    int r;

    if (client->kept_count > 0 && !streams_body(request)) {
        r = send_once(client, request, false, client->kept[--client->kept_count], ret, &own);
        if (r == 0 || (own.errnum != ECONNRESET && own.errnum != EPIPE))
            return error_propagate(err, &own);
        error_clear(&own);
    }
    r = connection_open(&client->address, &connection, err);
    if (r < 0)
        return r;
    r = send_once(client, request, false, connection, ret, &own);
    return r < 0 ? error_propagate(err, &own) : 0;
}

void client_prepare(struct client *client, size_t count)
{
    while (client->address.path && client->kept_count < count && client->kept_count < KEPT_MAX) {
        struct connection *connection = NULL;

        if (connection_open(&client->address, &connection, NULL) < 0)
            return; /* the first request says why */
        client->kept[client->kept_count++] = connection;
    }
}

/* A connection that was opened early and has not been used: the daemon cannot have tired of it. NULL: there is none. */
static struct connection *take_fresh(struct client *client)
{
    for (size_t i = 0; i < client->kept_count; i++) {
        struct connection *connection = client->kept[i];

        if (connection->used)
            continue;
        client->kept[i] = client->kept[--client->kept_count];
        return connection;
    }
    return NULL;
}

/* ---- receiving ---- */

static void keep(struct client *client, struct connection *connection)
{
    if (client->kept_count == KEPT_MAX) {
        connection_close(connection);
        return;
    }
    client->kept[client->kept_count++] = connection;
}

void client_response_free(struct client_response *response)
{
    if (!response)
        return;
    if (response->connection && response->ended && !response->head.close)
        keep(response->client, response->connection);
    else
        connection_close(response->connection);
    http_head_release(&response->head);
    strbuf_release(&response->line);
    free(response);
}

void client_response_free_ptr(struct client_response **response)
{
    client_response_free(*response);
}

int client_status(const struct client_response *response)
{
    return response->head.status;
}

const char *client_header(const struct client_response *response, const char *name)
{
    return http_head_get(&response->head, name);
}

int client_response_fd(const struct client_response *response)
{
    return response->connection->fd;
}

bool client_buffered(const struct client_response *response)
{
    return response->ended || response->connection->start < response->connection->end ||
           response->line_used < response->line.size;
}

/* Takes decoded bytes out of the connection's buffer. 0: more has to be read, or the body has ended. */
static ssize_t take(struct client_response *response, char *data, size_t size)
{
    struct connection *connection = response->connection;
    const char *in = connection->buffer + connection->start;
    size_t available = connection->end - connection->start;
    ssize_t n;

    if (response->head.chunked) {
        n = chunk_decode(&response->chunks, &in, &available, data, size);
        connection->start = connection->end - available;
        response->ended = response->chunks.state == CHUNK_DONE;
        return n;
    }
    if (size > available)
        size = available;
    if (response->left >= 0 && (int64_t)size > response->left)
        size = (size_t)response->left;
    memcpy(data, in, size);
    connection->start += size;
    if (response->left >= 0) {
        response->left -= (int64_t)size;
        response->ended = response->left == 0;
    }
    return (ssize_t)size;
}

ssize_t client_read(struct client_response *response, void *data, size_t size, struct error *err)
{
    while (!response->ended && size > 0) {
        ssize_t n = take(response, data, size);

        if (n > 0)
            return n;
        if (n < 0) {
            response->head.close = true;
            return error_set(err, ERROR_SYSTEM, EPROTO, "malformed HTTP response: bad chunk");
        }
        if (response->ended)
            break;
        n = connection_fill(response->connection);
        if (n == 0 && !response->head.chunked && response->left < 0) {
            response->ended = response->head.close = true;
            break;
        }
        if (n == 0)
            return error_set(err, ERROR_UNAVAILABLE, ECONNRESET, "the connection to the daemon was lost");
        if (n < 0)
            return error_errno(err, (int)n, "read the answer");
    }
    return 0;
}

int client_read_all(struct client_response *response, size_t limit, struct strbuf *out, struct error *err)
{
    for (;;) {
        char *room = strbuf_reserve(out, 16384);
        ssize_t n = client_read(response, room, 16384, err);

        if (n < 0)
            return (int)n;
        if (n == 0)
            return 0;
        out->size += (size_t)n;
        strbuf_terminate(out);
        if (out->size > limit)
            return error_set(err, ERROR_SYSTEM, EFBIG, "the daemon's answer is larger than %zu bytes", limit);
    }
}

int client_read_line(struct client_response *response, size_t limit, const char **ret_line, struct error *err)
{
    struct strbuf *line = &response->line;

    *ret_line = NULL;
    for (;;) {
        char *start = line->data ? line->data + response->line_used : NULL;
        size_t size = line->size - response->line_used;
        char *newline = size > 0 ? memchr(start, '\n', size) : NULL;
        ssize_t n;

        if (newline) {
            *newline = '\0';
            response->line_used = (size_t)(newline - line->data) + 1;
            if (newline > start && newline[-1] == '\r')
                newline[-1] = '\0';
            *ret_line = start;
            return 0;
        }
        if (size > limit)
            return error_set(err, ERROR_SYSTEM, EFBIG, "a line of the daemon's answer is larger than %zu bytes", limit);
        if (response->line_used > 0) {
            memmove(line->data, start, size);
            line->size = size;
            strbuf_terminate(line);
            response->line_used = 0;
        }
        n = client_read(response, strbuf_reserve(line, 4096), 4096, err);
        if (n < 0)
            return (int)n;
        if (n == 0) { /* a last line without its newline */
            response->line_used = line->size;
            *ret_line = size > 0 ? line->data : NULL;
            return 0;
        }
        line->size += (size_t)n;
        strbuf_terminate(line);
    }
}

int client_call(struct client *client, const struct client_request *request, char **ret_text, size_t *ret_size,
                int *ret_status, struct error *err)
{
    CLEANUP_CLIENT_RESPONSE struct client_response *response = NULL;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    int r = client_send(client, request, &response, err);

    if (r == 0)
        r = client_read_all(response, CLIENT_BODY_MAX, &text, err);
    if (r < 0)
        return r;
    if (ret_size)
        *ret_size = text.size;
    if (ret_status)
        *ret_status = response->head.status;
    if (ret_text)
        *ret_text = strbuf_take(&text);
    return 0;
}

int client_json(struct client *client, const struct client_request *request, struct json **ret, struct error *err)
{
    CLEANUP_FREE char *text = NULL;
    size_t size = 0;
    int r = client_call(client, request, &text, &size, NULL, err);

    if (r < 0)
        return r;
    r = json_parse(text, size, ret, err);
    return r < 0 ? error_context(err, "the daemon's answer") : 0;
}

int client_hijack(struct client *client, const struct client_request *request, struct client_stream *ret,
                  struct error *err)
{
    CLEANUP_CLIENT_RESPONSE struct client_response *response = NULL;
    struct connection *connection = take_fresh(client);
    struct error own = {0};
    const char *type;
    int r = connection ? 0 : connection_open(&client->address, &connection, err);

    if (r < 0)
        return r;
    r = send_once(client, request, true, connection, &response, &own);
    if (r < 0)
        return error_propagate(err, &own);
    if (response->head.status != 101 && response->head.status != 200)
        return error_set(err, ERROR_SYSTEM, EPROTO, "unable to upgrade to tcp, received %d", response->head.status);
    type = client_header(response, "Content-Type");
    ret->multiplexed = type && strcmp(type, "application/vnd.docker.multiplexed-stream") == 0;
    ret->has_type = ret->multiplexed || (type && strcmp(type, "application/vnd.docker.raw-stream") == 0);
    ret->leftover_size = connection->end - connection->start;
    ret->leftover = xmemdup(connection->buffer + connection->start, ret->leftover_size);
    ret->fd = TAKE_FD(connection->fd);
    response->head.close = true;
    return 0;
}

int client_dial(struct client *client, int *ret_fd, struct error *err)
{
    struct connection *connection;
    int r = connection_open(&client->address, &connection, err);

    if (r < 0)
        return r;
    *ret_fd = connection->fd;
    connection->fd = -1;
    connection_close(connection);
    return 0;
}
