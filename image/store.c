#include "image/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/id.h"
#include "base/memory.h"
#include "base/project_quota.h"
#include "image/digest.h"

#define LOCK_PATIENCE_MS 1000 /* of children of a daemon that was killed */

static const char schema[] =
    /* One unpacked layer. boot: of which boot its bytes are not known to be on the disk yet; NULL once they are. */
    "CREATE TABLE IF NOT EXISTS layer (diff_id TEXT PRIMARY KEY, dir TEXT NOT NULL UNIQUE, size INTEGER NOT NULL,"
    " opaque INTEGER NOT NULL, boot TEXT) WITHOUT ROWID;"
    /* Digests of the bytes as they came, all computed here. */
    "CREATE TABLE IF NOT EXISTS layer_digest (digest TEXT PRIMARY KEY, diff_id TEXT NOT NULL"
    " REFERENCES layer ON DELETE CASCADE) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS layer_digest_layer ON layer_digest (diff_id);"
    "CREATE TABLE IF NOT EXISTS image (id TEXT PRIMARY KEY, created INTEGER NOT NULL, parent TEXT) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS image_layer (image TEXT NOT NULL REFERENCES image ON DELETE CASCADE,"
    " position INTEGER NOT NULL, diff_id TEXT NOT NULL REFERENCES layer, PRIMARY KEY (image, position)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS image_layer_layer ON image_layer (diff_id);"
    /* Full names with tag or digest. */
    "CREATE TABLE IF NOT EXISTS image_name (name TEXT PRIMARY KEY, image TEXT NOT NULL"
    " REFERENCES image ON DELETE CASCADE) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS image_name_image ON image_name (image);"
    /* When an image was given a name last, in ns. */
    "CREATE TABLE IF NOT EXISTS image_tagged (image TEXT PRIMARY KEY REFERENCES image ON DELETE CASCADE,"
    " time INTEGER NOT NULL) WITHOUT ROWID;"
    /* Manifests that are kept with an image. */
    "CREATE TABLE IF NOT EXISTS image_blob (image TEXT NOT NULL REFERENCES image ON DELETE CASCADE,"
    " digest TEXT NOT NULL, PRIMARY KEY (image, digest)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS image_blob_digest ON image_blob (digest);"
    /* Indexes that names stand for, and which of their platforms are here (image/index.h). */
    "CREATE TABLE IF NOT EXISTS image_index (digest TEXT PRIMARY KEY) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS index_image (idx TEXT NOT NULL REFERENCES image_index ON DELETE CASCADE,"
    " position INTEGER NOT NULL, image TEXT NOT NULL REFERENCES image ON DELETE CASCADE, os TEXT NOT NULL,"
    " architecture TEXT NOT NULL, variant TEXT NOT NULL, PRIMARY KEY (idx, position)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS index_image_image ON index_image (image);"
    "CREATE TABLE IF NOT EXISTS name_index (name TEXT PRIMARY KEY REFERENCES image_name ON DELETE CASCADE,"
    " idx TEXT NOT NULL REFERENCES image_index ON DELETE CASCADE) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS name_index_index ON name_index (idx);"
    /* Whatever takes an image away: a name that stands for other platforms, too, means one of those from then on. */
    "CREATE TRIGGER IF NOT EXISTS image_gone BEFORE DELETE ON image BEGIN"
    " UPDATE image_name SET image = (SELECT m.image FROM name_index n JOIN index_image m ON m.idx = n.idx"
    "  WHERE n.name = image_name.name AND m.image <> OLD.id ORDER BY m.position LIMIT 1)"
    " WHERE image = OLD.id AND EXISTS (SELECT 1 FROM name_index n JOIN index_image m ON m.idx = n.idx"
    "  WHERE n.name = image_name.name AND m.image <> OLD.id);"
    "END;"
    /* Containers' roots. lowers: directories of layers, top first, blanks between; they outlive the image. */
    "CREATE TABLE IF NOT EXISTS rootfs (id TEXT PRIMARY KEY, image TEXT, lowers TEXT NOT NULL) WITHOUT ROWID;"
    /* Who else wants a layer (image/draft.h). */
    "CREATE TABLE IF NOT EXISTS layer_use (user TEXT PRIMARY KEY, diff_id TEXT NOT NULL REFERENCES layer"
    " ON DELETE CASCADE) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS layer_use_layer ON layer_use (diff_id);"
    "CREATE TABLE IF NOT EXISTS init_layer (image TEXT PRIMARY KEY, dir TEXT NOT NULL UNIQUE) WITHOUT ROWID;";

