/*
 * The networks that there are: the three predefined ones and those of users, by name and id, kept in the database. A
 * network's row is written before anything is made in the kernel and goes after everything is removed, so that a daemon
 * that is killed in between is completed or undone at the next start. Thread-safe.
 */
#ifndef DORY_DAEMON_NETWORK_REGISTRY_H
#define DORY_DAEMON_NETWORK_REGISTRY_H

#include <stdbool.h>

#include "base/db.h"
#include "base/error.h"
#include "daemon/network/network.h"

struct network_registry;

/* Makes the networks of the database again; one whose creation or removal was cut short is removed. A network that the
 * kernel refuses stays known and is reported. */
int network_registry_open(struct db *db, struct network_manager *manager, struct network_registry **ret,
                          struct error *err);
void network_registry_close(struct network_registry *registry); /* NULL is fine */

/* What a container has to know of a network. */
struct network_identity {
    char id[65];
    char *name, *driver;
    bool predefined, config_only;
    char *subnet, *subnet6;        /* NULL unless they were asked for: only then containers may ask for addresses */
    struct strv further, further6; /* more subnets */
};
void network_identity_release(struct network_identity *identity);
#define CLEANUP_NETWORK_IDENTITY CLEANUP(network_identity_release)

/* By name, id or unique prefix of the id. ERROR_NOT_FOUND "network X not found". */
int network_registry_find(struct network_registry *registry, const char *name, struct network_identity *ret,
                          struct error *err);

/* Completes the configuration (the id and time of creation are set here) and makes the network. It stays the caller's.
 * ERROR_CONFLICT when the name is taken. One of settings (config_only) is only written down. */
int network_registry_create(struct network_registry *registry, struct network_config *config, struct error *err);
/* ERROR_FORBIDDEN while containers are on it, or networks have their settings from it. */
int network_registry_remove(struct network_registry *registry, const char *id, struct error *err);

/* Calls fn for every network of users, oldest first, with the registry locked. */
void network_registry_each(struct network_registry *registry,
                           void (*fn)(const struct network_config *config, void *data), void *data);

#endif
