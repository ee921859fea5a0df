/* What the files of the image store share among themselves. Nobody outside image/ includes this. */
#ifndef DORY_IMAGE_STORE_H
#define DORY_IMAGE_STORE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/strmap.h"
#include "image/digest.h"
#include "image/downloads.h"
#include "image/image.h"
#include "image/layer.h"

#define STORE_ID_SIZE 12 /* of the directories below overlay/ and tmp/: hex digits */
#define STORE_STACK (256 * 1024)
#define STORE_CONFIG_MAX (8 * 1024 * 1024)

/* Work that nobody waits for, done by one thread that goes away when idle (image/cleaner.c). */
struct store_cleaner {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct strv trash; /* names in tmp/ to delete */
    struct strv stuck; /* those that could not be deleted, to be tried again at stuck_at; stuck_wait after that */
    int64_t stuck_at, stuck_wait;
    bool fill;         /* rootfs_pool_fill is to be called */
    int64_t sync_at;   /* layers are to be written to the disk then (monotonic ns); 0: they are */
    int64_t expire_at; /* downloads_expire is to be called then (monotonic ns); 0: it need not */
    bool running, stop;
    bool joinable;
    pthread_t thread;
};

/* A root that is made and mounted and waits for its container. Empty: lowers is NULL, fd -1. */
struct rootfs_ready {
    char *lowers;
    char id[STORE_ID_SIZE + 1];
    int fd;
};

/* image/rootfs_pool.c */
struct rootfs_pool {
    pthread_mutex_t lock;
    struct rootfs_ready ready;
    char *wanted; /* lowers of what is to be made */
    unsigned generation;
    struct map held; /* rootfs id -> descriptor + 1: taken from the pool, not mounted by the engine yet */
};

struct image_store {
    struct db *db; /* its lock is the store's lock, too */
    char *root_path;
    int root_fd, overlay_fd, tmp_fd, blobs_fd, downloads_fd;
    char boot[64];    /* this boot of the machine */
    struct map pins;  /* diffID -> count as a pointer; under the database's lock */
    struct map cache; /* id -> struct image, each with one reference; under the database's lock */
    bool old_overlay; /* the kernel's overlayfs has no lowerdir+ */
    bool has_quota;   /* project quotas are enforced where overlay/ is */
    int mapped_fd;    /* overlay/ with the ids of image_store_map_ids(), a detached mount; -1 */
    struct strv repairs;
    struct store_cleaner cleaner;
    struct digest_pool digests; /* of the layers on their way in */
    struct image_limits limits;
    struct downloads downloads;
    pthread_mutex_t init_lock; /* one init layer is made at a time */
    struct rootfs_pool pool;
};

/* An image with what only the store needs. */
struct image_object {
    struct image image;
    atomic_uint references;
    char *lowers; /* directories of its layers, top first, separated by blanks, as overlayfs wants them */
};

/* ---- store.c ---- */

/* A fresh name of STORE_ID_SIZE digits. */
void store_new_id(char id[STORE_ID_SIZE + 1]);
bool store_is_id(const char *name);
/* Makes tmp/NAME (0710) and returns its descriptor, or -errno. */
int store_make_tmp(struct image_store *store, char name[STORE_ID_SIZE + 1], struct error *err);
/* Runs SQL that returns nothing, with one text bound. Lock held. */
int store_run(struct image_store *store, const char *sql, const char *argument, struct error *err);
/* Is there a row for the layer? Lock held. */
int store_has_layer(struct image_store *store, const char *diff_id, bool *ret, struct error *err);
/* Keeps a layer from being removed until image_layer_unpin(). false: there is none of this diffID. Lock held. */
bool store_pin(struct image_store *store, const char *diff_id);
/* The blob's file: written under a temporary name, appears whole. */
int store_write_blob(struct image_store *store, const char *digest, const void *data, size_t size, struct error *err);
/* Deletes the files of blobs (names in hex) whose rows are gone for good, and that no other row has: a text may be a
 * config and an index at once. What cannot be renamed goes at the next start. Lock held. */
