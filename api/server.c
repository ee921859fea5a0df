/* The server: libmicrohttpd's callbacks and the threads around them. */
#include "api/server.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <microhttpd.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/buildkit/buildkit.h"
#include "api/hijack.h"
#include "api/listen_tls.h"
#include "api/metrics.h"
#include "api/request.h"
#include "api/server_private.h"
#include "base/fd.h"
#include "base/log.h"
#include "daemon/engine.h"
#include "daemon/options.h"

/* Per connection: the request line and all headers have to fit. libmicrohttpd clears all of it for every request. */
#define CONNECTION_MEMORY ((size_t)32 * 1024)
#define CONNECTIONS_MAX 4096
/* How much of a body is still taken in after the handler has answered, so that the client reads the answer instead of
 * a reset: docker's client does not look for one when it cannot write on (an import with a wrong --change). */
#define DRAIN_MAX ((size_t)256 * 1024 * 1024)
#define LISTENERS_MAX 32
/* The memory of answers from that size on goes back to the system at once. */
#define LARGE_REPLY ((size_t)256 * 1024)

struct api_server {
    struct engine *engine;
    struct listener {
        char *host;
        int fd; /* -1 once libmicrohttpd owns it */
        struct MHD_Daemon *daemon;
        const struct server_tls *tls; /* NULL: in the clear */
        struct tls_listener *tls_listener;
    } listeners[LISTENERS_MAX];
    size_t count;
    pthread_mutex_t lock;
    pthread_cond_t idle;
    size_t handlers; /* threads of handlers */
    struct buildkit *buildkit;
    struct metrics *metrics;
};

struct metrics *api_server_metrics(struct api_server *server)
{
    return server->metrics;
}

struct buildkit *api_server_buildkit(struct api_server *server)
{
    return server->buildkit;
}

int api_thread_start(void *(*run)(void *), void *data)
{
    pthread_attr_t attributes;
    pthread_t thread;
    int r;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, API_THREAD_STACK);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    r = pthread_create(&thread, &attributes, run, data);
    pthread_attr_destroy(&attributes);
    return -r;
}

/* ---- the handler's thread ---- */

static void set_phase(struct api_request *request, enum request_phase phase)
{
    pthread_mutex_lock(&request->lock);
    request->phase = phase;
    pthread_cond_broadcast(&request->changed);
    pthread_mutex_unlock(&request->lock);
}

static void *handler_main(void *data)
{
    struct api_request *request = data;
    struct api_server *server = request->server;

    request_handle(request);
    /* Nobody reads the rest of the body: whoever feeds it hears of it. */
    pthread_mutex_lock(&request->lock);
    request->body_read = fd_close(request->body_read);
    pthread_mutex_unlock(&request->lock);
    set_phase(request, REQUEST_DONE);
    request_unref(request);
    pthread_mutex_lock(&server->lock);
    if (--server->handlers == 0)
        pthread_cond_broadcast(&server->idle);
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

static int start_handler(struct api_request *request)
{
    int r;

    request->threaded = true;
    pthread_mutex_lock(&request->server->lock);
    request->server->handlers++;
    pthread_mutex_unlock(&request->server->lock);
    r = api_thread_start(handler_main, request_ref(request));
    if (r < 0) {
        request->threaded = false;
        request_unref(request);
        pthread_mutex_lock(&request->server->lock);
        request->server->handlers--;
        pthread_mutex_unlock(&request->server->lock);
    }
    return r;
}

/* ---- the connection's thread ---- */

static enum MHD_Result add_header(void *data, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    if (value)
        strmap_set(data, name, value);
    return MHD_YES;
}

/* It leaves holes between what stays (two cores have two heaps), as large as it was. */
static void free_large_reply(void *body)
{
    free(body);
    malloc_trim(0);
}

static enum MHD_Result queue_reply(struct api_request *request, struct MHD_Connection *connection)
{
    size_t size = request->reply_body.size;
    char *body = size > 0 ? strbuf_take(&request->reply_body) : NULL;
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback(size, body, size >= LARGE_REPLY ? free_large_reply : free);
    enum MHD_Result result;

    if (!response) {
        free(body);
        return MHD_NO;
    }
    for (const char *const *h = api_common_headers; *h; h += 2)
        MHD_add_response_header(response, h[0], h[1]);
    if (request->content_type)
        MHD_add_response_header(response, "Content-Type", request->content_type);
    for (size_t i = 0; i < request->reply_headers.count; i++)
        MHD_add_response_header(response, request->reply_headers.items[i].key, request->reply_headers.items[i].value);
    result = MHD_queue_response(connection, (unsigned)request->status, response);
    MHD_destroy_response(response);
    return result;
}

/* After the 101 is on its way: the connection goes to the handler's thread. */
static void upgraded(void *closure, struct MHD_Connection *connection, void *con_cls, const char *extra, size_t size,
                     MHD_socket socket_fd, struct MHD_UpgradeResponseHandle *handle)
{
    struct api_request *request = con_cls;
    int fd = hijack_take_socket(socket_fd);

    (void)closure;
    (void)connection;
    if (fd >= 0 && size > 0)
        fd = hijack_push_back(fd, extra, size);
    pthread_mutex_lock(&request->lock);
    request->hijacked = fd;
    request->phase = REQUEST_TAKEN;
    pthread_cond_broadcast(&request->changed);
    pthread_mutex_unlock(&request->lock);
    MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
}

static enum MHD_Result queue_upgrade(struct api_request *request, struct MHD_Connection *connection)
{
    struct MHD_Response *response = MHD_create_response_for_upgrade(upgraded, NULL);
    enum MHD_Result result;

    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, "Upgrade", request->hijack_protocol ? request->hijack_protocol : "tcp");
    MHD_add_response_header(response, "Content-Type", request->hijack_type);
    for (const char *const *h = api_common_headers; *h; h += 2)
        MHD_add_response_header(response, h[0], h[1]);
    result = MHD_queue_response(connection, MHD_HTTP_SWITCHING_PROTOCOLS, response);
    MHD_destroy_response(response);
    return result;
}

