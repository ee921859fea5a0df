#include "image/check.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "base/memory.h"
#include "image/digest.h"
#include "image/index.h"

#define YOUNG_SECONDS 60
#define DIRECTORIES "SELECT dir FROM layer UNION SELECT id FROM rootfs UNION SELECT dir FROM init_layer"
#define BLOBS                                                                                                          \
    "SELECT substr(id, 8) FROM image UNION SELECT substr(digest, 8) FROM image_blob"                                   \
    " UNION SELECT substr(digest, 8) FROM image_index"

/* What is known before anything is repaired: of that, what is unknown afterwards goes at once, however young. */
struct former {
    struct map dirs, blobs;
    /* When the directories are looked at: the root that waits for a container has no row until it gets one. */
    char waits[STORE_ID_SIZE + 1];
};

static void former_release(struct former *former)
{
    map_release(&former->dirs);
    map_release(&former->blobs);
}

void store_check_add(struct store_check *check, const char *type, const char *id, char *text, bool repaired)
{
    check->problems = xreallocarray(check->problems, check->count + 1, sizeof(*check->problems));
    check->problems[check->count++] =
        (struct store_problem){.type = type, .id = xstrdup(id), .text = text, .repaired = repaired};
}

void store_check_release(struct store_check *check)
{
    for (size_t i = 0; i < check->count; i++) {
        free(check->problems[i].id);
        free(check->problems[i].text);
    }
    free(check->problems);
    check->problems = NULL;
    check->count = 0;
}

/* ---- layers ---- */

static int is_used_by_root(struct image_store *store, const char *diff_id, bool *ret, struct error *err)
{
    struct db_statement *s;
    int r = db_query(store->db,
                     "SELECT 1 FROM rootfs, layer WHERE layer.diff_id = ? AND instr(rootfs.lowers, layer.dir) > 0", &s,
                     err);
    if (r == 0) {
        db_bind_text(s, 1, diff_id);
        r = db_step(s, ret, err);
        db_reset(s);
    }
    return r;
}

/* Lock held. The directory of a layer that is dropped becomes one that nothing has, and goes with those. */
static int lost_layer(struct image_store *store, struct store_check *check, const char *diff_id, const char *why,
                      bool gone, struct error *err)
{
    struct strv CLEANUP_STRV said = STRV_INIT;
    bool used = false, repaired = false;
    int r = is_used_by_root(store, diff_id, &used, err);
    if (r == 0 && check->repair && (gone || !used)) {
        r = store_drop_lost_layer(store, diff_id, why, &said, err);
        repaired = r == 0;
    }
    if (r == 0) {
        char *text = xasprintf("it %s%s", why, used ? "; containers have it below their own files" : "");
        store_check_add(check, "layer", diff_id, text, repaired);
        /* The last sentence is the layer's own. */
        for (size_t i = 0; i + 1 < said.count; i++) {
            store_check_add(check, "image", diff_id, xstrdup(said.items[i]), true);
        }
    }
    return r;
}

static int check_layers(struct image_store *store, struct store_check *check, struct error *err)
{
    struct strv CLEANUP_STRV lost = STRV_INIT;
    struct db_statement *s;
    bool row = true;
    int r = db_query(store->db, "SELECT diff_id, dir FROM layer", &s, err);
    while (r == 0 && (r = db_step(s, &row, err)) == 0 && row) {
        check->layers++;
        if (!store_layer_exists(store, db_text(s, 1))) {
            strv_add(&lost, db_text(s, 0));
        }
    }
    for (size_t i = 0; r == 0 && i < lost.count; i++) {
        r = lost_layer(store, check, lost.items[i], STORE_LAYER_GONE, true, err);
    }
    return r;
}

/* ---- configs and manifests ---- */

static bool blob_is_right(struct image_store *store, const char *digest)
{
    CLEANUP_FREE char *text = NULL;
    size_t size = 0;
    char computed[DIGEST_TEXT_MAX];
    if (store_read_blob(store, digest, &text, &size, NULL) < 0) {
        return false;
    }
    digest_of(text, size, computed);
    return strcmp(computed, digest) == 0;
}

