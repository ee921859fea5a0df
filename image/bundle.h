/*
 * The documents of images that are sent somewhere together: a manifest of each, and over them an index where there are
 * several platforms, attestations or annotations that ask for one (OCI image-spec 1.1; attestations as
 * github.com/moby/buildkit, docs/attestations/attestation-storage.md). What a layer is there, compressed or not, is
 * for the one who sends to say.
 */
#ifndef DORY_IMAGE_BUNDLE_H
#define DORY_IMAGE_BUNDLE_H

#include "archive/tar_writer.h"
#include "base/strbuf.h"
#include "base/strmap.h"
#include "image/image.h"
#include "image/manifest.h"

#define MEDIA_OCI_CONFIG "application/vnd.oci.image.config.v1+json"
#define MEDIA_OCI_LAYER "application/vnd.oci.image.layer.v1.tar"

struct bundle_document {
    struct strbuf text;
    char digest[DIGEST_TEXT_MAX];
};

struct bundle_item {
    struct image *image; /* a reference */
    struct platform platform;
    struct strmap annotations, descriptor_annotations; /* of the manifest; of its entry in the index */
    bool attested;
    /* Once they are made: */
    struct bundle_document manifest;
    struct bundle_document statement, attestation_config, attestation; /* attested */
};

struct bundle {
    struct bundle_item *items;
    size_t count;
    struct strmap index_annotations, index_descriptor_annotations;
    /* The in-toto statement about a manifest, whose digest is known now. For those that are attested. */
    void (*attest)(size_t item, const char *manifest_digest, struct strbuf *out, void *data);
    void *data;
    const char *predicate_type;   /* of the statements */
    struct bundle_document index; /* empty where the one manifest is all */
};
void bundle_release(struct bundle *bundle); /* a zeroed one is empty */
#define CLEANUP_BUNDLE CLEANUP(bundle_release)
/* Takes the image. The platform is what its config says. */
struct bundle_item *bundle_add(struct bundle *bundle, struct image *image);

/* Makes all documents, anew where they were made. `layer` fills in media type (static), digest and size of the layer
 * number i of an item. */
struct bundle_layer {
    const char *media_type;
    char digest[DIGEST_TEXT_MAX];
    int64_t size;
};
typedef int (*bundle_layer_fn)(const struct bundle_item *item, size_t i, struct bundle_layer *ret, void *data,
                               struct error *err);
int bundle_make(struct bundle *bundle, bundle_layer_fn layer, void *data, struct error *err);
/* With layers as the store has them: not compressed. */
int bundle_make_plain(struct bundle *bundle, struct image_store *store, struct error *err);
/* The document that stands for all of it, and its media type. */
const struct bundle_document *bundle_top(const struct bundle *bundle, const char **ret_media_type);

/* An OCI layout with the images' layers as they are, under these names. Makes the documents. */
int image_bundle_save(struct image_store *store, struct bundle *bundle, const struct reference *names, size_t count,
                      tar_sink_fn sink, void *data, struct error *err);
/* The names stand for all of the images in the store; without attestations, which it does not keep. Makes the documents
 * where they are not. */
int image_bundle_keep(struct image_store *store, struct bundle *bundle, const struct reference *names, size_t count,
                      struct error *err);

#endif
