/*
 * The REST server: libmicrohttpd with a thread per connection, a table of routes, docker's version prefix
 * ("/v1.43/..."), errors as {"message": ...}. A handler is a plain function that reads its request and replies with
 * one of the api_reply functions, or returns an error (negative, err filled), which the server turns into the status of
 * its kind.
 */
#ifndef DORY_API_SERVER_H
#define DORY_API_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "base/strv.h"

#define API_VERSION_MAX "1.56"
#define API_VERSION_MIN "1.24"
/* Of a request whose path names none: the last one with what such clients, which are older ones, look for. */
#define API_VERSION_UNNAMED "1.51"
/* docker-compose 1.x speaks the newest version that it is told of and knows none of after this one: without an image's
 * ContainerConfig it can make no container anew, without the old members of events it does not follow any. */
#define API_VERSION_COMPOSE1 "1.44"

struct engine;
struct api_request;
struct api_server;
struct server_tls;
struct metrics;

typedef int (*api_handler)(struct api_request *request, struct engine *engine, struct error *err);

enum api_route_flags {
    API_BODY_JSON = 1 << 0,   /* the body is read whole (at most 4 MiB) before the handler runs: api_body() */
    API_BODY_STREAM = 1 << 1, /* the handler reads the body from api_body_fd() while it arrives */
    API_STREAM = 1 << 2,      /* the handler replies piecewise with api_stream_*; it runs in a thread of its own */
    API_HIJACK = 1 << 3,      /* the handler may take the connection over with api_hijack() */
};

struct api_route {
    const char *method;  /* "GET"; HEAD is answered by GET routes */
    const char *pattern; /* "/containers/{}/json"; {} is one segment, {*} the rest including slashes */
    api_handler handler;
    unsigned flags;
};

/* Tables of the resources, each in its own file; the list of them is in api/routes.c. NULL method ends a table. */
extern const struct api_route api_container_routes[];         /* containers.c: life cycle, list, inspect */
extern const struct api_route api_exec_routes[];              /* exec.c */
extern const struct api_route api_archive_routes[];           /* archive.c: archive export changes */
extern const struct api_route api_stream_routes[];            /* streams.c: attach, logs, wait, stats, resize */
extern const struct api_route api_registry_routes[];          /* registries.c: auth distribution search */
extern const struct api_route api_registry_manifest_routes[]; /* registry_manifests.c */
extern const struct api_route api_image_routes[];             /* images.c */
extern const struct api_route api_system_routes[];            /* system.c: _ping version info events df */
extern const struct api_route api_volume_routes[];            /* volumes.c */
extern const struct api_route api_network_routes[];           /* networks.c */
extern const struct api_route api_swarm_routes[];             /* swarm.c: as a node outside of a swarm answers */
extern const struct api_route api_build_routes[];             /* build.c */
extern const struct api_route api_missing_routes[];           /* missing.c: 501; searched last */

/* ---- reading the request; results live as long as the request ---- */
const char *api_path(const struct api_request *request, size_t i);          /* the i-th {}; URL-decoded */
const char *api_query(const struct api_request *request, const char *name); /* NULL when absent */
void api_query_all(const struct api_request *request, const char *name, struct strv *ret);
bool api_query_bool(const struct api_request *request, const char *name, bool fallback); /* "", 0, no, false, none */
int api_query_int(const struct api_request *request, const char *name, int64_t fallback, int64_t *ret,
                  struct error *err);
/* `h` and `w` of a terminal, which must be there. */
int api_query_size(const struct api_request *request, uint16_t *ret_rows, uint16_t *ret_columns, struct error *err);
/* `filters` in both forms ({"a":["x"]} and {"a":{"x":true}}): the values of one name are added to ret. */
int api_filters(const struct api_request *request, const char *const *known_names, struct json **ret,
                struct error *err); /* normalised to {"name":["v",...]}; unknown name: docker's "invalid filter 'x'" */
const char *api_header(const struct api_request *request, const char *name);
int api_version(const struct api_request *request); /* minor version of the request: 43 for /v1.43 */
/* The body as a JSON tree (an empty body is NULL); malformed: 400. Owned by the request. */
int api_body(struct api_request *request, const struct json **ret, struct error *err);
int api_body_fd(struct api_request *request);
/* Becomes readable or hangs up when the client has gone away: for handlers that wait. Owned by the request. */
int api_client_fd(struct api_request *request);

/* ---- replying, once ---- */
int api_reply_json(struct api_request *request, int status, struct strbuf *body); /* takes the content */
int api_reply_text(struct api_request *request, int status, const char *content_type, const char *text);
int api_reply_empty(struct api_request *request, int status);                            /* 204, 304 */
void api_reply_header(struct api_request *request, const char *name, const char *value); /* before replying */
int api_reply_error(struct api_request *request, const struct error *error);

/* Piecewise, chunked. The status line goes out with begin. write blocks while the client is slow and returns -EPIPE
 * once it is gone. After begin, an error is written by the handler into the stream in the endpoint's own form. */
int api_stream_begin(struct api_request *request, int status, const char *content_type);
int api_stream_write(struct api_request *request, const void *data, size_t size);

/*
 * Takes the connection: answers 101 UPGRADED when the client asked for an upgrade, else 200 with content_type (or, for
 * a client that sent neither, streams through a socket pair), and returns a connected stream socket that is now the
 * caller's: nothing that the server does later closes or shuts it down. The handler then returns 0.
 */
int api_hijack(struct api_request *request, const char *content_type, int *ret_fd, struct error *err);

/* ---- the server ---- */
int api_server_new(struct api_server **ret, struct error *err);

/* How to listen. */
struct api_listen_options {
    const char *group;            /* of a Unix socket: name or number; NULL: dory or docker if it exists; "": none */
    const struct server_tls *tls; /* for tcp://, api/listen_tls.h; NULL: in the clear */
};

/* "unix:///path" (mode 0660), "tcp://host:port", "fd://" (every socket that the service manager passed) or "fd://N":
 * binds and listens. Clients may connect from now on; they are answered after api_server_start(). What options point to
 * must outlive the server. */
int api_server_listen(struct api_server *server, const char *host, const struct api_listen_options *options,
                      struct error *err);
int api_server_start(struct api_server *server, struct engine *engine, struct error *err);
/* Ends all connections and waits for the handlers; the engine is not used any more when it returns. */
void api_server_stop(struct api_server *server);
/* Stops, and removes the Unix sockets. NULL is fine. */
void api_server_free(struct api_server *server);

#endif
