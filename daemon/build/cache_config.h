/*
 * What a build cache that is kept elsewhere has, as the blob application/vnd.buildkit.cacheconfig.v0 says it
 * (github.com/moby/buildkit, cache/remotecache/v1): "layers", blobs with the place of the one beneath (-1: none), and
 * "records", each with a digest (the key) and "layers", its results. What our records are besides stands in a member
 * "dory" of each, which BuildKit passes over; records without it are another builder's, whose keys are made of other
 * things than ours, and are of no use here. The size is the layer's own to say: rows that were read have none.
 *
 * Pure and bounded.
 */
#ifndef DORY_DAEMON_BUILD_CACHE_CONFIG_H
#define DORY_DAEMON_BUILD_CACHE_CONFIG_H

#include "base/strbuf.h"
#include "daemon/build/cache.h"

#define CACHE_CONFIG_TYPE "application/vnd.buildkit.cacheconfig.v0"
#define CACHE_CONFIG_SIZE_MAX ((size_t)16 << 20)
#define CACHE_CONFIG_RECORDS_MAX 100000

struct cache_config_record {
    struct cache_row *row;
    char blob[DIGEST_TEXT_MAX]; /* of row->diff_id, compressed; "": the result has no files */
};
struct cache_config {
    struct cache_config_record *records;
    size_t count, capacity;
    size_t foreign; /* records of others, when it was parsed */
};
/* Takes the row. */
void cache_config_add(struct cache_config *config, struct cache_row *row, const char *blob);
void cache_config_release(struct cache_config *config);
#define CLEANUP_CACHE_CONFIG CLEANUP(cache_config_release)

void cache_config_write(const struct cache_config *config, struct strbuf *out);
/* Adds to ret, which is released in every case. */
int cache_config_parse(const char *text, size_t size, struct cache_config *ret, struct error *err);

#endif
