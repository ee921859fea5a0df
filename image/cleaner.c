#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/beneath.h"
#include "base/condition.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/timestamp.h"
#include "image/rootfs_quota.h"
#include "image/store.h"

/* The thread stays a while after its last work, because removals come in rows. */
#define FILL_DELAY_NS 3000000
#define IDLE_SECONDS 5
/* The layers of a build come one after the other, and syncfs(2) holds up everything else that writes there. */
#define SYNC_DELAY_NS 500000000
/* Of what cannot be deleted: a file system may be mounted in it yet, or somebody still writes there. */
#define STUCK_WAIT_NS INT64_C(100000000)
#define STUCK_WAIT_MAX_NS INT64_C(60000000000)

void store_cleaner_init(struct store_cleaner *cleaner)
{
    pthread_cond_init(&cleaner->changed, NULL);
    pthread_mutex_init(&cleaner->lock, NULL);
}

/* A layer counts as safe once the file system has it. Until then a power failure takes it away (store_recover). */
static void cleaner_sync(struct image_store *store)
{
    struct strv CLEANUP_STRV layers = STRV_INIT;
    struct db_statement *s;
    bool row = true;
    db_lock(store->db);
    int r = db_query(store->db, "SELECT diff_id FROM layer WHERE boot IS NOT NULL", &s, NULL);
    while (r == 0 && (r = db_step(s, &row, NULL)) == 0 && row) {
        strv_add(&layers, db_text(s, 0));
    }
    if (r == 0) {
        db_reset(s);
    }
    db_unlock(store->db);
    if (layers.count == 0 || syncfs(store->root_fd) < 0) {
        return; /* they stay marked as unsafe, which is true */
    }
    db_lock(store->db);
    for (size_t i = 0; i < layers.count; i++) {
        if (db_query(store->db, "UPDATE layer SET boot = NULL WHERE diff_id = ?", &s, NULL) == 0) {
            db_bind_text(s, 1, layers.items[i]);
            (void)db_run(s, NULL); /* likewise */
        }
    }
    db_unlock(store->db);
}

/* at: 0 for never. */
static bool is_due(int64_t at)
{
    return at != 0 && at <= timestamp_monotonic();
}

/* With something to do at some time it does not count as idle. */
static int64_t next_time(const struct store_cleaner *cleaner, int64_t idle)
{
    const int64_t times[] = {cleaner->sync_at, cleaner->expire_at, cleaner->stuck_at};
    int64_t next = 0;
    for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
        next = times[i] != 0 && (next == 0 || times[i] < next) ? times[i] : next;
    }
    return next == 0 ? idle : next;
}

/* Not left to the next start: that may be of another boot, where a layer that is not known as safe counts as lost. */
static bool sync_is_due(const struct store_cleaner *cleaner)
{
    return cleaner->stop ? cleaner->sync_at != 0 : is_due(cleaner->sync_at);
}

static bool has_work(const struct store_cleaner *cleaner)
{
    bool due = cleaner->fill || is_due(cleaner->expire_at) || is_due(cleaner->stuck_at);
    return cleaner->trash.count > 0 || sync_is_due(cleaner) || (due && !cleaner->stop);
}

/* Waits for work. False when there has been none for a while or the store closes; then the thread must end. What comes
 * while the wait times out counts as well: whoever asked for it believes the thread there. */
static bool cleaner_wait(struct store_cleaner *cleaner)
{
    int64_t idle = timestamp_monotonic() + IDLE_SECONDS * INT64_C(1000000000);
    while (!has_work(cleaner) && !cleaner->stop) {
        int64_t at = next_time(cleaner, idle);
        if (at <= timestamp_monotonic()) {
            return has_work(cleaner); /* what is to be done has become due just now, or it is idle */
        }
        condition_wait_until(&cleaner->changed, &cleaner->lock, at);
    }
    return has_work(cleaner);
}

/* Without the lock. Takes the names. */
static void delete_all(struct image_store *store, struct strv *names, struct strv *failed)
{
    for (size_t i = 0; i < names->count; i++) {
        int r = beneath_remove_tree(store->tmp_fd, names->items[i]);
        if (r < 0) {
            log_debug("%s/tmp/%s: %s", store->root_path, names->items[i], strerror(-r));
            strv_add(failed, names->items[i]);
        }
    }
    strv_release(names);
}

/* Lock held. Takes the names; `tried`: those from before are among what was tried. The next start empties tmp/, too. */
static void try_again_later(struct store_cleaner *cleaner, struct strv *failed, bool tried)
{
    if (!tried && failed->count == 0) {
        return;
    }
    strv_add_all(&cleaner->stuck, failed);
    strv_release(failed);
    int64_t wait = tried && cleaner->stuck_wait != 0 ? 2 * cleaner->stuck_wait : STUCK_WAIT_NS;
    cleaner->stuck_wait = wait < STUCK_WAIT_MAX_NS ? wait : STUCK_WAIT_MAX_NS;
    cleaner->stuck_at = cleaner->stuck.count > 0 ? timestamp_monotonic() + cleaner->stuck_wait : 0;
}

