/* Replies: whole ones are kept for libmicrohttpd to send, streams go out at once. */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "api/request.h"
#include "base/condition.h"
#include "base/log.h"
#include "base/timestamp.h"

/* How long a stream's end waits for the rest of the request's body, which should be there; else the connection ends. */
#define RECEIVE_PATIENCE_NS INT64_C(1000000000)

const char *const api_common_headers[] = {
    "Api-Version", API_VERSION_MAX, "Docker-Experimental",           "false", "Ostype",
    "linux",       "Server",        "Dory/" DORY_VERSION " (linux)", NULL,
};

int api_error_status(const struct error *error)
{
    static const struct {
        enum error_kind kind;
        int status;
    } statuses[] = {
        {ERROR_SYSTEM, 500},      {ERROR_INVALID, 400},   {ERROR_UNAUTHORIZED, 401}, {ERROR_FORBIDDEN, 403},
        {ERROR_NOT_FOUND, 404},   {ERROR_CONFLICT, 409},  {ERROR_NOT_MODIFIED, 304}, {ERROR_NOT_IMPLEMENTED, 501},
        {ERROR_UNAVAILABLE, 503}, {ERROR_CANCELLED, 499},
    };

    for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
        if (statuses[i].kind == error->kind)
            return statuses[i].status;
    }
    return 500;
}

const char *api_status_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {204, "No Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {409, "Conflict"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    return "Error";
}

/* True when this is the first reply; a second one is a bug of the handler and must not reach the client. */
static bool first_reply(struct api_request *request, int status, const char *content_type)
{
    if (request->replied) {
        log_error("%s %s was answered twice", request->method, request->target_text);
        return false;
    }
    request->replied = true;
    request->status = status;
    xstrset(&request->content_type, content_type);
    return true;
}

int api_reply_json(struct api_request *request, int status, struct strbuf *body)
{
    if (!first_reply(request, status, "application/json"))
        return -EALREADY;
    strbuf_addc(body, '\n'); /* docker's encoder ends its values so */
    request->reply_body = *body;
    *body = (struct strbuf)STRBUF_INIT;
    return 0;
}

int api_reply_text(struct api_request *request, int status, const char *content_type, const char *text)
{
    if (!first_reply(request, status, content_type))
        return -EALREADY;
    strbuf_adds(&request->reply_body, text);
    return 0;
}

int api_reply_empty(struct api_request *request, int status)
{
    return first_reply(request, status, NULL) ? 0 : -EALREADY;
}

void api_reply_header(struct api_request *request, const char *name, const char *value)
{
    strmap_set(&request->reply_headers, name, value);
}

int api_reply_error(struct api_request *request, const struct error *error)
{
    CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
    int status = api_error_status(error);
    struct json_writer w;

    if (status == 304)
        return api_reply_empty(request, status);
    if (error->kind == ERROR_SYSTEM)
        log_error("%s %s: %s", request->method, request->target_text, error->message);
    else
        log_debug("%s %s: %s", request->method, request->target_text, error->message);
    json_writer_init(&w, &body);
    json_begin_object(&w);
    json_member_string(&w, "message", error->message);
    json_end_object(&w);
    return api_reply_json(request, status, &body);
}

int request_send(struct api_request *request, const void *data, size_t size)
{
    const char *at = data;

    while (size > 0 && !request->broken) {
        ssize_t n = send(request_socket(request), at, size, MSG_NOSIGNAL);

        if (n >= 0) {
            at += n;
            size -= (size_t)n;
        } else if (errno == EAGAIN) {
            struct pollfd p = {.fd = request_socket(request), .events = POLLOUT};

            int n_ready = poll(&p, 1, request->patience_ms > 0 ? request->patience_ms : -1);
            if (n_ready == 0)
                shutdown(request_socket(request), SHUT_RDWR); /* api_client_fd tells it */
            if (n_ready == 0 || (n_ready < 0 && errno != EINTR))
                request->broken = true;
        } else if (errno != EINTR) {
            request->broken = true;
        }
    }
    return request->broken ? -EPIPE : 0;
}

