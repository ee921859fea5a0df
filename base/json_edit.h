/* Changing a JSON tree. Values handed in are heap trees (json_new_*, json_copy, json_parse) and are taken over. */
#ifndef DORY_BASE_JSON_EDIT_H
#define DORY_BASE_JSON_EDIT_H

#include "base/json.h"

struct json *json_new_object(void);
struct json *json_new_string(const char *text);
struct json *json_new_bool(bool value);
/* Sets or replaces a member at the end of `object`, which must be an object. */
void json_set(struct json *object, const char *key, struct json *value);
/* Removes it if it is there; tells whether it was. */
bool json_remove(struct json *object, const char *key);
/* The member as an object that can be changed; made, replacing what else was there, when it is none. Lives in the tree
 * until the next change of `object`. */
struct json *json_object_of(struct json *object, const char *key);
/* The whole tree as text, as Go's MarshalIndent does it: each level indented by `indent` ("": all on one line). `depth`
 * is the level that the value itself is at. */
void json_print(const struct json *value, const char *indent, unsigned depth, struct strbuf *out);

#endif
