/*
 * The build cache's records: which result a key has. A key is the SHA-256 of all that the result depends on (key.h); a
 * record names the layer, which stays in the store as long as the record (image/draft.h: layer_use). Rows of the
 * engine's database.
 */
#ifndef DORY_DAEMON_BUILD_CACHE_H
#define DORY_DAEMON_BUILD_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/strv.h"
#include "image/reference.h"

struct engine;
struct db;
struct image_store;

#define CACHE_NONCE_MAX 33

struct cache_row {
    char key[DIGEST_HEX_MAX];
    char
        parent[DIGEST_HEX_MAX]; /* key of the record that it stands on; without one the base image's hex; scratch: "" */
    char *description;
    char *content;                 /* what was copied, for the history: "file:HEX"; NULL */
    char diff_id[DIGEST_TEXT_MAX]; /* "": the step changed no file, or has none */
    int64_t size;
    int64_t created; /* ns */
    /* Tells this result from another one of the same key, which may be different (what a command does is not told by
     * its words): part of the keys of what stands on it. "": the key says what the result is. */
    char nonce[CACHE_NONCE_MAX];
    bool result_only; /* a second key of the same result, or a step without files: neither shown nor counted */
};
struct draft_info;
struct cache_row *cache_row_new(const char *key, const char *parent, const char *description, const char *content);
void cache_row_free(struct cache_row *row); /* NULL is fine */
void cache_row_free_ptr(struct cache_row **row);
#define CLEANUP_CACHE_ROW CLEANUP(cache_row_free_ptr)

int cache_open(struct db *db, struct error *err);
/* *ret NULL: there is none. A record whose layer has gone is none, and is removed. */
int cache_find(struct db *db, const char *key, struct cache_row **ret, struct error *err);
/* Inserts or replaces it. created 0: now. */
int cache_put(struct db *db, const struct cache_row *row, struct error *err);
/* In the same transaction, before: the record names this layer, or none when it is empty, and keeps it. */
int cache_row_use(struct cache_row *row, struct image_store *store, const struct draft_info *info, struct error *err);
/* These were used now. */
int cache_touch(struct db *db, const struct strv *keys, struct error *err);
/* A layer in the compressed form in which it was sent to another cache: "": never. */
struct cache_blob {
    char digest[DIGEST_TEXT_MAX];
    int64_t size;
};
int cache_blob_find(struct db *db, const char *diff_id, struct cache_blob *ret, struct error *err);
int cache_blob_put(struct db *db, const char *diff_id, const struct cache_blob *blob, struct error *err);

/* Keys of records that are not shown and whose parent has gone, record or base image; all: of every one that is not
 * shown. */
int cache_list_followers(struct db *db, bool all, struct strv *ret, struct error *err);
/* Removes the record and what it alone keeps. */
int cache_remove(struct db *db, struct image_store *store, const char *key, struct error *err);

#endif
