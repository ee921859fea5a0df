/* One connection to the daemon with its read buffer. Private to the client. */
#ifndef DORY_API_CLIENT_CONNECTION_H
#define DORY_API_CLIENT_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "api/client.h"

/* Where the daemon is. */
struct client_address {
    char *host; /* as given, for messages */
    char *path; /* unix */
    char *ssh;  /* ssh: what stands behind the scheme */
    char *name; /* tcp: name or address, without brackets */
    char *port;
    struct client_tls tls; /* the strings are this struct's */
    int patience_ms;       /* of its connections; 0: no limit */
};

/* tls may be NULL; it is copied, and left out for a Unix socket, as docker's client does. */
int client_address_parse(const char *host, const struct client_tls *tls, struct client_address *ret, struct error *err);
void client_address_release(struct client_address *address);

struct connection {
    int fd;
    int patience_ms; /* for the peer to take or give something; -1: no limit */
    bool used;       /* has carried a request before: the daemon may have closed it meanwhile */
    size_t start, end;
    char buffer[CLIENT_HEADER_MAX];
};

/* "Cannot connect to the Dory daemon at ADDRESS. Is the dory daemon running?"; "Docker" when the program is called
 * docker. The caller frees. */
char *connection_unreachable(const struct client_address *address);
/* Connects. Errors in docker's words. */
int connection_open(const struct client_address *address, struct connection **ret, struct error *err);
void connection_close(struct connection *connection); /* NULL is fine */
/* Writes everything; what the daemon says meanwhile is buffered as far as there is room, so that neither side waits for
 * the other for ever. 0 or -errno (-ETIMEDOUT: its patience has ended). */
int connection_write(struct connection *connection, const void *data, size_t size);
/* Reads once behind what is buffered. Bytes read, 0 at the end, -ENOBUFS when the buffer is full, -ETIMEDOUT, or
 * -errno. */
ssize_t connection_fill(struct connection *connection);

#endif
