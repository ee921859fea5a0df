/* What the files about a container's networks share. */
#ifndef DORY_DAEMON_CONTAINER_NETWORKS_H
#define DORY_DAEMON_CONTAINER_NETWORKS_H

#include "daemon/container.h"
#include "daemon/network_registry.h"

/* The settings are possible on this network. `creating`: the container, whose request names several networks. */
int container_networks_check(const struct network_identity *network, const struct endpoint_settings *settings,
                             bool creating, struct error *err);
/* The container's list. Lock held, or the container is not in the index yet. */
struct endpoint_settings *container_networks_find(const struct container *c, const char *network_id);
/* Takes over what the settings own; in the place of those that it has for this network. */
struct endpoint_settings *container_networks_add(struct container *c, const struct network_identity *network,
                                                 struct endpoint_settings *settings);
void container_networks_remove(struct container *c, const char *network_id);
/* The network may have been made anew under its name: finds its id. */
int container_networks_identify(struct engine *engine, struct endpoint_settings *settings, struct error *err);
/* What the manager is told: the settings' aliases, the short id and the host name. *ret points to both. */
void container_networks_attachment(const struct container *c, const struct endpoint_settings *settings,
                                   struct strv *aliases, struct network_attachment *ret);
void container_networks_event(struct engine *engine, const struct container *c, const char *network_id,
                              const char *action);

#endif
