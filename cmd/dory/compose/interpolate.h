/*
 * Variables in values of Compose files and of .env files: $NAME, ${NAME}, ${NAME:-default}, ${NAME-default},
 * ${NAME:?message}, ${NAME?message}, ${NAME:+other}, ${NAME+other}, nested ("${A:-${B}}"), $$ for a dollar sign. Names
 * are [A-Za-z_][A-Za-z0-9_]*. A dollar sign that begins none of these stays what it is, unless a brace follows it: that
 * is an error. Pure; nesting is bounded.
 */
#ifndef DORY_CMD_DORY_COMPOSE_INTERPOLATE_H
#define DORY_CMD_DORY_COMPOSE_INTERPOLATE_H

#include "cmd/dory/compose/yaml.h"

/* The value of a variable (size bytes of name), or NULL when it is not set. */
typedef const char *(*interpolate_lookup)(void *data, const char *name, size_t size);

struct interpolation {
    interpolate_lookup lookup;
    void *data;
    struct strv *warnings; /* 'The "X" variable is not set. Defaulting to a blank string.'; may be NULL */
};

/* The text with its variables replaced; the caller frees *ret. Errors: "invalid interpolation format ...", "required
 * variable X is missing a value: why". */
int interpolate_text(const struct interpolation *how, const char *text, char **ret, struct error *err);

/* Every text in the tree (not the keys), in place. Errors point at the value. */
int interpolate_tree(const struct interpolation *how, struct yaml_pool *pool, struct yaml *root, struct error *err);

/* A lookup in a list of "NAME=value" (data: struct strv *). */
const char *interpolate_from_list(void *data, const char *name, size_t size);

/* What a text asks for, for `config --variables`: called for each variable, nested ones too. value is the text behind
 * `operator` ("", ":-", "-", ":?", "?", ":+", "+"); both live until the call returns. */
typedef void (*interpolate_visit)(void *data, const char *name, const char *operator, const char * value);
void interpolate_variables(const char *text, interpolate_visit visit, void *data);

#endif