static bool wants_to_keep(const struct api_request *request)
{
    const char *connection = api_header(request, "Connection");

    return connection && strcasecmp(connection, "keep-alive") == 0;
}

int api_stream_begin(struct api_request *request, int status, const char *content_type)
{
    CLEANUP_STRBUF struct strbuf head = STRBUF_INIT;

    if (!first_reply(request, status, content_type))
        return -EALREADY;
    request->streaming = true;
    request->chunked = !request->http10;
    request->keep =
        request->chunked && !request->hasty && strcmp(request->method, "HEAD") != 0 && wants_to_keep(request);
    strbuf_addf(&head, "HTTP/1.1 %d %s\r\n", status, api_status_reason(status));
    for (const char *const *h = api_common_headers; *h; h += 2)
        strbuf_addf(&head, "%s: %s\r\n", h[0], h[1]);
    for (size_t i = 0; i < request->reply_headers.count; i++)
        strbuf_addf(&head, "%s: %s\r\n", request->reply_headers.items[i].key, request->reply_headers.items[i].value);
    strbuf_addf(&head, "Content-Type: %s\r\n%s%s\r\n", content_type, request->keep ? "" : "Connection: close\r\n",
                request->chunked ? "Transfer-Encoding: chunked\r\n" : "");
    return request_send(request, head.data, head.size);
}

int api_stream_write(struct api_request *request, const void *data, size_t size)
{
    char head[32];
    int n;
    struct iovec parts[3];
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
    ssize_t sent;

    if (!request->streaming || request->broken)
        return -EPIPE;
    if (size == 0 || strcmp(request->method, "HEAD") == 0)
        return 0;
    if (!request->chunked)
        return request_send(request, data, size);
    n = snprintf(head, sizeof(head), "%zx\r\n", size);
    parts[0] = (struct iovec){head, (size_t)n};
    parts[1] = (struct iovec){(void *)data, size};
    parts[2] = (struct iovec){(void *)"\r\n", 2};
    /* One system call when there is room; the rest piece by piece. */
    sent = sendmsg(request_socket(request), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN && errno != EINTR)
        request->broken = true;
    if (sent < 0)
        sent = 0;
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        size_t done = (size_t)sent < parts[i].iov_len ? (size_t)sent : parts[i].iov_len;

        request_send(request, (char *)parts[i].iov_base + done, parts[i].iov_len - done);
        sent -= (ssize_t)done;
    }
    return request->broken ? -EPIPE : 0;
}

int request_reply_now(struct api_request *request)
{
    CLEANUP_STRBUF struct strbuf body = request->reply_body;
    CLEANUP_FREE char *type = TAKE_PTR(request->content_type);

    request->reply_body = (struct strbuf)STRBUF_INIT;
    request->replied = false;
    request->hasty = true;
    api_stream_begin(request, request->status, type ? type : "text/plain");
    if (body.size > 0)
        api_stream_write(request, body.data, body.size);
    request_stream_end(request);
    return request->broken ? -EPIPE : 0;
}

/* The client's next request may follow the last chunk at once: it must not meet a thread that still reads this one. */
static bool wait_until_received(struct api_request *request)
{
    int64_t end = timestamp_monotonic() + RECEIVE_PATIENCE_NS;
    int r = 0;

    pthread_mutex_lock(&request->lock);
    while (!request->received && r == 0)
        r = condition_wait_until(&request->changed, &request->lock, end);
    bool received = request->received;
    pthread_mutex_unlock(&request->lock);
    return received;
}

void request_stream_end(struct api_request *request)
{
    if (request->keep && !wait_until_received(request))
        request->keep = false;
    if (request->chunked && strcmp(request->method, "HEAD") != 0)
        request_send(request, "0\r\n\r\n", 5);
    request->ended = !request->broken;
}
