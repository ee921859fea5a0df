/*
 * One request while it is answered: what libmicrohttpd's callbacks (server.c) and the functions that handlers use
 * (request.c, reply.c, stream.c) share. Private to api/.
 *
 * Two threads may know it. The connection's thread receives, and runs the handler itself where nothing speaks against
 * it. Handlers that read their body while it arrives, and those that may take an upgraded connection, run in a thread
 * of their own; the connection's thread then feeds the body or waits for the decision. A reply that is complete goes
 * through libmicrohttpd, so that the connection is kept; streams are written straight to the socket by the handler's
 * thread, and the connection ends with them, unless the client says "Connection: keep-alive": then the socket starts
 * anew as a connection of libmicrohttpd's. (Clients whose connection is a process, docker-py's over ssh, end it when
 * they read "Connection: close", and lose what has not come yet. What a client sent behind such a request without
 * waiting for the answer is lost: no client of this API does that.)
 */
#ifndef DORY_API_REQUEST_H
#define DORY_API_REQUEST_H

#include <pthread.h>

#include "api/server.h"
#include "api/target.h"
#include "base/strmap.h"

struct MHD_Connection;

#define API_BODY_MAX ((size_t)4 * 1024 * 1024)

enum request_phase {
    REQUEST_HANDLING, /* the handler has not decided yet */
    REQUEST_UPGRADE,  /* wants the connection; the 101 has to go out first */
    REQUEST_TAKEN,    /* has the connection: the server must let go of it */
    REQUEST_DONE,     /* returned */
};

struct api_request {
    int references; /* atomic */
    struct api_server *server;
    struct engine *engine;
    int connection_socket; /* libmicrohttpd's number: valid in the connection's thread, and while that thread waits */
    int socket;            /* the same connection, ours: libmicrohttpd may close its own while the handler still runs */

    /* as received */
    char *target_text;
    struct target target;
    char *method;
    bool http10;
    struct strmap headers;
    bool has_body; /* bytes of a body came, or were announced */
    struct strbuf body;
    bool body_too_large;
    size_t drained; /* bytes of the body that came after the handler had answered */
    struct json *body_json;
    bool body_parsed;
    struct error early; /* found before a handler was known */

    /* the route */
    const struct api_route *route;
    struct strv path_values;

    /* the reply */
    bool replied;
    int status;
    char *content_type;
    struct strbuf reply_body;
    struct strmap reply_headers;
    bool streaming; /* straight on the socket */
    bool chunked;
    bool keep;       /* the connection stays after the stream; in the end: it may be handed back */
    bool ended;      /* the stream is whole */
    bool hasty;      /* answered before the request's end */
    bool broken;     /* the client is gone */
    int patience_ms; /* a client that takes nothing for so long is gone; 0: never */
    int hangup_epoll;

    /* a handler in a thread of its own */
    bool threaded;
    bool started;              /* the headers were seen */
    bool received;             /* under the lock: the whole request was read, so that nothing reads the socket now */
    int body_write, body_read; /* socket pair */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum request_phase phase;
    const char *hijack_type, *hijack_protocol; /* the latter NULL: tcp */
    int hijacked;                              /* the connection's socket, after the 101; -errno when it failed */
};

struct api_request *request_new(struct api_server *server, struct engine *engine, const char *target);
struct api_request *request_ref(struct api_request *request);
void request_unref(struct api_request *request);

/* Finds the route; fills early on failure. */
void request_route(struct api_request *request);
/* Runs the handler and sees to it that there is a reply. */
void request_handle(struct api_request *request);
/* The client asked for the connection to be upgraded. */
bool request_wants_upgrade(const struct api_request *request);
/* The connection as the handler may use it. */
int request_socket(const struct api_request *request);
/* Sends everything, waiting while the client is slow. 0 or -EPIPE. */
int request_send(struct api_request *request, const void *data, size_t size);
/* Sends a whole reply straight to the socket: for when libmicrohttpd would first want the rest of the body. */
int request_reply_now(struct api_request *request);
/* Ends a stream that was begun: the last chunk. `keep` is what becomes of the connection from now on. */
void request_stream_end(struct api_request *request);

/* 500 for ERROR_SYSTEM and so on. */
int api_error_status(const struct error *error);
/* "Not Found" */
const char *api_status_reason(int status);
/* Name and value of the headers that every response carries; ends with NULL. */
extern const char *const api_common_headers[];

/* The tables of all resources, and the row that a method and an escaped path belong to (values of its {} are added).
 * NULL: fills err with 404 (or 400). */
const struct api_route *api_find_route(const char *method, const char *path, struct strv *values, struct error *err);

#endif
