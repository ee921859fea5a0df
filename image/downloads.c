#include "image/downloads.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/condition.h"
#include "base/directory.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/timestamp.h"
#include "image/digest.h"
#include "image/reference.h"
#include "image/store.h"

#define POLL_NS (100 * INT64_C(1000000))
/* Each of them has two threads that wait and up to 2 MB of buffers. */
#define KEPT_UNFINISHED_MAX 4
#define KEPT_BYTES_MAX (INT64_C(4) << 30)
#define PIECE ((size_t)256 * 1024)

struct download {
    struct download *next;
    struct image_store *store;
    char digest[DIGEST_TEXT_MAX];
    _Atomic int64_t received;
    struct layer_ingest *ingest; /* the driver's; NULL before the first byte and after wrong ones */
    int spool_fd;                /* the driver's: all that was received, in the same order; -1: it is not kept */
    int64_t stored;              /* bytes of it that were not unpacked yet; 0 behind download_replay() */
    /* Under the lock: */
    size_t holders;
    bool driven, finished;
    int64_t expires; /* when nobody holds it */
};

void downloads_init(struct downloads *downloads)
{
    pthread_cond_init(&downloads->changed, NULL);
    pthread_mutex_init(&downloads->lock, NULL);
    downloads->kept_max = KEPT_BYTES_MAX;
}

/* ---- The file ---- */

