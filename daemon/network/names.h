/* Which container of a network has which name: what the resolver answers. */
#ifndef DORY_DAEMON_NETWORK_NAMES_H
#define DORY_DAEMON_NETWORK_NAMES_H

#include "daemon/network/resolver.h"

/* A resolver_lookup_fn; data is the manager. */
void names_lookup(void *manager, const char *container_id, const char *name, int family, uint32_t address,
                  const struct in6_addr *address6, struct resolver_answer *ret);

#endif
