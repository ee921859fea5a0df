/* Tags pinned to the digests that they have in their registries, asked for through the daemon. */
#include <stdio.h>
#include <string.h>

#include "api/client.h"
#include "base/json_edit.h"
#include "cmd/dory/compose/config.h"
#include "cmd/dory/container_create.h"
#include "image/reference.h"

static int ask_digest(struct cli *cli, const struct reference *reference, char **ret, struct error *err)
{
    CLEANUP_FREE char *name = reference_full(reference);
    CLEANUP_FREE char *familiar = reference_familiar(reference);
    CLEANUP_FREE char *auth = registry_auth_header(cli, familiar);
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_JSON struct json *answer = NULL;
    const char *const headers[] = {auth, NULL};
    strbuf_adds(&path, "/distribution/");
    client_path_escape(&path, name);
    strbuf_adds(&path, "/json");
    struct client_request request = {.path = strbuf_str(&path), .headers = headers};
    int r = client_json(cli_client(cli), &request, &answer, err);
    if (r < 0)
        return error_context(err, "%s", familiar);
    const char *digest = json_get_string(json_get(answer, "Descriptor"), "digest");
    if (!digest || !digest_is_valid(digest))
        return error_set(err, ERROR_INVALID, 0, "%s: the daemon's answer has no digest", familiar);
    *ret = xstrdup(digest);
    return 0;
}

/* "busybox" -> "docker.io/library/busybox:latest@sha256:..." */
static int pin(struct cli *cli, const char *image, char **ret, struct error *err)
{
    struct reference reference = {0};
    int r = reference_parse(image, &reference, err);
    if (r < 0)
        return error_context(err, "%s", image);
    reference_default_tag(&reference);
    if (!reference.digest) {
        CLEANUP_FREE char *tagged = reference_full(&reference);
        CLEANUP_FREE char *digest = NULL;
        r = ask_digest(cli, &reference, &digest, err);
        if (r == 0)
            *ret = xasprintf("%s@%s", tagged, digest);
    } else {
        *ret = reference_full(&reference);
    }
    reference_release(&reference);
    return r;
}

int config_pin_images(struct cli *cli, struct json *model, struct error *err)
{
    struct json *services = json_object_of(model, "services");
    for (size_t i = 0; i < services->object.count; i++) {
        struct json *service = &services->object.values[i];
        const char *image = json_get_string(service, "image");
        CLEANUP_FREE char *pinned = NULL;
        int r = image && *image ? pin(cli, image, &pinned, err) : 0;
        if (r < 0)
            return r;
        if (pinned)
            json_set(service, "image", json_new_string(pinned));
    }
    return 0;
}