static void spool_open(struct download *download)
{
    download->spool_fd = openat(download->store->downloads_fd, digest_hex(download->digest),
                                O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (download->spool_fd < 0)
        log_warn("downloads/%s: %s", digest_hex(download->digest), strerror(errno));
}

/* The next daemon is not to take it up. */
static void spool_remove(struct download *download)
{
    if (download->spool_fd >= 0)
        (void)unlinkat(download->store->downloads_fd, digest_hex(download->digest), 0);
    download->spool_fd = fd_close(download->spool_fd);
    download->stored = 0;
}

/* It only saves time: where it cannot be written there is none. */
static void spool_write(struct download *download, const void *data, size_t size)
{
    int r = download->spool_fd >= 0 ? fd_write_all(download->spool_fd, data, size) : 0;
    if (r < 0)
        spool_remove(download);
}

/* Nobody can find it any more. */
static void download_free(struct download *download)
{
    char diff_id[DIGEST_TEXT_MAX] = "";
    if (download->finished)
        memcpy(diff_id, layer_ingest_info(download->ingest)->diff_id, sizeof(diff_id));
    layer_ingest_free(download->ingest);
    spool_remove(download);
    if (diff_id[0])
        image_layer_unpin(download->store, diff_id);
    free(download);
}

int64_t downloads_next_expiry(struct downloads *downloads)
{
    int64_t next = 0;
    pthread_mutex_lock(&downloads->lock);
    for (const struct download *d = downloads->first; d; d = d->next)
        if (d->holders == 0 && (next == 0 || d->expires < next))
            next = d->expires;
    pthread_mutex_unlock(&downloads->lock);
    return next;
}

void downloads_expire(struct downloads *downloads, bool all)
{
    struct download *gone = NULL;
    int64_t now = timestamp_monotonic();
    pthread_mutex_lock(&downloads->lock);
    for (struct download **link = &downloads->first; *link;) {
        struct download *download = *link;
        if (download->holders == 0 && (all || download->expires <= now)) {
            *link = download->next;
            download->next = gone;
            gone = download;
            continue;
        }
        link = &download->next;
    }
    pthread_mutex_unlock(&downloads->lock);
    while (gone) {
        struct download *download = gone;
        gone = download->next;
        download_free(download);
    }
}

void image_forget_downloads(struct image_store *store)
{
    downloads_expire(&store->downloads, true);
}

void downloads_suspend(struct downloads *downloads)
{
    pthread_mutex_lock(&downloads->lock);
    for (struct download *d = downloads->first; d; d = d->next)
        if (d->holders == 0)
            d->spool_fd = fd_close(d->spool_fd);
    pthread_mutex_unlock(&downloads->lock);
}

static struct download *new_download(struct image_store *store, const char *digest)
{
    struct download *download = xcalloc(1, sizeof(*download));
    download->store = store;
    download->spool_fd = -1;
    snprintf(download->digest, sizeof(download->digest), "%s", digest);
    download->next = store->downloads.first;
    store->downloads.first = download;
    return download;
}

/* Before anybody asks for it. */
static void restore(struct image_store *store, const char *name, int64_t keep_seconds)
{
    CLEANUP_FREE char *digest = xasprintf("sha256:%s", name);
    CLEANUP_CLOSE int fd = openat(store->downloads_fd, name, O_RDWR | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    int64_t age = fd >= 0 && fstat(fd, &st) == 0 ? time(NULL) - st.st_mtim.tv_sec : INT64_MAX;
    if (age < 0 || age >= keep_seconds || st.st_size == 0 || !digest_is_valid(digest)) {
        (void)unlinkat(store->downloads_fd, name, 0);
        return;
    }
    struct download *download = new_download(store, digest);
    download->stored = st.st_size;
    download->spool_fd = TAKE_FD(fd);
    download->expires = timestamp_monotonic() + (keep_seconds - age) * 1000000000;
}

void image_restore_downloads(struct image_store *store, int64_t keep_seconds)
{
    CLEANUP_DIRECTORY DIR *dir = NULL;
    const char *name;
    int r = directory_open(store->downloads_fd, ".", &dir);
    while (r >= 0 && (r = directory_next(dir, &name)) > 0)
        restore(store, name, keep_seconds);
    if (r < 0)
        log_warn("downloads: %s", strerror(-r));
    store_expire_later(store);
}

void downloads_release(struct downloads *downloads)
{
    downloads_expire(downloads, true);
    pthread_cond_destroy(&downloads->changed);
    pthread_mutex_destroy(&downloads->lock);
}

struct download *download_join(struct image_store *store, const char *digest, bool spool)
{
    struct downloads *downloads = &store->downloads;
    pthread_mutex_lock(&downloads->lock);
    struct download *download = downloads->first;
    while (download && strcmp(download->digest, digest) != 0)
        download = download->next;
    if (!download) {
        download = new_download(store, digest);
        if (spool)
            spool_open(download);
    }
    download->holders++;
    pthread_mutex_unlock(&downloads->lock);
    return download;
}

/* Lock held; for a tenth of a second at most. */
static void wait_a_little(struct downloads *downloads)
{
    condition_wait_until(&downloads->changed, &downloads->lock, timestamp_monotonic() + POLL_NS);
}

int download_wait(struct download *download, bool (*poll)(int64_t received, void *data), void *data,
                  enum download_turn *ret, struct error *err)
{
    struct downloads *downloads = &download->store->downloads;
    bool cancelled = false;
    pthread_mutex_lock(&downloads->lock);
    while (!cancelled && download->driven) {
        wait_a_little(downloads);
        pthread_mutex_unlock(&downloads->lock);
        cancelled = poll(download->received, data);
        pthread_mutex_lock(&downloads->lock);
    }
    if (!cancelled) {
        *ret = download->finished ? DOWNLOAD_DONE : DOWNLOAD_DRIVE;
        download->driven = !download->finished;
    }
    pthread_mutex_unlock(&downloads->lock);
    return cancelled ? error_set(err, ERROR_CANCELLED, ECANCELED, "context canceled") : 0;
}

int64_t download_received(const struct download *download)
{
    return download->received;
}

/* To the stages of the unpacking. */
static int ingest_bytes(struct download *download, const void *data, size_t size, struct error *err)
{
    int rc = 0;
    if (!download->ingest)
        rc = layer_ingest_open(download->store, download->digest, &download->ingest, err);
    if (rc == 0)
        rc = layer_ingest_write(download->ingest, data, size, err);
    if (rc == 0)
        download->received += (int64_t)size;
    return rc;
}

int download_write(struct download *download, const void *data, size_t size, struct error *err)
{
    int rc = ingest_bytes(download, data, size, err);
    if (rc == 0)
        spool_write(download, data, size);
    return rc;
}

int download_replay(struct download *download, struct error *err)
{
    CLEANUP_FREE char *piece = NULL;
    int rc = 0;
    if (download->stored == 0)
        return 0;
    piece = xmalloc(PIECE);
    while (rc == 0 && download->received < download->stored) {
        ssize_t n = pread(download->spool_fd, piece, PIECE, download->received);
        if (n > 0)
            rc = ingest_bytes(download, piece, (size_t)n, err);
        else if (n == 0 || errno != EINTR)
            rc = error_errno(err, n == 0 ? EIO : errno, "downloads/%s", digest_hex(download->digest));
    }
    download->stored = 0;
    if (rc < 0)
        download_begin_anew(download);
    return rc;
}

/* The driver's last act. */
static void hand_over(struct download *download, bool finished)
{
    struct downloads *downloads = &download->store->downloads;
    pthread_mutex_lock(&downloads->lock);
    download->finished = finished;
    download->driven = false;
    pthread_cond_broadcast(&downloads->changed);
    pthread_mutex_unlock(&downloads->lock);
}

void download_begin_anew(struct download *download)
{
    layer_ingest_free(TAKE_PTR(download->ingest));
    download->received = 0;
    download->stored = 0;
    if (download->spool_fd >= 0 && ftruncate(download->spool_fd, 0) < 0)
        spool_remove(download);
}

void download_stop(struct download *download, bool keep)
{
    if (!keep)
        download_begin_anew(download);
    hand_over(download, false);
}

int download_finish(struct download *download, struct error *err)
{
    int rc = 0;
    if (!download->ingest) /* not a single byte */
        rc = layer_ingest_open(download->store, download->digest, &download->ingest, err);
    if (rc == 0)
        rc = layer_ingest_finish(download->ingest, err);
    if (rc < 0)
        return rc;
    spool_remove(download);
    /* Whoever commits first brings the layer; the others find it then, whatever becomes of the first one's image. */
    store_pin_unseen(download->store, layer_ingest_info(download->ingest)->diff_id);
    hand_over(download, true);
    return 0;
}

struct layer_ingest *download_ingest(const struct download *download)
{
    return download->ingest;
}

static int64_t unpacked_size(const struct download *download)
{
    return download->finished ? layer_ingest_info(download->ingest)->size : 0;
}

/* Lock held. */
static bool may_be_kept(const struct downloads *downloads, const struct download *download)
{
    size_t unfinished = 0;
    int64_t bytes = unpacked_size(download);
    for (const struct download *d = downloads->first; d; d = d->next) {
        if (d->holders > 0 || d == download)
            continue;
        unfinished += !d->finished;
        bytes += unpacked_size(d);
    }
    return (download->ingest || download->stored > 0) &&
           (download->finished ? bytes <= downloads->kept_max : unfinished < KEPT_UNFINISHED_MAX);
}

void download_leave(struct download *download, int64_t keep_seconds)
{
    struct image_store *store = download->store;
    struct downloads *downloads = &store->downloads;
    pthread_mutex_lock(&downloads->lock);
    download->holders--;
    bool last = download->holders == 0;
    bool keep = last && keep_seconds > 0 && may_be_kept(downloads, download);
    if (keep)
        download->expires = timestamp_monotonic() + keep_seconds * 1000000000;
    for (struct download **link = &downloads->first; last && !keep && *link; link = &(*link)->next) {
        if (*link == download) {
            *link = download->next;
            break;
        }
    }
    pthread_mutex_unlock(&downloads->lock);
    if (keep)
        store_expire_later(store);
    else if (last)
        download_free(download);
}
