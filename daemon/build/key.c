#include "daemon/build/key.h"

#include <stdint.h>
#include <string.h>

void key_bytes(struct key *key, const void *bytes, size_t size)
{
    uint64_t length = size;
    digest_update(&key->digest, "=", 1);
    digest_update(&key->digest, &length, sizeof(length));
    digest_update(&key->digest, bytes, size);
}

void key_begin(struct key *key, const char *kind)
{
    digest_init(&key->digest);
    key_text(key, kind);
}

void key_text(struct key *key, const char *text)
{
    if (text == NULL)
        digest_update(&key->digest, "0", 1);
    else
        key_bytes(key, text, strlen(text));
}

void key_int(struct key *key, int64_t n)
{
    key_bytes(key, &n, sizeof(n));
}

void key_list(struct key *key, const struct strv *list)
{
    key_int(key, (int64_t)list->count);
    for (size_t i = 0; i < list->count; i++)
        key_text(key, list->items[i]);
}

void key_final(struct key *key, char ret[DIGEST_HEX_MAX])
{
    unsigned char raw[DIGEST_SIZE];
    digest_final(&key->digest, raw);
    digest_to_hex(raw, ret);
}
