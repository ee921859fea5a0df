/* How much a container has written: the bytes of its upper directory. */
#include "base/directory.h"
#include "base/fd.h"
#include "daemon/engine_internal.h"

int container_size(struct engine *engine, struct container *c, int64_t *ret_rw, int64_t *ret_root, struct error *err)
{
    CLEANUP_CLOSE int upper = image_rootfs_upper(engine->images, c->rootfs_id, err);
    if (upper < 0)
        return upper;
    int64_t rw = 0;
    int r = directory_size(upper, ".", &rw);
    if (r < 0)
        return error_errno(err, r, "size of container %s", c->id);
    CLEANUP_IMAGE struct image *image = NULL;
    int64_t base =
        c->image_id != NULL && image_lookup(engine->images, c->image_id, &image, NULL) == 0 ? image->size : 0;
    *ret_rw = rw;
    *ret_root = rw + base;
    return 0;
}
