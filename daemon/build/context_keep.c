/* The kept contexts as a whole: making room, and what they take. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/directory.h"
#include "base/fd.h"
#include "base/file.h"
#include "daemon/build/context_internal.h"
#include "daemon/build/context_sync.h"

#define PREFIX "keep-"

struct keep {
    char *name;
    int64_t used; /* ns */
};

struct keeps {
    struct keep *items;
    size_t count, capacity;
};

static void keeps_release(struct keeps *keeps)
{
    for (size_t i = 0; i < keeps->count; i++)
        free(keeps->items[i].name);
    free(keeps->items);
}

static int by_use(const void *a, const void *b)
{
    const struct keep *x = a, *y = b;
    return (x->used > y->used) - (x->used < y->used);
}

/* Longest unused first. */
static int list_keeps(int contexts_fd, struct keeps *ret, struct error *err)
{
    CLEANUP_DIRECTORY DIR *dir = NULL;
    const char *name;
    int r = directory_open(contexts_fd, ".", &dir);
    while (r >= 0 && (r = directory_next(dir, &name)) > 0) {
        struct stat st;
        if (strncmp(name, PREFIX, strlen(PREFIX)) != 0)
            continue;
        CLEANUP_FREE char *lock = xasprintf("%s/lock", name);
        xgrow((void **)&ret->items, ret->count, &ret->capacity, sizeof(*ret->items));
        ret->items[ret->count++] = (struct keep){
            .name = xstrdup(name),
            .used = fstatat(contexts_fd, lock, &st, 0) == 0
                        ? st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec
                        : 0,
        };
    }
    if (r < 0)
        return error_errno(err, r, "list the kept build contexts");
    if (ret->count > 0)
        qsort(ret->items, ret->count, sizeof(*ret->items), by_use);
    return 0;
}

/* Unless somebody reads it. False: it stays. */
static bool discard(struct engine *engine, int contexts_fd, const char *name)
{
    CLEANUP_CLOSE int keep = openat(contexts_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    CLEANUP_CLOSE int lock = keep < 0 ? -1 : context_keep_lock(keep, true);
    return lock >= 0 && build_contexts_discard(engine, contexts_fd, name) == 0;
}

static void make_room(struct engine *engine, int contexts_fd)
{
    CLEANUP(keeps_release) struct keeps keeps = {0};
    if (list_keeps(contexts_fd, &keeps, NULL) < 0)
        return;
    for (size_t i = 0; keeps.count - i >= CONTEXTS_KEPT && i < keeps.count; i++)
        discard(engine, contexts_fd, keeps.items[i].name);
}

int context_keep_open(struct engine *engine, const char *key, struct error *err)
{
    CLEANUP_FREE char *name = xasprintf(PREFIX "%s", key);
    CLEANUP_CLOSE int contexts = build_contexts_open(engine, err);
    if (contexts < 0)
        return contexts;
    int fd = openat(contexts, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        make_room(engine, contexts);
        if (mkdirat(contexts, name, 0700) < 0 && errno != EEXIST)
            return error_errno(err, errno, "make a directory for the build context");
        fd = openat(contexts, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }
    return fd < 0 ? error_errno(err, errno, "open the kept build context") : fd;
}

/* ---- what they take ---- */

static int64_t manifest_bytes(int contexts_fd, const char *name)
{
    CLEANUP_FREE char *path = xasprintf("%s/manifest", name), *text = NULL;
    struct context_manifest manifest = {0};
    size_t size;
    int64_t bytes = 0;
    if (file_read(contexts_fd, path, CONTEXT_MANIFEST_MAX, &text, &size, NULL) == 0 &&
        context_manifest_parse(text, size, &manifest, NULL) == 0) {
        for (size_t i = 0; i < manifest.count; i++)
            bytes += manifest.items[i].kind == 'f' ? manifest.items[i].size : 0;
    }
    free(manifest.items);
    return bytes;
}

int context_sync_usage(struct engine *engine, bool remove, int64_t *ret_bytes, size_t *ret_count, struct error *err)
{
    CLEANUP(keeps_release) struct keeps keeps = {0};
    CLEANUP_CLOSE int contexts = build_contexts_open(engine, err);
    int r = contexts < 0 ? contexts : list_keeps(contexts, &keeps, err);
    if (r < 0)
        return r;
    *ret_bytes = 0;
    *ret_count = 0;
    for (size_t i = 0; i < keeps.count; i++) {
        int64_t bytes = manifest_bytes(contexts, keeps.items[i].name);
        if (remove && !discard(engine, contexts, keeps.items[i].name))
            continue;
        *ret_bytes += bytes;
        ++*ret_count;
    }
    return 0;
}
