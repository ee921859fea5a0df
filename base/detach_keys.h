/*
 * Detach keys: the sequence a user types to leave a container running ("ctrl-p,ctrl-q"). Pure; used by the shim and the
 * CLI, which watch a terminal's input for it, and by the API, which refuses bad ones.
 */
#ifndef DORY_BASE_DETACH_KEYS_H
#define DORY_BASE_DETACH_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define DETACH_KEYS_DEFAULT "ctrl-p,ctrl-q"
#define DETACH_KEYS_MAX 32

struct detach_keys {
    unsigned char codes[DETACH_KEYS_MAX];
    size_t count; /* 0: no keys */
};

/*
 * Docker's syntax: comma-separated single characters, "ctrl-" with a-z @ [ \ ] ^ _, or "DEL". NULL is the default, ""
 * are no keys. Anything else: ERROR_INVALID "Invalid detach keys (x) provided". ret may be NULL, to check only.
 */
int detach_keys_parse(const char *text, struct detach_keys *ret, struct error *err);

struct detach_matcher {
    struct detach_keys keys;
    size_t matched; /* so many keys have been seen and held back */
};

/*
 * Passes input through to `out` (room for size + DETACH_KEYS_MAX bytes), holding back what may be the beginning of the
 * sequence until it turns out not to be. True when the sequence is complete: it and what follows it is not passed on.
 * As with docker, the key that breaks a sequence does not begin another one.
 */
bool detach_matcher_feed(struct detach_matcher *matcher, const char *in, size_t size, char *out, size_t *ret_size);

#endif
