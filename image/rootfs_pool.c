/*
 * One root file system made and mounted before it is asked for, for the image that was last run with --rm: whoever runs
 * an image once often runs it again. Making its directories and mounting them costs a start 0.5 to 1 ms otherwise. What
 * is in the pool has no row: after a crash its directory is an unknown one, and goes.
 */
#include <errno.h>
#include <unistd.h>

#include "base/fd.h"
#include "image/store.h"

void rootfs_pool_init(struct image_store *store)
{
    pthread_mutex_init(&store->pool.lock, NULL);
    store->pool.ready.fd = -1;
}

static void entry_release(struct image_store *store, struct rootfs_ready *entry)
{
    if (entry->lowers != NULL) {
        entry->fd = fd_close(entry->fd);
        (void)store_trash(store, store->overlay_fd, entry->id);
    }
    free(TAKE_PTR(entry->lowers));
}

bool rootfs_pool_take(struct image_store *store, const char *lowers, char id[STORE_ID_SIZE + 1], int *ret_fd)
{
    struct rootfs_pool *pool = &store->pool;
    pthread_mutex_lock(&pool->lock);
    bool found = pool->ready.lowers != NULL && strcmp(pool->ready.lowers, lowers) == 0;
    if (found) {
        memcpy(id, pool->ready.id, STORE_ID_SIZE + 1);
        *ret_fd = TAKE_FD(pool->ready.fd);
        free(TAKE_PTR(pool->ready.lowers));
    }
    pthread_mutex_unlock(&pool->lock);
    return found;
}

void rootfs_pool_hold(struct image_store *store, const char *id, int fd)
{
    struct rootfs_pool *pool = &store->pool;
    pthread_mutex_lock(&pool->lock);
    map_set(&pool->held, id, (void *)(intptr_t)(fd + 1));
    pthread_mutex_unlock(&pool->lock);
}

int rootfs_pool_held(struct image_store *store, const char *id, bool take)
{
    struct rootfs_pool *pool = &store->pool;
    pthread_mutex_lock(&pool->lock);
    void *value = take ? map_unset(&pool->held, id) : map_get(&pool->held, id);
    int fd = value == NULL ? -1 : (int)(intptr_t)value - 1;
    if (fd >= 0 && !take) {
        fd = fd_dup(fd);
    }
    pthread_mutex_unlock(&pool->lock);
    return fd;
}

void rootfs_pool_want(struct image_store *store, const char *lowers)
{
    pthread_mutex_lock(&store->pool.lock);
    bool there = store->pool.ready.lowers != NULL && strcmp(store->pool.ready.lowers, lowers) == 0;
    if (!there) {
        xstrset(&store->pool.wanted, lowers);
    }
    pthread_mutex_unlock(&store->pool.lock);
    if (!there) {
        store_fill_later(store);
    }
}

/* An image that cannot be mounted will be reported when a container of it starts. */
void rootfs_pool_fill(struct image_store *store)
{
    struct rootfs_ready entry = {.fd = -1};
    pthread_mutex_lock(&store->pool.lock);
    entry.lowers = TAKE_PTR(store->pool.wanted);
    unsigned generation = store->pool.generation;
    pthread_mutex_unlock(&store->pool.lock);
    if (entry.lowers == NULL) {
        return;
    }
    store_new_id(entry.id);
    if (rootfs_make_directories(store, entry.id, entry.lowers, 0, NULL) == 0) {
        entry.fd = rootfs_mount_layers(store, entry.id, entry.lowers,
                                       ROOTFS_ONCE | (store->mapped_fd >= 0 ? ROOTFS_MAPPED : 0), NULL);
    }
    pthread_mutex_lock(&store->pool.lock);
    if (entry.fd >= 0 && generation == store->pool.generation) {
        struct rootfs_ready former = store->pool.ready;
        store->pool.ready = entry;
        entry = former;
    }
    pthread_mutex_unlock(&store->pool.lock);
    entry_release(store, &entry);
}

void rootfs_pool_clear(struct image_store *store)
{
    pthread_mutex_lock(&store->pool.lock);
    struct rootfs_ready former = store->pool.ready;
    store->pool.ready = (struct rootfs_ready){.fd = -1};
    xstrset(&store->pool.wanted, NULL);
    store->pool.generation++; /* one that is just being made is of an image that may be gone */
    pthread_mutex_unlock(&store->pool.lock);
    entry_release(store, &former);
}

void rootfs_pool_release(struct image_store *store)
{
    size_t i = 0;
    const char *id;
    void *value;
    rootfs_pool_clear(store);
    while (map_next(&store->pool.held, &i, &id, &value)) {
        fd_close((int)(intptr_t)value - 1);
    }
    map_release(&store->pool.held);
    pthread_mutex_destroy(&store->pool.lock);
}
