/* Manifests, challenges, tokens and error documents, as a registry may send them. The first byte chooses the type. */
#include <stdint.h>

#include "base/memory.h"
#include "image/manifest.h"
#include "image/registry_auth.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse_manifest(const char *type, const char *text, size_t size)
{
    struct manifest manifest = {0};
    if (manifest_parse(type, text, size, &manifest, NULL) < 0)
        return;
    struct platform platform;
    const struct descriptor *chosen;
    platform_host(&platform);
    if (manifest.kind == MANIFEST_LIST)
        manifest_choose(&manifest, &platform, &chosen, NULL);
    manifest_release(&manifest);
}

static void parse_rest(const char *text, size_t size)
{
    CLEANUP_FREE char *copy = xstrndup(text, size);
    CLEANUP_STRV struct strv headers = STRV_INIT;
    strv_split(&headers, copy, '\n');
    CLEANUP_CHALLENGE struct registry_challenge challenge;
    registry_challenge_parse(&headers, &challenge);
    CLEANUP_REGISTRY_FAILURE struct registry_failure failure;
    registry_failure_parse(404, NULL, text, size, &failure);
    struct registry_token token = {0};
    registry_token_parse(text, size, 0, &token, NULL);
    registry_token_release(&token);
    struct platform platform;
    platform_parse(copy, &platform, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const types[] = {NULL, MEDIA_DOCKER_MANIFEST, MEDIA_DOCKER_LIST, MEDIA_OCI_MANIFEST,
                                        MEDIA_OCI_INDEX};
    if (size == 0)
        return 0;
    const char *text = (const char *)data + 1;
    size_t choice = data[0] % (ARRAY_SIZE(types) + 1);
    if (choice < ARRAY_SIZE(types))
        parse_manifest(types[choice], text, size - 1);
    else
        parse_rest(text, size - 1);
    return 0;
}
