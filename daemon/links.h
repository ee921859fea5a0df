/*
 * HostConfig.Links on the default bridge: a container knows others under aliases. It gets their addresses in its hosts
 * file and, in environment variables named after the alias, their ports and environment. They must run when it starts;
 * when one is started again later, its new address is written into the hosts files of those that link to it.
 */
#ifndef DORY_DAEMON_LINKS_H
#define DORY_DAEMON_LINKS_H

#include "base/error.h"
#include "base/strv.h"

struct engine;
struct container;

/* Checks every "NAME[:ALIAS]", makes it "NAME:ALIAS" and remembers whom it means. */
int links_resolve(struct engine *engine, struct container *c, struct error *err);
/* HostConfig.Links as inspect shows them: "/name:/own/alias". Not with a container's lock held. */
void links_show(struct engine *engine, const struct container *c, struct strv *ret);
/* Takes the link `alias` of the container away, for good and from the hosts file of one that runs: docker rm --link. */
int links_remove(struct engine *engine, struct container *c, const char *alias, struct error *err);
/* What the links of the containers in `list` call `c`: "/container/alias". Without locks. */
void links_names(struct engine *engine, struct container *const *list, size_t count, const struct container *c,
                 struct strv *ret);
/* At a start: "names:address" for the hosts file and "ALIAS_PORT=..." for the environment; either may be NULL. */
int links_start(struct engine *engine, const struct container *c, struct strv *hosts, struct strv *env,
                struct error *err);
/* The container has an address: whoever links to it and runs is told. */
void links_address_changed(struct engine *engine, struct container *c);

/* The variables of one link. ports: "80/tcp". Pure. */
struct link_facts {
    const char *alias, *own_name, *address;
    const struct strv *ports, *env;
};
void link_environment(const struct link_facts *link, struct strv *ret);

#endif