/* The stream is over: its socket becomes a new connection where the client wants that. The old one ends in every case.
 */
static enum MHD_Result end_stream(struct api_request *request, struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_DAEMON);
    const struct sockaddr address = {.sa_family = AF_UNIX};
    int fd;

    if (!request->keep || !request->ended || !info)
        return MHD_NO;
    fd = hijack_take_socket(request->connection_socket);
    if (fd >= 0 && MHD_add_connection(info->daemon, fd, &address, sizeof(address.sa_family)) != MHD_YES)
        log_error("a connection could not be kept: %m"); /* it was closed */
    return MHD_NO;
}

/* The handler runs in its own thread: waits for what it decides. */
static enum MHD_Result finish_threaded(struct api_request *request, struct MHD_Connection *connection)
{
    enum request_phase phase;

    pthread_mutex_lock(&request->lock);
    while (request->phase == REQUEST_HANDLING)
        pthread_cond_wait(&request->changed, &request->lock);
    phase = request->phase;
    pthread_mutex_unlock(&request->lock);
    if (phase == REQUEST_UPGRADE)
        return queue_upgrade(request, connection);
    if (phase == REQUEST_TAKEN)
        return MHD_NO; /* the socket was taken */
    if (request->streaming)
        return end_stream(request, connection);
    return queue_reply(request, connection);
}

static enum MHD_Result finish(struct api_request *request, struct MHD_Connection *connection)
{
    bool own_thread = request->route && request->route->flags & API_HIJACK;
    int r;

    pthread_mutex_lock(&request->lock);
    request->received = true;
    pthread_cond_broadcast(&request->changed);
    pthread_mutex_unlock(&request->lock);
    if (own_thread && !request->threaded) {
        r = start_handler(request);
        if (r < 0) {
            request->route = NULL;
            error_errno(&request->early, r, "start a thread");
        }
    }
    if (request->threaded) {
        if (request->body_write >= 0)
            shutdown(request->body_write, SHUT_WR);
        return finish_threaded(request, connection);
    }
    request_handle(request);
    return request->streaming ? end_stream(request, connection) : queue_reply(request, connection);
}

/* The body reaches its handler through a socket pair rather than a pipe: closing an end while something lies unread in
 * it makes the other side's read fail with ECONNRESET instead of ending, so that a body that was cut off
 * (notify_completed without finish) is never taken for a whole one. The byte written here is what lies unread. */
static int start_streamed_body(struct api_request *request)
{
    int pair[2];
    int r = fd_socketpair(SOCK_STREAM, pair);

    if (r < 0)
        return r;
    request->body_write = pair[0];
    request->body_read = pair[1];
    request->socket = fd_dup(request->connection_socket);
    if (request->socket < 0)
        return request->socket;
    r = fd_write_all(request->body_read, "", 1);
    return r < 0 ? r : start_handler(request);
}