void store_new_id(char id[STORE_ID_SIZE + 1])
{
    id_random_hex(id, STORE_ID_SIZE / 2);
}

bool store_is_id(const char *name)
{
    return strlen(name) == STORE_ID_SIZE && id_is_hex(name, STORE_ID_SIZE);
}

int store_make_tmp(struct image_store *store, char name[STORE_ID_SIZE + 1], struct error *err)
{
    char id[STORE_ID_SIZE + 1];
    store_new_id(id);
    if (mkdirat(store->tmp_fd, id, 0710) < 0) {
        return error_errno(err, errno, "mkdir tmp/%s", id);
    }
    memcpy(name, id, sizeof(id));
    int fd = openat(store->tmp_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? error_errno(err, errno, "open tmp/%s", id) : fd;
}

int store_write_blob(struct image_store *store, const char *digest, const void *data, size_t size, struct error *err)
{
    int r = file_write_atomic(store->blobs_fd, digest_hex(digest), data, size, 0600, err);
    return r < 0 ? error_context(err, "blob %s", digest) : 0;
}

int store_read_blob(struct image_store *store, const char *digest, char **ret_data, size_t *ret_size, struct error *err)
{
    CLEANUP_FREE char *data = NULL;
    char actual[DIGEST_TEXT_MAX];
    size_t size;
    int r = file_read(store->blobs_fd, digest_hex(digest), STORE_CONFIG_MAX, &data, &size, err);
    if (r < 0) {
        return r;
    }
    digest_of(data, size, actual);
    if (strcmp(actual, digest) != 0) {
        return error_set(err, ERROR_SYSTEM, EUCLEAN, "blob %s is damaged: its digest is %s", digest, actual);
    }
    *ret_data = TAKE_PTR(data);
    *ret_size = size;
    return 0;
}

/* In doubt it is. */
static bool is_blob_used(struct image_store *store, const char *hex)
{
    CLEANUP_FREE char *digest = xasprintf(DIGEST_PREFIX "%s", hex);
    struct db_statement *s;
    bool row = false;
    int r = db_query(store->db,
                     "SELECT 1 FROM image WHERE id = ?1 UNION ALL SELECT 1 FROM image_blob WHERE digest = ?1"
                     " UNION ALL SELECT 1 FROM image_index WHERE digest = ?1",
                     &s, NULL);
    if (r < 0) {
        return true;
    }
    db_bind_text(s, 1, digest);
    r = db_step(s, &row, NULL);
    db_reset(s);
    return r < 0 || row;
}

void store_trash_blobs(struct image_store *store, const struct strv *blobs)
{
    for (size_t i = 0; i < blobs->count; i++) {
        if (!is_blob_used(store, blobs->items[i])) {
            (void)store_trash(store, store->blobs_fd, blobs->items[i]);
        }
    }
}

/* A directory below the root, made if missing. */
static int store_directory(struct image_store *store, const char *path, int *ret_fd, struct error *err)
{
    CLEANUP_FREE char *full = xasprintf("%s/%s", store->root_path, path);
    int r = file_mkdirs(full, 0710, err);
    if (r < 0) {
        return r;
    }
    *ret_fd = openat(store->root_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return *ret_fd < 0 ? error_errno(err, errno, "open %s", full) : 0;
}

static int store_open_root(struct image_store *store, const char *data_root, struct error *err)
{
    int r = file_mkdirs(data_root, 0710, err);
    if (r < 0) {
        return r;
    }
    store->root_path = realpath(data_root, NULL);
    if (store->root_path == NULL) {
        return error_errno(err, errno, "%s", data_root);
    }
    store->root_fd = open(store->root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->root_fd < 0) {
        return error_errno(err, errno, "open %s", store->root_path);
    }
    /* Setuid programs in layers must be out of everybody's reach (mkdir's mode is subject to the umask, and the
     * directory may have been there before). */
    if (fchmod(store->root_fd, 0710) < 0) {
        return error_errno(err, errno, "chmod %s", store->root_path);
    }
    r = fd_lock(store->root_fd, LOCK_PATIENCE_MS);
    if (r < 0) {
        return r == -EWOULDBLOCK
                   ? error_set(err, ERROR_CONFLICT, EBUSY, "data root %s is in use by another daemon", store->root_path)
                   : error_errno(err, r, "lock %s", store->root_path);
    }
    return 0;
}

static int store_setup(struct image_store *store, const char *data_root, struct error *err)
{
    CLEANUP_FREE char *boot = NULL;
    size_t size;
    int r = store_open_root(store, data_root, err);
    if (r == 0) {
        r = store_directory(store, "overlay", &store->overlay_fd, err);
    }
    if (r == 0) {
        r = store_directory(store, "tmp", &store->tmp_fd, err);
    }
    if (r == 0) {
        r = store_directory(store, "downloads", &store->downloads_fd, err);
    }
    if (r == 0) {
        store->old_overlay = rootfs_overlay_is_old();
        store->has_quota = project_quota_enforced(store->overlay_fd);
        file_spread(store->overlay_fd);
        file_spread(store->tmp_fd); /* layers are made there */
        r = store_directory(store, "image/blobs/sha256", &store->blobs_fd, err);
    }
    if (r == 0) {
        r = file_read(AT_FDCWD, "/proc/sys/kernel/random/boot_id", sizeof(store->boot), &boot, &size, err);
    }
    if (r == 0) {
        snprintf(store->boot, sizeof(store->boot), "%.*s", (int)strcspn(boot, "\n"), boot);
        r = db_exec(store->db, schema, err);
    }
    return r < 0 ? r : store_recover(store, err);
}

int image_store_open(const char *data_root, struct db *db, struct image_store **ret, struct error *err)
{
    struct image_store *store = xcalloc(1, sizeof(*store));
    store->db = db;
    store->limits = (struct image_limits){IMAGE_LAYER_BYTES_DEFAULT, IMAGE_LAYER_ENTRIES_DEFAULT};
    store->mapped_fd = -1;
    store->root_fd = store->overlay_fd = store->tmp_fd = store->blobs_fd = store->downloads_fd = -1;
    store_cleaner_init(&store->cleaner);
    digest_pool_init(&store->digests);
    downloads_init(&store->downloads);
    pthread_mutex_init(&store->init_lock, NULL);
    rootfs_pool_init(store);
    int r = store_setup(store, data_root, err);
    if (r < 0) {
        image_store_close(store);
        return r;
    }
    *ret = store;
    return 0;
}

void image_store_close(struct image_store *store)
{
    if (store == NULL) {
        return;
    }
    rootfs_pool_release(store);
    downloads_suspend(&store->downloads);
    downloads_expire(&store->downloads, true); /* the cleaner deletes what they had */
    store_cleaner_release(store);
    downloads_release(&store->downloads);
    digest_pool_release(&store->digests);
    store_cache_clear(store);
    map_release(&store->cache);
    map_release(&store->pins);
    strv_release(&store->repairs);
    fd_close(store->mapped_fd);
    fd_close(store->blobs_fd);
    fd_close(store->tmp_fd);
    fd_close(store->downloads_fd);
    fd_close(store->overlay_fd);
    fd_close(store->root_fd);
    free(store->root_path);
    free(store);
}

void image_store_set_limits(struct image_store *store, const struct image_limits *limits)
{
    store->limits = *limits;
}

int image_store_root_fd(struct image_store *store)
{
    return store->root_fd;
}

bool image_store_has_quota(struct image_store *store)
{
    return store->has_quota;
}

const struct strv *image_store_repairs(struct image_store *store)
{
    return &store->repairs;
}

/* ---- Rows ---- */

int store_run(struct image_store *store, const char *sql, const char *argument, struct error *err)
{
    struct db_statement *s;
    int r = db_query(store->db, sql, &s, err);
    if (r < 0) {
        return r;
    }
    db_bind_text(s, 1, argument);
    return db_run(s, err);
}

int store_has_layer(struct image_store *store, const char *diff_id, bool *ret, struct error *err)
{
    struct db_statement *s;
    int r = db_query(store->db, "SELECT 1 FROM layer WHERE diff_id = ?", &s, err);
    if (r < 0) {
        return r;
    }
    db_bind_text(s, 1, diff_id);
    r = db_step(s, ret, err);
    db_reset(s);
    return r;
}

/* ---- Pins ---- */

static void pin_add(struct image_store *store, const char *diff_id)
{
    uintptr_t count = (uintptr_t)map_get(&store->pins, diff_id);
    map_set(&store->pins, diff_id, (void *)(count + 1));
}

bool store_pin(struct image_store *store, const char *diff_id)
{
    bool known = false;
    if (store_has_layer(store, diff_id, &known, NULL) < 0 || !known) {
        return false;
    }
    pin_add(store, diff_id);
    return true;
}

void store_pin_unseen(struct image_store *store, const char *diff_id)
{
    db_lock(store->db);
    pin_add(store, diff_id);
    db_unlock(store->db);
}

bool image_layer_pin_diff_id(struct image_store *store, const char *diff_id)
{
    db_lock(store->db);
    bool pinned = store_pin(store, diff_id);
    db_unlock(store->db);
    return pinned;
}

/* Lock held. */
static bool layer_of_digest(struct image_store *store, const char *digest, char ret_diff_id[DIGEST_TEXT_MAX])
{
    struct db_statement *s;
    bool row = false;
    if (db_query(store->db, "SELECT diff_id FROM layer_digest WHERE digest = ?", &s, NULL) < 0) {
        return false;
    }
    db_bind_text(s, 1, digest);
    if (db_step(s, &row, NULL) < 0 || !row) {
        return false;
    }
    snprintf(ret_diff_id, DIGEST_TEXT_MAX, "%s", db_text(s, 0));
    db_reset(s);
    return true;
}

bool image_layer_of_digest(struct image_store *store, const char *digest, char ret_diff_id[DIGEST_TEXT_MAX])
{
    db_lock(store->db);
    bool found = layer_of_digest(store, digest, ret_diff_id);
    db_unlock(store->db);
    return found;
}

int image_layer_add_digest(struct image_store *store, const char *digest, const char *diff_id, struct error *err)
{
    struct db_statement *s;
    db_lock(store->db);
    int r = db_query(store->db, "INSERT OR IGNORE INTO layer_digest (digest, diff_id) VALUES (?, ?)", &s, err);
    if (r == 0) {
        db_bind_text(s, 1, digest);
        db_bind_text(s, 2, diff_id);
        r = db_run(s, err);
    }
    db_unlock(store->db);
    return r;
}

bool image_layer_pin(struct image_store *store, const char *digest, char ret_diff_id[DIGEST_TEXT_MAX])
{
    char diff_id[DIGEST_TEXT_MAX];
    db_lock(store->db);
    bool pinned = layer_of_digest(store, digest, diff_id) && store_pin(store, diff_id);
    db_unlock(store->db);
    if (pinned) {
        memcpy(ret_diff_id, diff_id, sizeof(diff_id));
    }
    return pinned;
}

void image_layer_unpin(struct image_store *store, const char *diff_id)
{
    db_lock(store->db);
    uintptr_t count = (uintptr_t)map_get(&store->pins, diff_id);
    if (count > 1) {
        map_set(&store->pins, diff_id, (void *)(count - 1));
    } else if (map_unset(&store->pins, diff_id) != NULL) {
        /* Its image may have gone meanwhile. A failure leaves it to the next start. */
        struct strv CLEANUP_STRV dirs = STRV_INIT;
        if (store_drop_unused_layer(store, diff_id, &dirs, NULL) == 0 && dirs.count > 0) {
            (void)store_trash(store, store->overlay_fd, dirs.items[0]);
        }
    }
    db_unlock(store->db);
}