void store_trash_blobs(struct image_store *store, const struct strv *blobs);
int store_read_blob(struct image_store *store, const char *digest, char **ret_data, size_t *ret_size,
                    struct error *err);

/* Pins a layer that need not be there yet (image_layer_unpin). */
void store_pin_unseen(struct image_store *store, const char *diff_id);

/* ---- cleaner.c ---- */

void store_cleaner_init(struct store_cleaner *cleaner);
/* Deletes what is queued, writes down the layers that wait for it, and stops. */
void store_cleaner_release(struct image_store *store);
/* Renames dir_fd/name into tmp/ and has it deleted. Absent is fine. 0 or -errno. */
int store_trash(struct image_store *store, int dir_fd, const char *name);
/* Has tmp/NAME deleted. */
void store_trash_tmp(struct image_store *store, const char *name);
/* Layers came: has them written to the disk in a moment, together with others that come until then, and marked so. */
void store_sync_later(struct image_store *store);
/* Has rootfs_pool_fill called in a few milliseconds. */
void store_fill_later(struct image_store *store);
/* A download is kept: has it forgotten when its time is over. */
void store_expire_later(struct image_store *store);

/* ---- recover.c ---- */

/* Finishes or undoes what a crash left, with a sentence in store->repairs for what was lost. */
int store_recover(struct image_store *store, struct error *err);
#define STORE_LAYER_GONE "is gone from the disk"
/* Deletes the rows of a layer that is lost and of the images that have it, with a sentence in `said` for each. Lock
 * held. */
int store_drop_lost_layer(struct image_store *store, const char *diff_id, const char *why, struct strv *said,
                          struct error *err);
/* Has overlay/ID its directory diff? */
bool store_layer_exists(struct image_store *store, const char *id);
/* All values of a query's first column, as keys of the map. Lock held. */
int store_select_set(struct image_store *store, const char *sql, struct map *set, struct error *err);
/* Names in a directory, the dots left out. */
int store_list_directory(int dir_fd, struct strv *names, struct error *err);

/* ---- lookup.c ---- */

/* Parses a config; *ret is new with one reference, without what only the database knows. */
int image_parse_config(const char *text, size_t size, struct image_object **ret, struct error *err);
/* By full id, with the database's lock held; from the cache when it is there. */
int image_get(struct image_store *store, const char *id, struct image **ret, struct error *err);
/* Any change to names or images empties the cache. Lock held. */
void store_cache_clear(struct image_store *store);
/* Resolves what a user gave. Lock held. */
int image_find(struct image_store *store, const char *name_or_id, char ret_id[DIGEST_TEXT_MAX], struct error *err);
/* What a name or an id stands for: an image, and the index whose platform it is ("": none). */
struct image_target {
    char id[DIGEST_TEXT_MAX], index[DIGEST_TEXT_MAX];
    bool named; /* by a name, not an id */
};
int image_find_target(struct image_store *store, const char *name_or_id, struct image_target *ret, struct error *err);
/* The key of table image_name: full name with tag or digest (which wins). The caller frees. */
char *image_name_key(const struct reference *ref);

/* ---- names.c ---- */

/* Inserts or moves a name; index: what it stands for besides, "" for the image alone. Within a transaction, which ends
 * with index_commit or looks after unused indexes otherwise (image/index.h). */
int image_name_set(struct image_store *store, const char *id, const char *index, const struct reference *ref,
                   struct error *err);

/* ---- remove.c ---- */

/* Deletes the layer's row when no image, root or pin has it, and adds its directory (below overlay/) to dirs: the
 * caller gives those to store_trash once the transaction is committed. Lock held. */
int store_drop_unused_layer(struct image_store *store, const char *diff_id, struct strv *dirs, struct error *err);

