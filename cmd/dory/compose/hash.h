/*
 * What com.docker.compose.config-hash holds: the SHA-256 of the object's canonical form as Go's encoder writes it, so
 * that an object made by docker's plugin from the same file counts as unchanged, and the other way round.
 */
#ifndef DORY_CMD_DORY_COMPOSE_HASH_H
#define DORY_CMD_DORY_COMPOSE_HASH_H

#include "base/digest.h"
#include "base/json.h"

/* Of a service of the canonical model: without what does not change a container (build, pull_policy, scale, replicas,
 * depends_on, profiles). ret gets DIGEST_HEX_MAX bytes. */
void compose_service_hash(const struct json *service, char ret[DIGEST_HEX_MAX]);
/* Of a network; of a volume, whose driver is "local" when it names none. */
void compose_network_hash(const struct json *network, char ret[DIGEST_HEX_MAX]);
void compose_volume_hash(const struct json *volume, char ret[DIGEST_HEX_MAX]);

#endif
