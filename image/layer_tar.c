#include <errno.h>
#include <fcntl.h>

#include "base/fd.h"
#include "base/memory.h"
#include "image/skeleton.h"
#include "image/store.h"

/* overlay/ID of the layer. */
static int open_layer(struct image_store *store, const char *diff_id, struct error *err)
{
    struct db_statement *s;
    bool row = false;
    int fd = -1;
    db_lock(store->db);
    int r = db_query(store->db, "SELECT dir FROM layer WHERE diff_id = ?", &s, err);
    if (r == 0) {
        db_bind_text(s, 1, diff_id);
        r = db_step(s, &row, err);
    }
    if (r == 0 && row) {
        fd = openat(store->overlay_fd, db_text(s, 0), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        r = fd < 0 ? error_errno(err, errno, "layer %s", diff_id) : 0;
        db_reset(s);
    }
    db_unlock(store->db);
    if (r == 0 && !row) {
        return error_set(err, ERROR_NOT_FOUND, 0, "No such layer: %s", diff_id);
    }
    return r < 0 ? r : fd;
}

int image_layer_tar_size(struct image_store *store, const char *diff_id, int64_t *ret, struct error *err)
{
    int CLEANUP_CLOSE dir = open_layer(store, diff_id, err);
    int r = dir < 0 ? dir : skeleton_tar_size(dir, ret, err);
    if (dir >= 0 && r == -ENOENT) {
        return error_set(err, ERROR_CONFLICT, ENOENT,
                         "layer %s cannot be made into an archive again: it has two entries of one name", diff_id);
    }
    return r;
}

struct verify {
    struct digest digest;
    tar_sink_fn sink;
    void *data;
};

static int on_bytes(void *data, const void *bytes, size_t size, struct error *err)
{
    struct verify *verify = data;
    digest_update(&verify->digest, bytes, size);
    return verify->sink(verify->data, bytes, size, err);
}

int image_layer_tar_write(struct image_store *store, const char *diff_id, tar_sink_fn sink, void *data,
                          struct error *err)
{
    struct verify verify = {.sink = sink, .data = data};
    char actual[DIGEST_TEXT_MAX];
    int CLEANUP_CLOSE dir = open_layer(store, diff_id, err);
    if (dir < 0) {
        return dir;
    }
    digest_init(&verify.digest);
    int r = skeleton_rebuild(dir, on_bytes, &verify, err);
    if (r < 0) {
        return error_context(err, "layer %s", diff_id);
    }
    digest_final_text(&verify.digest, actual);
    return strcmp(actual, diff_id) == 0
               ? 0
               : error_set(err, ERROR_SYSTEM, EUCLEAN, "layer %s is damaged: its digest is %s", diff_id, actual);
}