/* ---- rootfs.c ---- */

/* overlay/ID with diff (mode and owner of the top one of `lowers`) and work. */
int rootfs_make_directories(struct image_store *store, const char *id, const char *lowers, uint64_t limit,
                            struct error *err);
/* Its row. Lock held. */
int rootfs_insert_row(struct image_store *store, const char *id, const struct image *image, const char *lowers,
                      struct error *err);
/* A detached overlay mount of overlay/ID over `lowers`; flags: enum rootfs_flags. */
int rootfs_mount_layers(struct image_store *store, const char *id, const char *lowers, unsigned flags,
                        struct error *err);

/* overlay/ID over a directory of anybody's, by a path without ':' and '\\'; its writes need not outlive the mount. */
int rootfs_mount_over(struct image_store *store, const char *id, const char *lower, bool mapped, struct error *err);
/* A detached read-only mount of overlay/PATH alone. */
int rootfs_read_only_clone(struct image_store *store, const char *path, bool mapped, struct error *err);

/* What every overlay is mounted with; the last has no key. */
struct rootfs_overlay_option {
    const char *key, *value;
};
extern const struct rootfs_overlay_option rootfs_overlay_options[];

/* ---- rootfs_mapped.c ---- */

/* Longest value fsconfig(2) takes. */
#define FSCONFIG_VALUE_MAX 255

/* overlay/ID/NAME as a path short enough for fsconfig(2), with mapped ids or without. */
void rootfs_overlay_path(const struct image_store *store, bool mapped, const char *id, const char *name, char *path,
                         size_t size);

/* ---- rootfs_mount_old.c ---- */

/* Does overlayfs have the interface of kernels before 6.5? Those that came later and have no lowerdir+ say so. */
bool rootfs_overlay_is_old(void);
/* As rootfs_mount_layers, without "volatile". */
int rootfs_mount_old(struct image_store *store, const char *id, const char *lowers, struct error *err);

/* ---- rootfs_pool.c ---- */

void rootfs_pool_init(struct image_store *store);
void rootfs_pool_release(struct image_store *store);
/* A ready root over exactly these layers: its id and the mount, both the caller's from now on. */
bool rootfs_pool_take(struct image_store *store, const char *lowers, char id[STORE_ID_SIZE + 1], int *ret_fd);
/* Asks for one to be made. */
void rootfs_pool_want(struct image_store *store, const char *lowers);
void rootfs_pool_fill(struct image_store *store);
/* The mount of a taken root until the engine asks for it: kept, looked up (a duplicate) or taken; -1: none. */
void rootfs_pool_hold(struct image_store *store, const char *id, int fd);
int rootfs_pool_held(struct image_store *store, const char *id, bool take);
/* Images were removed: what waits may be of one of them. */
void rootfs_pool_clear(struct image_store *store);

/* ---- init_layer.c ---- */

/* What a container of the image has below its own directory: the image's init layer (made when missing) and its layers.
 * The caller frees. */
int init_layer_lowers(struct image_store *store, const struct image *image, char **ret, struct error *err);
/* Makes those places beneath a root. What cannot be made there is left out. */
void init_layer_make_targets(int root_fd);
/* Deletes the rows of init layers whose image is gone and that no root uses; their directories are added to dirs, for
 * store_trash once the transaction is committed. Lock held. */
int init_layer_drop_unused(struct image_store *store, struct strv *dirs, struct error *err);
/* Part of store_recover. Lock held. */
int init_layer_recover(struct image_store *store, struct error *err);

/* ---- ingest.c ---- */

/* Hands over tmp/NAME of a finished layer: the ingest does not delete it any more. */
void layer_ingest_take(struct layer_ingest *ingest, char name[STORE_ID_SIZE + 1], bool *ret_opaque_root);
/* It lies there again: can be taken once more, and goes with the ingest. */
void layer_ingest_give_back(struct layer_ingest *ingest, const char *name);

#endif
