/*
 * Laying one document over another, by the specification's rules: mappings key by key, lists one behind the other,
 * anything else replaced; what differs from that stands as SCHEMA_OVERRIDE, SCHEMA_DRIVER, SCHEMA_POOLS and
 * SCHEMA_BY_... in the schema's rows. !reset removes what the base has, !override replaces it whole. Documents are
 * canonical already (schema_apply), so that short and long forms meet. Pure.
 */
#ifndef DORY_CMD_DORY_COMPOSE_MERGE_H
#define DORY_CMD_DORY_COMPOSE_MERGE_H

#include "cmd/dory/compose/schema.h"

/* `over` onto `base` (which changes; nodes of both are in the result). Marks are kept, since they also count for what
 * is merged under the result later; merge_finish() drops them. */
int merge_documents(struct yaml_pool *pool, struct yaml *base, struct yaml *over, struct error *err);
/* The same for one service onto the one that it extends. */
int merge_service(struct yaml_pool *pool, struct yaml *base, struct yaml *over, struct error *err);
/* Removes what is marked !reset, and, in lists, the earlier ones of equal entries. */
void merge_finish(struct yaml *document);

#endif
