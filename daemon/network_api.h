/* What clients do with networks: the engine's part of /networks. Names may be ids or unique prefixes of ids. */
#ifndef DORY_DAEMON_NETWORK_API_H
#define DORY_DAEMON_NETWORK_API_H

#include "base/error.h"
#include "base/json.h"
#include "base/strv.h"

struct engine;

extern const char *const network_list_filters[], *const network_prune_filters[]; /* NULL-terminated */

/* body: of POST /networks/create. What is not honoured is refused by name. */
int engine_network_create(struct engine *engine, const struct json *body, char ret_id[65], struct error *err);
/* ERROR_FORBIDDEN for a predefined network and for one with running containers. */
int engine_network_remove(struct engine *engine, const char *name, struct error *err);
/* Removes the networks of users that no container is on and that match (until, label, label!); their names. */
int engine_network_prune(struct engine *engine, const struct json *filters, struct strv *ret_names, struct error *err);

/* The API's Network object (with `status` and how full its subnets are), or the array of those that match. */
int engine_network_inspect(struct engine *engine, const char *name, bool status, struct strbuf *out, struct error *err);
int engine_network_list(struct engine *engine, const struct json *filters, struct strbuf *out, struct error *err);

#endif
