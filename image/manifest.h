/*
 * Manifests of images and lists of them: Docker schema 2 and OCI. Parsing is pure and bounded. A document must be what
 * its media type says, and only that: one that could be read as both an image and a list is refused (CVE-2021-41190),
 * as are schema 1, artifacts that are no images, and layer formats we cannot unpack.
 */
#ifndef DORY_IMAGE_MANIFEST_H
#define DORY_IMAGE_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strv.h"
#include "image/platform.h"
#include "image/reference.h"

#define MANIFEST_SIZE_MAX (4 << 20)
#define MANIFEST_CONFIG_SIZE_MAX (8 << 20)
#define MANIFEST_LAYERS_MAX 512
#define MANIFEST_LIST_MAX 4096

#define MEDIA_DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define MEDIA_DOCKER_LIST "application/vnd.docker.distribution.manifest.list.v2+json"
#define MEDIA_OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define MEDIA_OCI_INDEX "application/vnd.oci.image.index.v1+json"
/* Layers as they are sent. */
#define PUSH_MEDIA_GZIP "application/vnd.docker.image.rootfs.diff.tar.gzip"
#define PUSH_MEDIA_OCI_GZIP "application/vnd.oci.image.layer.v1.tar+gzip"
#define MEDIA_DOCKER_SCHEMA1 "application/vnd.docker.distribution.manifest.v1+json"
#define MEDIA_DOCKER_SCHEMA1_SIGNED "application/vnd.docker.distribution.manifest.v1+prettyjws"

struct descriptor {
    char *media_type;
    char digest[DIGEST_TEXT_MAX];
    int64_t size;
    struct strv urls;         /* where else the bytes are (foreign layers) */
    bool has_platform;        /* members of a list only */
    struct platform platform; /* normalised */
};

enum manifest_kind { MANIFEST_IMAGE, MANIFEST_LIST };

struct manifest {
    enum manifest_kind kind;
    char *media_type;
    struct descriptor config; /* images */
    struct descriptor *items; /* the layers of an image, base first; the members of a list */
    size_t count;
};

/*
 * `content_type` is the response's header (parameters are ignored; NULL or a general type such as application/json
 * means that the document must name its type itself). On success the caller releases *ret.
 */
int manifest_parse(const char *content_type, const char *text, size_t size, struct manifest *ret, struct error *err);
/* The same for looking at manifests only: artifacts and unknown layers are taken, too. */
int manifest_parse_loose(const char *content_type, const char *text, size_t size, struct manifest *ret,
                         struct error *err);
void manifest_release(struct manifest *manifest);
#define CLEANUP_MANIFEST CLEANUP(manifest_release)

/* The member of a list that suits the platform best, the first of equals. Members without a platform are the last
 * choice. "no matching manifest for linux/amd64 in the manifest list entries" (ERROR_NOT_FOUND). */
int manifest_choose(const struct manifest *list, const struct platform *platform, const struct descriptor **ret,
                    struct error *err);

/* Is this a layer that registries do not serve, so that `urls` tell where it is? */
bool descriptor_is_foreign(const struct descriptor *layer);

#endif
