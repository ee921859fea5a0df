/* docker commit: what a container has written becomes a layer. */
#include "archive/pack.h"
#include "base/memory.h"
#include "base/strbuf.h"
#include "image/config_write.h"
#include "image/store.h"

/* The tar without anything in it: two blocks of zeros. Such a layer is none. */
#define EMPTY_DIFF_ID "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"

static int to_ingest(void *data, const void *bytes, size_t size, struct error *err)
{
    return layer_ingest_write(data, bytes, size, err);
}

static int snapshot_layer(struct layer_ingest *ingest, int upper_fd, struct error *err)
{
    const struct pack_options options = {.contents_only = true, .overlay = true};
    CLEANUP_TAR_WRITER struct tar_writer *writer = tar_writer_new(to_ingest, ingest);
    int r = pack_tree(writer, upper_fd, &options, err);
    if (r == 0) {
        r = tar_writer_finish(writer, err);
    }
    return r < 0 ? r : layer_ingest_finish(ingest, err);
}

/* The parent's layers, kept from being removed until the new image has them. *ret_count tells how many are pinned. */
static int pin_parent(struct image_store *store, const struct image *parent, struct image_commit_layer *layers,
                      size_t *ret_count, struct error *err)
{
    for (size_t i = 0; parent != NULL && i < parent->diff_ids.count; i++) {
        const char *diff_id = parent->diff_ids.items[i];
        if (!image_layer_pin_diff_id(store, diff_id)) {
            return error_set(err, ERROR_NOT_FOUND, 0, "layer %s of image %s is not there any more", diff_id,
                             parent->id);
        }
        layers[(*ret_count)++].diff_id = diff_id;
    }
    return 0;
}

static int snapshot_commit(struct image_store *store, struct layer_ingest *ingest,
                           const struct image_snapshot_options *options, char ret_id[DIGEST_TEXT_MAX],
                           struct error *err)
{
    const char *diff_id = layer_ingest_info(ingest)->diff_id;
    bool empty = strcmp(diff_id, EMPTY_DIFF_ID) == 0;
    size_t parents = options->parent != NULL ? options->parent->diff_ids.count : 0, pinned = 0;
    CLEANUP_FREE struct image_commit_layer *layers = xcalloc(parents + 1, sizeof(*layers));
    CLEANUP_FREE char *command = strv_join(&options->container_config->cmd, " ");
    struct strbuf CLEANUP_STRBUF text = STRBUF_INIT;
    const struct config_write what = {.parent = options->parent,
                                      .author = options->author,
                                      .comment = options->comment,
                                      .container_id = options->container_id,
                                      .container_config = options->container_config,
                                      .config = options->config,
                                      .created_by = command,
                                      .diff_id = empty ? NULL : diff_id};
    int r = config_write(&what, &text, err);
    if (r == 0) {
        r = pin_parent(store, options->parent, layers, &pinned, err);
    }
    if (r == 0) {
        layers[parents].ingest = ingest;
        struct image_commit commit = {
            .config = text.data,
            .config_size = text.size,
            .parent = options->parent != NULL ? options->parent->id : NULL,
            .layers = layers,
            .layer_count = parents + !empty,
            .refs = options->ref,
            .ref_count = options->ref != NULL,
        };
        r = image_commit(store, &commit, ret_id, err);
    }
    for (size_t i = 0; i < pinned; i++) {
        image_layer_unpin(store, layers[i].diff_id);
    }
    return r;
}

int image_snapshot(struct image_store *store, int upper_fd, const struct image_snapshot_options *options,
                   char ret_id[DIGEST_TEXT_MAX], struct error *err)
{
    CLEANUP_LAYER_INGEST struct layer_ingest *ingest = NULL;
    int r = layer_ingest_open(store, NULL, &ingest, err);
    if (r == 0) {
        r = snapshot_layer(ingest, upper_fd, err);
    }
    return r < 0 ? r : snapshot_commit(store, ingest, options, ret_id, err);
}
