/* The tree as Compose prints it: keys in the order of the schema's rows, maps sorted, empty values left out. */
#ifndef DORY_CMD_DORY_COMPOSE_RENDER_H
#define DORY_CMD_DORY_COMPOSE_RENDER_H

#include "cmd/dory/compose/schema.h"

/*
 * The forms differ as Compose's do: JSON has null commands and empty structures and no x- keys below the top; YAML has
 * the x- keys and leaves more out.
 */
enum render_form { RENDER_JSON, RENDER_YAML };

/* A canonical, normalized tree. The result is a heap tree (json_free). */
struct json *render_project(const struct yaml *root, enum render_form form);
/* An object with the keys of `rows`. */
struct json *render_object(const struct yaml *node, const struct schema_row *rows, enum render_form form);
/* Any tree as it is, with sorted keys. */
struct json *render_raw(const struct yaml *root);

/* JSON as YAML text in the style of Go's encoder (block style, two columns a level), appended to out. */
void render_yaml_text(const struct json *value, struct strbuf *out);
/* The order of keys in Go's YAML: numbers inside of them by value. For qsort(3)-like callers. */
int render_compare_natural(const char *a, const char *b);

#endif