static void *cleaner_main(void *data)
{
    struct image_store *store = data;
    struct store_cleaner *cleaner = &store->cleaner;
    pthread_mutex_lock(&cleaner->lock);
    while (cleaner_wait(cleaner)) {
        struct strv trash = cleaner->trash, failed = STRV_INIT;
        bool sync = sync_is_due(cleaner);
        cleaner->trash = (struct strv)STRV_INIT;
        bool again = is_due(cleaner->stuck_at);
        if (again) {
            strv_add_all(&trash, &cleaner->stuck);
            strv_clear(&cleaner->stuck);
        }
        cleaner->sync_at = sync ? 0 : cleaner->sync_at;
        bool expire = is_due(cleaner->expire_at) && !cleaner->stop;
        bool fill = cleaner->fill && !cleaner->stop;
        cleaner->fill = false;
        pthread_mutex_unlock(&cleaner->lock);
        if (fill) {
            /* The start that took the last one should have the machine to itself. */
            nanosleep(&(struct timespec){.tv_nsec = FILL_DELAY_NS}, NULL);
            rootfs_pool_fill(store);
        }
        delete_all(store, &trash, &failed);
        if (sync) {
            cleaner_sync(store);
        }
        if (expire) {
            store_expire_later(store);
        }
        pthread_mutex_lock(&cleaner->lock);
        try_again_later(cleaner, &failed, again);
    }
    cleaner->running = false;
    pthread_mutex_unlock(&cleaner->lock);
    return NULL;
}

/* Lock held. Without a thread the work waits for the next try or the next start. */
static void cleaner_wake(struct image_store *store)
{
    struct store_cleaner *cleaner = &store->cleaner;
    if (cleaner->running) {
        pthread_cond_signal(&cleaner->changed);
        return;
    }
    if (cleaner->joinable) {
        pthread_join(cleaner->thread, NULL); /* it is past its last use of the lock */
        cleaner->joinable = false;
    }
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STORE_STACK);
    if (pthread_create(&cleaner->thread, &attributes, cleaner_main, store) == 0) {
        cleaner->running = true;
        cleaner->joinable = true;
    }
    pthread_attr_destroy(&attributes);
}

void store_trash_tmp(struct image_store *store, const char *name)
{
    pthread_mutex_lock(&store->cleaner.lock);
    strv_add(&store->cleaner.trash, name);
    cleaner_wake(store);
    pthread_mutex_unlock(&store->cleaner.lock);
}

int store_trash(struct image_store *store, int dir_fd, const char *name)
{
    char id[STORE_ID_SIZE + 1];
    store_new_id(id);
    if (dir_fd == store->overlay_fd) {
        rootfs_quota_end(store, name);
    }
    if (renameat(dir_fd, name, store->tmp_fd, id) < 0) {
        return errno == ENOENT ? 0 : -errno;
    }
    store_trash_tmp(store, id);
    return 0;
}

void store_sync_later(struct image_store *store)
{
    pthread_mutex_lock(&store->cleaner.lock);
    if (store->cleaner.sync_at == 0) {
        store->cleaner.sync_at = timestamp_monotonic() + SYNC_DELAY_NS;
    }
    cleaner_wake(store);
    pthread_mutex_unlock(&store->cleaner.lock);
}

void store_fill_later(struct image_store *store)
{
    pthread_mutex_lock(&store->cleaner.lock);
    store->cleaner.fill = true;
    cleaner_wake(store);
    pthread_mutex_unlock(&store->cleaner.lock);
}

void store_expire_later(struct image_store *store)
{
    downloads_expire(&store->downloads, false);
    /* Asked under the lock: who writes last has looked last. */
    pthread_mutex_lock(&store->cleaner.lock);
    store->cleaner.expire_at = downloads_next_expiry(&store->downloads);
    if (store->cleaner.expire_at != 0) {
        cleaner_wake(store);
    }
    pthread_mutex_unlock(&store->cleaner.lock);
}

void store_cleaner_release(struct image_store *store)
{
    struct store_cleaner *cleaner = &store->cleaner;
    pthread_mutex_lock(&cleaner->lock);
    cleaner->stop = true;
    pthread_cond_signal(&cleaner->changed);
    bool joinable = cleaner->joinable;
    pthread_mutex_unlock(&cleaner->lock);
    if (joinable) {
        pthread_join(cleaner->thread, NULL);
    }
    strv_release(&cleaner->trash);
    strv_release(&cleaner->stuck);
    pthread_cond_destroy(&cleaner->changed);
    pthread_mutex_destroy(&cleaner->lock);
}
