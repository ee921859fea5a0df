/*
 * A small HTTP/1.1 client for the CLI: one daemon, over a Unix socket or plain TCP, connections kept and used again.
 * Needs base/ only, so that it can be linked statically. Everything blocks. Not thread-safe.
 *
 * Typical use:
 *     client_json(client, &(struct client_request){.path = "/containers/json?all=1"}, &tree, err);
 *     client_send(client, &request, &response, err); client_read(response, ...); client_response_free(response);
 *     client_hijack(client, &request, &stream, err);
 */
#ifndef DORY_API_CLIENT_H
#define DORY_API_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/strbuf.h"
#include "base/strv.h"

#define CLIENT_DEFAULT_HOST "unix:///run/dory.sock"
/* Longest status line plus headers that is accepted, and the longest body that is read whole. */
#define CLIENT_HEADER_MAX 65536
#define CLIENT_BODY_MAX (64 * 1024 * 1024)

struct client;
struct client_response;

/* NULL or "" for host: DORY_HOST, then DOCKER_HOST, then CLIENT_DEFAULT_HOST. The text lives as long as the
 * environment. */
const char *client_choose_host(const char *host);

/* How to speak TLS to a tcp:// daemon; files are PEM. */
struct client_tls {
    bool enabled;
    bool verify;       /* false: the daemon's certificate is not looked at */
    char *ca;          /* whose signature it must carry; NULL: the system's authorities */
    char *cert, *key;  /* the client's own; NULL: none */
    char *server_name; /* what the certificate must be for; NULL: the host's name */
};

/*
 * Parses "unix:///path", "tcp://host:port" (port 2375 when left out, 2376 with TLS) or "ssh://user@host:port/path";
 * nothing is connected yet. Other schemes are ERROR_NOT_IMPLEMENTED; nonsense is docker's "unable to parse docker host
 * `X`". The host and what tls (may be NULL) points to are copied. TLS, and names that are not in /etc/hosts, need the
 * program dory-connect. Requests go out without a version prefix (the daemon's newest behaviour) unless
 * DOCKER_API_VERSION is set.
 */
int client_new(const char *host, const struct client_tls *tls, struct client **ret, struct error *err);
/* For a service that is no daemon of docker's: paths go out as they are, and whoever takes and gives nothing for
 * patience_ms is not waited for (the call's error is ETIMEDOUT). Before the first request. */
void client_to_service(struct client *client, int patience_ms);
void client_free(struct client *client); /* NULL is fine; responses must be freed before */

/*
 * Opens connections until `count` are at hand, for a command that will need several at once: the daemon takes them in
 * while the first request is being served. Only over a Unix socket, where that is cheap; failures are left to the
 * first request.
 */
void client_prepare(struct client *client, size_t count);

/* Takes bytes of a body in portions of any size. Blocks. 0 or a negative errno with err filled. */
typedef int (*client_sink)(void *data, const void *bytes, size_t size, struct error *err);

struct client_request {
    const char *method; /* NULL: "GET" */
    const char *path;   /* "/containers/json?all=1", escaped already (client_query_add, client_path_escape) */
    const void *body;   /* sent with Content-Length when body_size > 0 */
    size_t body_size;
    const char *content_type; /* NULL: application/json with a body; application/x-tar with stream_body */
    bool stream_body;         /* the body is everything that body_fd yields, sent chunked */
    int body_fd;
    /* Instead of body_fd: writes the body with `sink` and returns 0, or a negative errno with err filled (that of the
     * sink passed on). Not sent a second time, so the connection is a new one. May be NULL. */
    int (*body_writer)(client_sink sink, void *sink_data, void *writer_data, struct error *err);
    void *writer_data;
    const char *const *headers; /* "Name: value" lines, NULL-terminated; may be NULL */
};

/*
 * Sends the request and waits for the status line and headers. A status of 400 or more is an error: the kind that
 * belongs to the status, "Error response from daemon: MESSAGE" as docker's CLI prints it, and *ret stays untouched. A
 * daemon that cannot be reached: ERROR_UNAVAILABLE "Cannot connect to the Dory daemon at unix:///run/dory.sock. Is the
 * dory daemon running?". 304 is a success (client_status tells).
 */
int client_send(struct client *client, const struct client_request *request, struct client_response **ret,
                struct error *err);
/* Gives the connection back when the body was read to its end, else closes it. NULL is fine. */
void client_response_free(struct client_response *response);
#define CLEANUP_CLIENT_RESPONSE CLEANUP(client_response_free_ptr)
void client_response_free_ptr(struct client_response **response);

int client_status(const struct client_response *response);
/* First header of that name (any case), or NULL. Lives as long as the response. */
const char *client_header(const struct client_response *response, const char *name);
/* The next bytes of the body, at least one unless it has ended (0). Negative errno: broken connection or framing. */
ssize_t client_read(struct client_response *response, void *data, size_t size, struct error *err);
/* For poll(2) beside other things: readable when client_read may not block. Ask client_buffered first. */
int client_response_fd(const struct client_response *response);
/* Bytes are waiting inside the client (also framing that may turn out to hold no data), so do not poll. */
bool client_buffered(const struct client_response *response);
/* Rest of the body, at most `limit` bytes (more is an error). */
int client_read_all(struct client_response *response, size_t limit, struct strbuf *out, struct error *err);
/*
 * The next line of the body without its newline, for JSON streams: *ret_line lives until the next call, NULL at the
 * end. Lines longer than `limit` are an error. Do not mix with client_read.
 */
int client_read_line(struct client_response *response, size_t limit, const char **ret_line, struct error *err);

/* Send and read whole: *ret_text gets the body (caller frees; may be NULL: thrown away), *ret_status the status (may be
 * NULL). */
int client_call(struct client *client, const struct client_request *request, char **ret_text, size_t *ret_size,
                int *ret_status, struct error *err);
/* The same for an answer that is JSON. */
int client_json(struct client *client, const struct client_request *request, struct json **ret, struct error *err);

/* A connection that was taken over (attach, exec start). */
struct client_stream {
    int fd;         /* raw stream socket, the caller's */
    char *leftover; /* bytes that came right behind the header; caller frees */
    size_t leftover_size;
    bool multiplexed; /* Content-Type says application/vnd.docker.multiplexed-stream */
    bool has_type;    /* the daemon named one of the two types at all (API 1.42 and later) */
};
/* Sends with Connection: Upgrade, Upgrade: tcp and takes the connection when the daemon answers 101 or 200. It is a new
 * one, or one of client_prepare(). */
int client_hijack(struct client *client, const struct client_request *request, struct client_stream *ret,
                  struct error *err);

/* A new connection to the daemon on which nothing was said yet: *ret_fd is the caller's. */
int client_dial(struct client *client, int *ret_fd, struct error *err);

/* Appends "?name=value" or "&name=value" to a path under construction, escaped. NULL value: nothing. */
void client_query_add(struct strbuf *path, const char *name, const char *value);
/* Every value of lists with commas between, one by one. */
void client_query_add_listed(struct strbuf *path, const char *name, const struct strv *lists);
void client_query_add_bool(struct strbuf *path, const char *name, bool value); /* "1" when true, else nothing */
void client_query_add_int(struct strbuf *path, const char *name, int64_t value);
/* Appends one segment of a path, escaped ("/" stays, as image names need). */
void client_path_escape(struct strbuf *path, const char *segment);

#endif
