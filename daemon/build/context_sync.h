/*
 * Contexts that are kept between builds of the same directory (build-contexts/keep-KEY), so that only what has changed
 * travels. The client sends a manifest (api/client_session.h says how an entry looks); what it lists in the same words
 * as the last time is here already. A kept context is locked while a build reads it; a client that comes meanwhile with
 * other files gets a directory of its own.
 */
#ifndef DORY_DAEMON_BUILD_CONTEXT_SYNC_H
#define DORY_DAEMON_BUILD_CONTEXT_SYNC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"

struct engine;
struct context_sync;

#define CONTEXT_MANIFEST_MAX ((size_t)256 << 20)
#define CONTEXT_ENTRIES_MAX ((size_t)2000000)
/* Kept contexts beyond these go, the longest unused first. */
#define CONTEXTS_KEPT 64

/* One entry of a manifest; the strings point into it. */
struct context_entry {
    char kind; /* f d l p c b */
    unsigned mode;
    int64_t size;  /* device number of c and b */
    int64_t mtime; /* ns */
    const char *head, *path, *extra;
};
struct context_manifest {
    struct context_entry *items;
    size_t count;
};
/* Cuts the text, which must outlive it, into entries. Pure and bounded; what is malformed, not in order, not beneath a
 * directory that is listed, or climbs out is ERROR_INVALID. Released with free(items). */
int context_manifest_parse(const char *text, size_t size, struct context_manifest *ret, struct error *err);
/* Negative, 0 or positive: the order of entries. */
int context_path_compare(const struct context_entry *a, const struct context_entry *b);

/*
 * key: 64 hex digits that name client and directory. Takes the manifest over. Afterwards *ret_needed (the caller frees)
 * holds the numbers of the files whose contents have to be brought, in order.
 */
int context_sync_open(struct engine *engine, const char *key, struct strbuf *manifest, struct context_sync **ret,
                      uint32_t **ret_needed, size_t *ret_count, struct error *err);
/* So many files may come at the same time. */
#define CONTEXT_OPEN_MAX 32
/* Contents of file number `index`, in pieces. */
int context_sync_data(struct context_sync *sync, uint32_t index, const void *data, size_t size, struct error *err);
/* The end of it. gone: it could not be read any more, and is left out. */
int context_sync_end(struct context_sync *sync, uint32_t index, bool gone, struct error *err);
/* All is there. *ret_fd is the directory: the sync's, unchanged as long as it lives. */
int context_sync_finish(struct context_sync *sync, int *ret_fd, struct error *err);
/* NULL is fine. An unfinished one is thrown away. */
void context_sync_free(struct context_sync *sync);
void context_sync_free_ptr(struct context_sync **sync);
#define CLEANUP_CONTEXT_SYNC CLEANUP(context_sync_free_ptr)

/* Bytes and number of the contexts that no build reads; with `remove` they are deleted. */
int context_sync_usage(struct engine *engine, bool remove, int64_t *ret_bytes, size_t *ret_count, struct error *err);

#endif
