#include "image/digest.h"

#include <string.h>

void digest_final_text(struct digest *digest, char ret[DIGEST_TEXT_MAX])
{
    unsigned char raw[DIGEST_SIZE];
    digest_final(digest, raw);
    digest_to_text(raw, ret);
}

void digest_to_text(const unsigned char raw[DIGEST_SIZE], char ret[DIGEST_TEXT_MAX])
{
    digest_to_hex(raw, mempcpy(ret, DIGEST_PREFIX, sizeof DIGEST_PREFIX - 1));
}

void digest_of(const void *data, size_t size, char ret[DIGEST_TEXT_MAX])
{
    struct digest digest;
    digest_init(&digest);
    digest_update(&digest, data, size);
    digest_final_text(&digest, ret);
}

const char *digest_hex(const char *text)
{
    return text + sizeof DIGEST_PREFIX - 1;
}
