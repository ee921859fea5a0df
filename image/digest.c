#include "image/digest.h"

#include <openssl/evp.h>

#include "base/memory.h"

static void require(int ok)
{
    if (!ok)
        abort();
}

void digest_init(struct digest *digest)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    require(context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1);
    digest->context = context;
}

void digest_update(struct digest *digest, const void *data, size_t size)
{
    if (size > 0)
        require(EVP_DigestUpdate(digest->context, data, size) == 1);
}

void digest_final(struct digest *digest, unsigned char ret[DIGEST_SIZE])
{
    unsigned int size = 0;
    require(EVP_DigestFinal_ex(digest->context, ret, &size) == 1 && size == DIGEST_SIZE);
    digest_release(digest);
}

void digest_final_text(struct digest *digest, char ret[DIGEST_TEXT_MAX])
{
    unsigned char raw[DIGEST_SIZE];
    digest_final(digest, raw);
    digest_to_text(raw, ret);
}

void digest_release(struct digest *digest)
{
    EVP_MD_CTX_free(digest->context);
    digest->context = NULL;
}

void digest_to_text(const unsigned char raw[DIGEST_SIZE], char ret[DIGEST_TEXT_MAX])
{
    static const char digits[] = "0123456789abcdef";
    char *p = mempcpy(ret, DIGEST_PREFIX, sizeof DIGEST_PREFIX - 1);
    for (size_t i = 0; i < DIGEST_SIZE; i++) {
        *p++ = digits[raw[i] >> 4];
        *p++ = digits[raw[i] & 15];
    }
    *p = '\0';
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
