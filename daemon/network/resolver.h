/*
 * The resolver of containers on networks of users: 127.0.0.11 in each of their namespaces. One thread serves all of
 * them. Names of containers are looked up by the function that the caller gives; everything else is passed on to the
 * servers that the container asked for, or to those of the host as they are at that moment, from the host's network.
 */
#ifndef DORY_DAEMON_NETWORK_RESOLVER_H
#define DORY_DAEMON_NETWORK_RESOLVER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strv.h"
#include "daemon/network/resolver_socket.h"

struct resolver;

#define RESOLVER_ANSWERS_MAX 64

/* What is known of a name or an address. */
struct resolver_answer {
    bool known;       /* it is a container's, whatever it was asked for */
    bool may_forward; /* the container may ask the outside */
    uint32_t addresses[RESOLVER_ANSWERS_MAX];
    struct in6_addr addresses6[RESOLVER_ANSWERS_MAX];
    size_t count, count6;
    struct strv names; /* of an address */
};

/* Fills *ret, which is blank. name: lower case. family: AF_INET or AF_INET6 when `name` is below in-addr.arpa or
 * ip6.arpa and stands for that address, else 0. Called from the resolver's thread. */
typedef void (*resolver_lookup_fn)(void *data, const char *container_id, const char *name, int family, uint32_t address,
                                   const struct in6_addr *address6, struct resolver_answer *ret);

/* The thread starts with the first container. */
struct resolver *resolver_new(resolver_lookup_fn lookup, void *data);
/* Waits for the thread. NULL is fine. */
void resolver_free(struct resolver *resolver);

/* Serves a container on these sockets, which are the resolver's from now on; a former entry of the container is
 * replaced. dns: servers that are asked for other names; NULL or empty: the host's. */
int resolver_add(struct resolver *resolver, const char *container_id, const struct resolver_sockets *sockets,
                 const struct strv *dns, struct error *err);
/* Closes its sockets soon. One that is not there is fine. */
void resolver_remove(struct resolver *resolver, const char *container_id);

#endif
