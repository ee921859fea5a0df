/*
 * Cache keys: the SHA-256 of a list of fields, each with its length, so that two lists that differ never run into the
 * same bytes. The first field says what kind of thing it is and which version of its rules.
 */
#ifndef DORY_DAEMON_BUILD_KEY_H
#define DORY_DAEMON_BUILD_KEY_H

#include "base/digest.h"
#include "base/strv.h"

struct key {
    struct digest digest;
};
void key_begin(struct key *key, const char *kind);
void key_bytes(struct key *key, const void *bytes, size_t size);
void key_text(struct key *key, const char *text); /* NULL differs from "" */
void key_int(struct key *key, int64_t n);
void key_list(struct key *key, const struct strv *list);
void key_final(struct key *key, char ret[DIGEST_HEX_MAX]);

#endif
