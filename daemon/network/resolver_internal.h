/* What the files of the resolver share; all of it belongs to the resolver's thread. */
#ifndef DORY_DAEMON_NETWORK_RESOLVER_INTERNAL_H
#define DORY_DAEMON_NETWORK_RESOLVER_INTERNAL_H

#include "base/loop.h"
#include "daemon/network/dns_message.h"
#include "daemon/network/resolver.h"

enum {
    CONNECTIONS_MAX = 64, /* TCP, of one container */
    FORWARDS_MAX = 256,   /* questions of one container that wait for an answer from outside */
};

struct forward;
struct connection;

/* A container. */
struct resolver_client {
    struct resolver *resolver;
    struct loop *loop;
    char *container_id;
    struct resolver_sockets sockets;
    struct loop_source *udp, *tcp;
    struct strv dns;
    struct forward *forwards;
    struct connection *connections;
    size_t forward_count, connection_count;
};

/* Where an answer goes: to a UDP socket's peer, or into a connection. */
struct asker {
    struct sockaddr_in peer;
    struct connection *connection; /* NULL: UDP */
};

/* ---- resolver.c ---- */
/* Answers or forwards one message. False: it is no query; the asker hears nothing. */
bool resolver_handle(struct resolver_client *client, const struct asker *asker, const uint8_t *query, size_t size);
void resolver_reply(struct resolver_client *client, const struct asker *asker, const uint8_t *data, size_t size);

/* ---- resolver_forward.c ---- */
/* Asks the servers in turn. The answer goes to the asker; when nobody answers: SERVFAIL. */
void forward_start(struct resolver_client *client, const struct asker *asker, const uint8_t *query, size_t size,
                   const struct dns_question *question);
/* Forgets all questions of the client, or (connection not NULL) of one connection. */
void forward_drop(struct resolver_client *client, const struct connection *connection);

/* ---- resolver_connection.c ---- */
/* Takes the waiting connections of the client's listening socket. */
void connection_accept(struct resolver_client *client);
void connection_reply(struct connection *connection, const uint8_t *data, size_t size);
void connection_drop_all(struct resolver_client *client);

#endif
