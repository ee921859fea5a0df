/* Tags pinned to the digests that they have in their registries, asked for through the daemon. */
#include <stdio.h>
#include <string.h>

#include "base/json_edit.h"
#include "cmd/dory/compose/config.h"
#include "cmd/dory/compose/images.h"
#include "image/reference.h"

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
        r = compose_image_digest(cli, &reference, &digest, err);
        if (r < 0)
            error_context(err, "failed to resolve digest for %s", image);
        else
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