/* The blobs that a query names: each must be there and be what its name says. */
static int check_blobs(struct image_store *store, struct store_check *check, const char *type, const char *query,
                       const char *repair, int64_t *count, struct error *err)
{
    struct map digests = MAP_INIT;
    size_t i = 0;
    const char *digest;
    void *value;
    int r = store_select_set(store, query, &digests, err);
    while (r == 0 && map_next(&digests, &i, &digest, &value)) {
        (*count)++;
        if (blob_is_right(store, digest)) {
            continue;
        }
        if (check->repair) {
            r = store_run(store, repair, digest, err);
        }
        if (r == 0) {
            store_check_add(check, type, digest, xasprintf("its text is gone from the disk or damaged"), check->repair);
        }
    }
    map_release(&digests);
    return r;
}

/* ---- what nothing has ---- */

static bool is_young(int dir_fd, const char *name)
{
    struct stat st;
    return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || time(NULL) - st.st_mtime < YOUNG_SECONDS;
}

static int check_unknown(struct image_store *store, struct store_check *check, int dir_fd, const char *type,
                         const struct former *former, const struct map *before, const char *query, struct error *err)
{
    struct strv CLEANUP_STRV names = STRV_INIT;
    struct map known = MAP_INIT;
    int r = store_select_set(store, query, &known, err);
    if (r == 0) {
        r = store_list_directory(dir_fd, &names, err);
    }
    for (size_t i = 0; r == 0 && i < names.count; i++) {
        const char *name = names.items[i];
        bool ours = map_get(before, name) != NULL;
        if (map_get(&known, name) != NULL || strcmp(name, former->waits) == 0 || (!ours && is_young(dir_fd, name))) {
            continue;
        }
        if (check->repair && (r = store_trash(store, dir_fd, name)) < 0) {
            error_errno(err, r, "remove %s", name);
        }
        if (!ours) {
            store_check_add(check, type, name, xstrdup("nothing in the database has it"), check->repair && r == 0);
        }
    }
    map_release(&known);
    return r;
}

/* ---- contents ---- */

static int nowhere(void *data, const void *bytes, size_t size, struct error *err)
{
    (void)data, (void)bytes, (void)size, (void)err;
    return 0;
}

/* It says nothing of the layer: another time the reading may go well. */
static bool is_passing(const struct error *failure)
{
    static const int errnums[] = {EMFILE, ENFILE, ENOMEM, EAGAIN, EINTR};
    bool passing = false;
    for (size_t i = 0; i < ARRAY_SIZE(errnums); i++) {
        passing = passing || failure->errnum == errnums[i];
    }
    return passing;
}

/* Without the lock: it takes as long as reading the layer. */
static int check_contents(struct image_store *store, struct store_check *check, const char *diff_id, struct error *err)
{
    struct error failure = {0};
    if (!image_layer_pin_diff_id(store, diff_id)) {
        return 0; /* it has gone meanwhile */
    }
    int64_t size;
    int r = image_layer_tar_size(store, diff_id, &size, &failure);
    if (r == 0) {
        r = image_layer_tar_write(store, diff_id, nowhere, NULL, &failure);
    }
    image_layer_unpin(store, diff_id);
    if (r == 0 || failure.kind == ERROR_CONFLICT) { /* one that cannot be made again cannot be compared */
        return 0;
    }
    if (is_passing(&failure)) {
        return error_propagate(err, &failure);
    }
    CLEANUP_FREE char *why = xasprintf("is not what its digest says (%s)", failure.message);
    r = db_begin(store->db, err);
    if (r < 0) {
        return r;
    }
    r = lost_layer(store, check, diff_id, why, false, err);
    if (r < 0) {
        db_rollback(store->db);
        return r;
    }
    return db_commit(store->db, err);
}

static int check_all_contents(struct image_store *store, struct store_check *check, struct error *err)
{
    struct map layers = MAP_INIT;
    size_t i = 0;
    const char *diff_id;
    void *value;
    db_lock(store->db);
    int r = store_select_set(store, "SELECT diff_id FROM layer", &layers, err);
    db_unlock(store->db);
    while (r == 0 && map_next(&layers, &i, &diff_id, &value)) {
        r = check_contents(store, check, diff_id, err);
    }
    map_release(&layers);
    return r;
}