static enum MHD_Result begin(struct api_request *request, struct MHD_Connection *connection, const char *method,
                             const char *version)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    const char *length;
    int r;

    request->started = true;
    request->connection_socket = info ? info->connect_fd : -1;
    request->method = xstrdup(method);
    request->http10 = strcmp(version, "HTTP/1.0") == 0;
    MHD_get_connection_values(connection, MHD_HEADER_KIND, add_header, &request->headers);
    length = api_header(request, "Content-Length");
    request->has_body = (length && strcmp(length, "0") != 0) || api_header(request, "Transfer-Encoding");
    request_route(request);
    if (request->route && request->route->flags & API_BODY_STREAM) {
        r = start_streamed_body(request);
        if (r < 0) {
            request->route = NULL;
            error_errno(&request->early, r, "receive the request's body");
        }
    }
    return MHD_YES;
}

static bool handler_is_done(struct api_request *request)
{
    bool done;

    pthread_mutex_lock(&request->lock);
    done = request->phase == REQUEST_DONE;
    pthread_mutex_unlock(&request->lock);
    return done;
}

static enum MHD_Result take_body(struct api_request *request, const char *data, size_t size)
{
    if (request->threaded) {
        if (request->body_write < 0)
            return MHD_YES;
        for (size_t done = 0; done < size;) {
            ssize_t n = send(request->body_write, data + done, size - done, MSG_NOSIGNAL);

            if (n < 0 && errno != EINTR)
                break; /* the handler reads no more */
            done += n > 0 ? (size_t)n : 0;
        }
        if (!handler_is_done(request))
            return MHD_YES;
        /* Answered before the body's end: take in a little more for politeness. */
        request->drained += size;
        if (request->drained <= DRAIN_MAX)
            return MHD_YES;
        if (!request->streaming)
            request_reply_now(request);
        return MHD_NO;
    }
    if (request->body.size + size > API_BODY_MAX) {
        request->body_too_large = true;
        strbuf_release(&request->body);
    }
    if (!request->body_too_large && request->route && request->route->flags & (API_BODY_JSON | API_HIJACK))
        strbuf_add(&request->body, data, size);
    return MHD_YES;
}

static enum MHD_Result access_handler(void *closure, struct MHD_Connection *connection, const char *url,
                                      const char *method, const char *version, const char *upload_data,
                                      size_t *upload_data_size, void **con_cls)
{
    struct api_request *request = *con_cls;

    (void)closure;
    (void)url;
    if (!request)
        return MHD_NO;
    if (!request->started)
        return begin(request, connection, method, version);
    if (*upload_data_size > 0) {
        size_t size = *upload_data_size;

        *upload_data_size = 0;
        return take_body(request, upload_data, size);
    }
    return finish(request, connection);
}

static void *target_seen(void *closure, const char *uri, struct MHD_Connection *connection)
{
    struct api_server *server = closure;

    (void)connection;
    return request_new(server, server->engine, uri);
}

static void completed(void *closure, struct MHD_Connection *connection, void **con_cls,
                      enum MHD_RequestTerminationCode code)
{
    struct api_request *request = *con_cls;

    (void)closure;
    (void)connection;
    (void)code;
    *con_cls = NULL;
    if (!request)
        return;
    if (request->threaded) {
        pthread_mutex_lock(&request->lock);
        request->body_write = fd_close(request->body_write);
        if (request->phase == REQUEST_UPGRADE) { /* the 101 could not be sent */
            request->phase = REQUEST_TAKEN;
            pthread_cond_broadcast(&request->changed);
        }
        pthread_mutex_unlock(&request->lock);
    }
    request_unref(request);
}

static void log_library(void *closure, const char *format, va_list args)
{
    CLEANUP_FREE char *text = xvasprintf(format, args);

    (void)closure;
    text[strcspn(text, "\n")] = '\0';
    /* What it calls an error is how streams and taken connections end here (MHD_NO from finish). */
    if (strncmp(text, "Application reported internal error", strlen("Application reported internal error")) != 0)
        log_debug("libmicrohttpd: %s", text);
}

/* ---- the server ---- */

int api_server_new(struct api_server **ret, struct error *err)
{
    struct api_server *server = xcalloc(1, sizeof(*server));

    (void)err;
    server->buildkit = buildkit_new();
    server->metrics = metrics_new();
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->idle, NULL);
    *ret = server;
    return 0;
}

