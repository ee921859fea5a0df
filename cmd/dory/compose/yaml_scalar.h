/* What a scalar means. */
#ifndef DORY_CMD_DORY_COMPOSE_YAML_SCALAR_H
#define DORY_CMD_DORY_COMPOSE_YAML_SCALAR_H

#include "cmd/dory/compose/yaml.h"

/*
 * Fills kind, text and value of `node` from `text` (which must live as long as the pool). Only plain scalars are other
 * than text; `core` ("str", "int", "bool", "float", "null"; NULL: none) is the explicit tag, against which a value that
 * does not fit is an error.
 */
int yaml_scalar_resolve(struct yaml_pool *pool, struct yaml *node, const char *text, bool plain, const char *core,
                        struct error *err);
/* How Go prints a float ("1.5", "1e+21"); the text lives in the pool. */
const char *yaml_real_text(struct yaml_pool *pool, double value);

#endif