/* ---- all of it ---- */

static int check_rows(struct image_store *store, struct store_check *check, struct error *err)
{
    int64_t manifests = 0;
    int r = check_layers(store, check, err);
    if (r == 0) {
        r = check_blobs(store, check, "image", "SELECT id FROM image", "DELETE FROM image WHERE id = ?", &check->images,
                        err);
    }
    if (r == 0) {
        r = check_blobs(store, check, "manifest", "SELECT DISTINCT digest FROM image_blob",
                        "DELETE FROM image_blob WHERE digest = ?", &manifests, err);
    }
    if (r == 0) {
        r = check_blobs(store, check, "index", "SELECT digest FROM image_index",
                        "DELETE FROM image_index WHERE digest = ?", &manifests, err);
    }
    /* What only a removed image's names stood for; the files are known from before, and go with those. */
    struct strv CLEANUP_STRV blobs = STRV_INIT;
    return r == 0 && check->repair ? index_drop_unused(store, &blobs, err) : r;
}

/* Layers that only a removed image had. */
static int drop_unused(struct image_store *store, struct error *err)
{
    struct strv CLEANUP_STRV dirs = STRV_INIT;
    struct map layers = MAP_INIT;
    size_t i = 0;
    const char *diff_id;
    void *value;
    int r = store_select_set(store, "SELECT diff_id FROM layer", &layers, err);
    while (r == 0 && map_next(&layers, &i, &diff_id, &value)) {
        r = store_drop_unused_layer(store, diff_id, &dirs, err);
    }
    map_release(&layers);
    if (r == 0) {
        r = init_layer_drop_unused(store, &dirs, err);
    }
    for (size_t k = 0; r == 0 && k < dirs.count; k++) {
        r = store_trash(store, store->overlay_fd, dirs.items[k]);
        if (r < 0) {
            error_errno(err, r, "remove overlay/%s", dirs.items[k]);
        }
    }
    return r;
}

/* Lock held: a root that is taken from the pool now gets its row afterwards, and is still the pool's last one. */
static int check_files(struct image_store *store, struct store_check *check, struct former *former, struct error *err)
{
    pthread_mutex_lock(&store->pool.lock);
    memcpy(former->waits, store->pool.ready.id, sizeof(former->waits));
    pthread_mutex_unlock(&store->pool.lock);
    int r = check->repair ? drop_unused(store, err) : 0;
    if (r == 0) {
        r = check_unknown(store, check, store->overlay_fd, "directory", former, &former->dirs, DIRECTORIES, err);
    }
    if (r == 0) {
        r = check_unknown(store, check, store->blobs_fd, "blob", former, &former->blobs, BLOBS, err);
    }
    return r;
}

static int remember(struct image_store *store, struct former *former, struct error *err)
{
    db_lock(store->db);
    int r = store_select_set(store, DIRECTORIES, &former->dirs, err);
    if (r == 0) {
        r = store_select_set(store, BLOBS, &former->blobs, err);
    }
    db_unlock(store->db);
    return r;
}

int image_store_check(struct image_store *store, struct store_check *check, struct error *err)
{
    struct former former CLEANUP(former_release) = {.dirs = MAP_INIT, .blobs = MAP_INIT};
    int r = remember(store, &former, err);
    if (r == 0 && check->contents) {
        r = check_all_contents(store, check, err);
    }
    if (r < 0) {
        return r;
    }
    r = db_begin(store->db, err);
    if (r < 0) {
        return r;
    }
    r = check_rows(store, check, err);
    if (check->repair) {
        store_cache_clear(store);
    }
    if (r < 0) {
        db_rollback(store->db);
        return r;
    }
    r = db_commit(store->db, err);
    if (r == 0) {
        db_lock(store->db);
        r = check_files(store, check, &former, err);
        db_unlock(store->db);
    }
    if (check->repair && check->count > 0) {
        rootfs_pool_clear(store);
    }
    return r;
}