/* A passed socket may be of either kind. */
static bool socket_is_unix(int fd)
{
    int domain = 0;
    socklen_t size = sizeof(domain);

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

int api_server_listen(struct api_server *server, const char *host, const struct api_listen_options *options,
                      struct error *err)
{
    const struct server_tls *tls = strncmp(host, "unix://", strlen("unix://")) == 0 ? NULL : options->tls;
    int fds[LISTEN_SOCKETS_MAX], r;
    size_t count = 0;

    r = api_listen_sockets(host, options->group, tls != NULL, fds, &count, err);
    if (r < 0)
        return r;
    if (server->count + count > LISTENERS_MAX)
        return error_set(err, ERROR_INVALID, 0, "more than %d sockets to listen on", LISTENERS_MAX);
    for (size_t i = 0; i < count; i++)
        server->listeners[server->count++] =
            (struct listener){.host = xstrdup(host), .fd = fds[i], .tls = socket_is_unix(fds[i]) ? NULL : tls};
    return 0;
}

/* fd -1: connections are added by the TLS listener. */
static struct MHD_Daemon *start_daemon(struct api_server *server, int fd)
{
    const unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
                           MHD_ALLOW_UPGRADE | MHD_USE_ERROR_LOG | MHD_USE_ITC /* connections are added */ |
                           (fd < 0 ? MHD_USE_NO_LISTEN_SOCKET : 0);

    /* The option must not be there at all without a socket. */
    const struct MHD_OptionItem listen[] = {{fd < 0 ? MHD_OPTION_END : MHD_OPTION_LISTEN_SOCKET, fd, NULL},
                                            {MHD_OPTION_END, 0, NULL}};

    return MHD_start_daemon(flags, 0, NULL, NULL, access_handler, server, MHD_OPTION_EXTERNAL_LOGGER, log_library, NULL,
                            MHD_OPTION_ARRAY, listen, MHD_OPTION_URI_LOG_CALLBACK, target_seen, server,
                            MHD_OPTION_NOTIFY_COMPLETED, completed, server, MHD_OPTION_THREAD_STACK_SIZE,
                            API_THREAD_STACK, MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY,
                            MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_END);
}

static int start_listener(struct api_server *server, struct listener *listener, struct error *err)
{
    listener->daemon = start_daemon(server, listener->tls ? -1 : listener->fd);
    if (!listener->daemon)
        return error_errno(err, errno ? errno : EIO, "listen on %s", listener->host);
    if (listener->tls)
        return tls_listener_start(listener->fd, listener->tls, listener->daemon, &listener->tls_listener, err);
    listener->fd = -1;
    return 0;
}

int api_server_start(struct api_server *server, struct engine *engine, struct error *err)
{
    const char *address = engine_options(engine)->metrics;

    int r = address ? metrics_listen(server->metrics, engine, address, err) : 0;

    if (r < 0)
        return r;
    server->engine = engine;
    for (size_t i = 0; i < server->count; i++) {
        struct listener *listener = &server->listeners[i];

        r = start_listener(server, listener, err);
        if (r < 0) {
            api_server_stop(server);
            return r;
        }
    }
    return 0;
}

void api_server_stop(struct api_server *server)
{
    /* Shuts every connection's socket down first, which is how handlers that wait hear of it. */
    for (size_t i = 0; i < server->count; i++) {
        tls_listener_stop(server->listeners[i].tls_listener);
        server->listeners[i].tls_listener = NULL;
        if (server->listeners[i].daemon)
            MHD_stop_daemon(server->listeners[i].daemon);
        server->listeners[i].daemon = NULL;
    }
    metrics_stop(server->metrics);
    buildkit_stop(server->buildkit);
    pthread_mutex_lock(&server->lock);
    while (server->handlers > 0)
        pthread_cond_wait(&server->idle, &server->lock);
    pthread_mutex_unlock(&server->lock);
}

void api_server_free(struct api_server *server)
{
    if (!server)
        return;
    api_server_stop(server);
    for (size_t i = 0; i < server->count; i++) {
        struct listener *listener = &server->listeners[i];

        if (strncmp(listener->host, "unix://", strlen("unix://")) == 0)
            unlink(listener->host + strlen("unix://"));
        fd_close(listener->fd);
        free(listener->host);
    }
    buildkit_free(server->buildkit);
    metrics_free(server->metrics);
    pthread_mutex_destroy(&server->lock);
    pthread_cond_destroy(&server->idle);
    free(server);
}
