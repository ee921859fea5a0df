/* WORKDIR makes its directory, with the owner root, when it is not there. */
#include <errno.h>
#include <sys/stat.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "daemon/build/execute.h"
#include "daemon/build/key.h"
#include "daemon/engine.h"

static int make_workdir(const struct step_context *step, struct build_layer **ret, void *data, struct error *err)
{
    struct image_store *store = engine_images(step->run->build->engine);
    CLEANUP_BUILD_LAYER struct build_layer *layer = NULL;
    CLEANUP_FREE char *above = build_state_above(step->state);
    const struct draft_base base = {.above = above, .image = step->state->base};
    (void)data;
    int r = build_layer_new(step->run->build->service, &base, &layer, err);
    if (r < 0)
        return r;
    CLEANUP_CLOSE int root = image_rootfs_mount(store, layer->dir, ROOTFS_ONCE, err);
    if (root < 0)
        return root;
    CLEANUP_CLOSE int dir = beneath_mkdirs(root, step->step->text, 0755);
    if (dir == -ENOTDIR)
        return error_set(err, ERROR_INVALID, ENOTDIR, "Cannot mkdir: %s is not a directory", step->step->text);
    if (dir < 0)
        return error_errno(err, dir, "WORKDIR %s", step->step->text);
    *ret = TAKE_PTR(layer);
    return 0;
}

int step_workdir(const struct step_context *step, struct error *err)
{
    char result[DIGEST_HEX_MAX];
    struct key key;
    const int64_t *epoch = step->run->build->options->source_date_epoch;
    key_begin(&key, "workdir 1");
    key_int(&key, epoch != NULL ? *epoch : -1);
    key_text(&key, step->state->key);
    key_text(&key, step->step->text);
    key_final(&key, result);
    const struct step_maker maker = {.make = make_workdir, .key = result};
    return step_result(step, &maker, err);
}
