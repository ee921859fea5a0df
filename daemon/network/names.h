/*
 * Which container of a network has which name: what the resolver answers. Each network but the default one has an index
 * from names and addresses to its endpoints, so that an answer takes as long among thousand containers as among two.
 * All but names_lookup: with the manager's lock held.
 */
#ifndef DORY_DAEMON_NETWORK_NAMES_H
#define DORY_DAEMON_NETWORK_NAMES_H

#include "daemon/network/resolver.h"

struct endpoint;
struct network;
struct network_manager;
struct record;

/* From here on the endpoint is found, by its container's name, its aliases and its addresses. */
void names_add(struct network_manager *manager, const struct record *record, const struct endpoint *endpoint);
/* One that is not there is fine. What was added must not have changed meanwhile. */
void names_remove(struct network_manager *manager, const struct record *record, const struct endpoint *endpoint);
/* All endpoints of the container. */
void names_add_all(struct network_manager *manager, const struct record *record);
void names_remove_all(struct network_manager *manager, const struct record *record);
/* Frees the network's index. */
void names_release(struct network *network);

/* A resolver_lookup_fn; data is the manager. Takes the lock. */
void names_lookup(void *manager, const char *container_id, const char *name, int family, uint32_t address,
                  const struct in6_addr *address6, struct resolver_answer *ret);

#endif
