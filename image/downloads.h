/*
 * Layers on their way from registries, shared by everybody who wants them. One pull at a time drives a download: it
 * fetches the bytes and writes them. The others wait for it, and when the driver stops (its client has gone, its
 * connection is lost for good), one of them goes on where it stopped, with a connection of its own. A download that
 * nobody waits for any more is kept for a while, half unpacked as it is, so that the next pull has only the rest to
 * fetch. What may be kept is written to a file as it comes, too (downloads/HEX, gone with the last byte): a daemon that
 * starts within the time takes it up from there.
 *
 *     join -> wait -> DOWNLOAD_DRIVE: write... -> finish (or stop)   -> leave
 *                  -> DOWNLOAD_DONE                                  -> leave
 *
 * Private to image/. All functions are for any thread; writing is for the driver.
 */
#ifndef DORY_IMAGE_DOWNLOADS_H
#define DORY_IMAGE_DOWNLOADS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct download;
struct image_store;
struct layer_ingest;

/* Of a store. */
struct downloads {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct download *first;
    int64_t kept_max; /* bytes of finished, unpacked layers that are kept */
};

void downloads_init(struct downloads *downloads);
/* Nobody holds any. */
void downloads_release(struct downloads *downloads);
/* Forgets the kept ones whose time is over, or all that nobody holds. */
void downloads_expire(struct downloads *downloads, bool all);
/* The daemon ends: the files of those that nobody holds stay for the next one. */
void downloads_suspend(struct downloads *downloads);
/* When the time of the next kept one is over (monotonic ns); 0: there are none. */
int64_t downloads_next_expiry(struct downloads *downloads);

/* The download of the bytes with this digest; a new one when there is none. spool: they are written to a file, too. */
struct download *download_join(struct image_store *store, const char *digest, bool spool);

enum download_turn { DOWNLOAD_DONE, DOWNLOAD_DRIVE };
/*
 * Waits until it is finished, or until it is the caller's to drive. `poll` is called about ten times a second with the
 * bytes that are there; true ends the waiting with ERROR_CANCELLED.
 */
int download_wait(struct download *download, bool (*poll)(int64_t received, void *data), void *data,
                  enum download_turn *ret, struct error *err);

/* The driver's first act: what a former daemon has left is unpacked again. After a failure it is forgotten. */
int download_replay(struct download *download, struct error *err);
/* Bytes that were written so far: where to go on. */
int64_t download_received(const struct download *download);
int download_write(struct download *download, const void *data, size_t size, struct error *err);
/* The driver has everything: verifies it. After a failure it still drives, and begins anew or stops. */
int download_finish(struct download *download, struct error *err);
/* The driver forgets what is there. */
void download_begin_anew(struct download *download);
/* The driver gives up. keep: what is there is good as far as it goes. */
void download_stop(struct download *download, bool keep);
/* Of a finished one; stays the download's (image_commit takes the directory). */
struct layer_ingest *download_ingest(const struct download *download);
/* The caller has no more to do with it. keep_seconds: how long others may still take it up when nobody else holds it.
 */
void download_leave(struct download *download, int64_t keep_seconds);

#endif
