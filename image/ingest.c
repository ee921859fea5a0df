#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "archive/tar.h"
#include "archive/unpack.h"
#include "base/beneath.h"
#include "base/fd.h"
#include "base/memory.h"
#include "image/block_pipe.h"
#include "image/digest.h"
#include "image/inflate.h"
#include "image/layer.h"
#include "image/skeleton.h"
#include "image/store.h"

/*
 * caller -> `stream` pipe -> inflater -> `tar` pipe -> unpacker.
 * Each block is given to its digest when it is published and goes back to its pipe only when that has seen it, too: the
 * digests of all layers that are under way are computed together (image/digest.h). A tar that came as it is (from
 * commit, from an archive) is hashed as the stream alone: it is the same bytes. The first failure of any stage is kept
 * and cancels both pipes, which ends the others.
 */
struct layer_ingest {
    struct image_store *store;
    char expected[DIGEST_TEXT_MAX]; /* "" when nothing is claimed */
    char name[STORE_ID_SIZE + 1];   /* below tmp/; "" once taken over */
    int dir_fd;                     /* tmp/NAME/diff */
    struct layer_info info;
    struct unpack_result unpacked;
    struct skeleton_writer *skeleton;

    struct block_pipe stream, tar;
    char *stream_block; /* being filled by the caller */
    size_t stream_fill;
    char *tar_block; /* being filled by the inflater */
    size_t tar_fill;
    struct inflate *inflate; /* the inflater's */
    bool plain;              /* the stream is the tar; set before the first block of it is published */
    struct digest_stream stream_digest, tar_digest;
    size_t tar_taken; /* blocks that the unpacker took */

    pthread_t inflater, unpacker;
    bool inflater_started, unpacker_started;
    pthread_mutex_t lock;
    struct error error;
    _Atomic int64_t consumed;
    bool finished;
};

/* Keeps the first failure and stops the other stages. Stages that end because of that have nothing to say. */
static void ingest_fail(struct layer_ingest *ingest, const struct error *error)
{
    pthread_mutex_lock(&ingest->lock);
    if (ingest->error.kind == ERROR_NONE) {
        ingest->error = *error;
    }
    pthread_mutex_unlock(&ingest->lock);
    block_pipe_cancel(&ingest->stream);
    block_pipe_cancel(&ingest->tar);
}

static int ingest_error(struct layer_ingest *ingest, struct error *err)
{
    pthread_mutex_lock(&ingest->lock);
    int r = ingest->error.kind != ERROR_NONE ? error_propagate(err, &ingest->error)
                                             : error_set(err, ERROR_CANCELLED, ECANCELED, "layer was abandoned");
    pthread_mutex_unlock(&ingest->lock);
    return r;
}

/* ---- Inflating ---- */

static int tar_reserve(void *data, char **ret_room, size_t *ret_size, struct error *err)
{
    struct layer_ingest *ingest = data;
    if (ingest->tar_block == NULL && block_pipe_reserve(&ingest->tar, &ingest->tar_block) < 0) {
        return error_set(err, ERROR_CANCELLED, ECANCELED, "cancelled");
    }
    *ret_room = ingest->tar_block + ingest->tar_fill;
    *ret_size = BLOCK_PIPE_SIZE - ingest->tar_fill;
    return 0;
}

static void tar_publish(struct layer_ingest *ingest)
{
    if (ingest->tar_fill > 0) {
        if (!ingest->plain) {
            digest_stream_add(&ingest->tar_digest, ingest->tar_block, ingest->tar_fill);
        }
        block_pipe_publish(&ingest->tar, ingest->tar_fill);
        ingest->tar_block = NULL;
        ingest->tar_fill = 0;
    }
}

static int tar_commit(void *data, size_t size, struct error *err)
{
    struct layer_ingest *ingest = data;
    int64_t max = ingest->store->limits.layer_bytes;
    if ((int64_t)size > max - ingest->info.tar_size) {
        return error_set(err, ERROR_INVALID, EFBIG,
                         "the layer unpacks to more than %" PRId64 " bytes (max-layer-size in daemon.json)", max);
    }
    if (ingest->info.tar_size == 0) {
        ingest->plain = inflate_is_plain(ingest->inflate);
    }
    ingest->info.tar_size += (int64_t)size;
    ingest->tar_fill += size;
    if (ingest->tar_fill == BLOCK_PIPE_SIZE) {
        tar_publish(ingest);
    }
    return 0;
}

static int inflate_all(struct layer_ingest *ingest, struct error *err)
{
    const void *block;
    size_t taken = 0;
    ssize_t n;
    while ((n = block_pipe_take(&ingest->stream, &block)) > 0) {
        int r = inflate_write(ingest->inflate, block, (size_t)n, err);
        if (r < 0) {
            return r;
        }
        ingest->consumed += n;
        digest_stream_wait(&ingest->stream_digest, ++taken);
    }
    if (n < 0) {
        return error_set(err, ERROR_CANCELLED, ECANCELED, "cancelled");
    }
    int r = inflate_finish(ingest->inflate, err);
    if (r == 0) {
        tar_publish(ingest);
        block_pipe_close(&ingest->tar);
    }
    return r;
}

static void *inflater_main(void *data)
{
    struct layer_ingest *ingest = data;
    struct inflate_sink sink = {.reserve = tar_reserve, .commit = tar_commit, .data = ingest};
    struct error error = {0};
    ingest->inflate = inflate_new(&sink);
    if (inflate_all(ingest, &error) < 0) {
        ingest_fail(ingest, &error);
    }
    inflate_free(TAKE_PTR(ingest->inflate));
    return NULL;
}

/* ---- Unpacking ---- */

static ssize_t tar_source(void *data, const void **ret_data, struct error *err)
{
    struct layer_ingest *ingest = data;
    if (ingest->tar_taken > 0 && !ingest->plain) {
        digest_stream_wait(&ingest->tar_digest, ingest->tar_taken);
    }
    ssize_t n = block_pipe_take(&ingest->tar, ret_data);
    ingest->tar_taken += n > 0;
    return n >= 0 ? n : error_set(err, ERROR_CANCELLED, ECANCELED, "cancelled");
}

static int unpack_all(struct layer_ingest *ingest, struct tar_reader *reader, struct error *err)
{
    /* This thread alone gets its own umask (and working directory), so that modes come out as the archive has them. */
    if (unshare(CLONE_FS) < 0) {
        return error_errno(err, errno, "unshare");
    }
    umask(0);
    int r = unpack_layer(reader, ingest->dir_fd, ingest->store->limits.layer_entries, &ingest->unpacked, err);
    return r < 0 ? r : tar_reader_drain(reader, err); /* padding behind the end marker belongs to the digest */
}

/* The way back to the tar. There is none when an entry took another one's place: docker refuses such layers; here they
 * can be used, but not saved or pushed. */
static int finish_skeleton(struct layer_ingest *ingest, int64_t tar_size, struct error *err)
{
    if (!ingest->unpacked.replaced) {
        return skeleton_writer_finish(ingest->skeleton, tar_size, err);
    }
    CLEANUP_FREE char *path = xasprintf("%s/" SKELETON_NAME, ingest->name);
    return unlinkat(ingest->store->tmp_fd, path, 0) < 0 ? error_errno(err, errno, "unlink tmp/%s", path) : 0;
}

static void *unpacker_main(void *data)
{
    struct layer_ingest *ingest = data;
    struct tar_reader *reader = tar_reader_new(tar_source, ingest);
    struct error error = {0};
    tar_reader_observe(reader, skeleton_writer_observer(ingest->skeleton));
    if (unpack_all(ingest, reader, &error) < 0 || finish_skeleton(ingest, tar_reader_position(reader), &error) < 0) {
        ingest_fail(ingest, &error);
    }
    tar_reader_free(reader);
    return NULL;
}

/* ---- The caller's side ---- */

static int start_thread(pthread_t *thread, bool *ret_started, void *(*run)(void *), void *data, struct error *err)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STORE_STACK);
    int r = pthread_create(thread, &attributes, run, data);
    pthread_attr_destroy(&attributes);
    *ret_started = r == 0;
    return r == 0 ? 0 : error_errno(err, r, "start a thread");
}

static int ingest_make_directory(struct layer_ingest *ingest, struct error *err)
{
    int CLEANUP_CLOSE tmp = store_make_tmp(ingest->store, ingest->name, err);
    if (tmp < 0) {
        return tmp;
    }
    if (mkdirat(tmp, "diff", 0755) < 0 || fchmodat(tmp, "diff", 0755, 0) < 0) {
        return error_errno(err, errno, "mkdir tmp/%s/diff", ingest->name);
    }
    ingest->dir_fd = openat(tmp, "diff", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return ingest->dir_fd < 0 ? error_errno(err, errno, "open tmp/%s/diff", ingest->name)
                              : skeleton_writer_open(tmp, &ingest->skeleton, err);
}

static int ingest_start(struct layer_ingest *ingest, struct error *err)
{
    int r = block_pipe_init(&ingest->stream);
    if (r == 0) {
        r = block_pipe_init(&ingest->tar);
    }
    if (r < 0) {
        return error_errno(err, r, "buffers of a layer");
    }
    r = ingest_make_directory(ingest, err);
    if (r == 0) {
        r = start_thread(&ingest->inflater, &ingest->inflater_started, inflater_main, ingest, err);
    }
    if (r == 0) {
        r = start_thread(&ingest->unpacker, &ingest->unpacker_started, unpacker_main, ingest, err);
    }
    return r;
}

int layer_ingest_open(struct image_store *store, const char *digest, struct layer_ingest **ret, struct error *err)
{
    if (digest != NULL && !digest_is_valid(digest)) {
        return error_set(err, ERROR_INVALID, EINVAL, "invalid checksum digest format");
    }
    struct layer_ingest *ingest = xcalloc(1, sizeof(*ingest));
    ingest->store = store;
    ingest->dir_fd = -1;
    snprintf(ingest->expected, sizeof(ingest->expected), "%s", digest != NULL ? digest : "");
    pthread_mutex_init(&ingest->lock, NULL);
    digest_stream_open(&ingest->stream_digest, &store->digests);
    digest_stream_open(&ingest->tar_digest, &store->digests);
    int r = ingest_start(ingest, err);
    if (r < 0) {
        layer_ingest_free(ingest);
        return r;
    }
    *ret = ingest;
    return 0;
}

/*
 * After a failure of a later stage. Contents that make no sense are most often not the contents that were asked for,
 * and then the digest is what to report: so the rest is hashed and thrown away. Anything else (disk full) ends it here.
 */
static int ingest_write_failed(struct layer_ingest *ingest, const void *data, size_t size, struct error *err)
{
    struct error error = {0};
    int r = ingest_error(ingest, &error);
    bool bomb = error.errnum == EFBIG || error.errnum == E2BIG; /* not worth another byte */
    if (ingest->expected[0] != 0 && error.kind == ERROR_INVALID && !bomb) {
        digest_stream_update(&ingest->stream_digest, data, size);
        return 0;
    }
    error_propagate(err, &error);
    return r;
}

static void stream_publish(struct layer_ingest *ingest)
{
    if (ingest->stream_fill > 0) {
        digest_stream_add(&ingest->stream_digest, ingest->stream_block, ingest->stream_fill);
        block_pipe_publish(&ingest->stream, ingest->stream_fill);
        ingest->stream_block = NULL;
        ingest->stream_fill = 0;
    }
}

int layer_ingest_write(struct layer_ingest *ingest, const void *data, size_t size, struct error *err)
{
    const char *p = data;
    ingest->info.stream_size += (int64_t)size;
    while (size > 0) {
        if (ingest->stream_block == NULL && block_pipe_reserve(&ingest->stream, &ingest->stream_block) < 0) {
            return ingest_write_failed(ingest, p, size, err);
        }
        size_t room = BLOCK_PIPE_SIZE - ingest->stream_fill;
        size_t n = size < room ? size : room;
        memcpy(ingest->stream_block + ingest->stream_fill, p, n);
        ingest->stream_fill += n;
        p += n;
        size -= n;
        if (ingest->stream_fill == BLOCK_PIPE_SIZE) {
            stream_publish(ingest);
        }
    }
    return 0;
}

static void ingest_join(struct layer_ingest *ingest)
{
    if (ingest->inflater_started) {
        pthread_join(ingest->inflater, NULL);
        ingest->inflater_started = false;
    }
    if (ingest->unpacker_started) {
        pthread_join(ingest->unpacker, NULL);
        ingest->unpacker_started = false;
    }
}

/* Buffers are of no use after the last byte, while the layer may wait long for the others of its image. */
static void ingest_release_buffers(struct layer_ingest *ingest)
{
    digest_stream_close(&ingest->stream_digest);
    digest_stream_close(&ingest->tar_digest);
    block_pipe_release(&ingest->stream);
    block_pipe_release(&ingest->tar);
    ingest->dir_fd = fd_close(ingest->dir_fd);
    skeleton_writer_free(TAKE_PTR(ingest->skeleton));
}

int layer_ingest_finish(struct layer_ingest *ingest, struct error *err)
{
    stream_publish(ingest);
    digest_stream_final_text(&ingest->stream_digest, ingest->info.digest);
    /* Bytes that are not what was asked for are wrong for that reason, whatever else they are. */
    bool wrong = ingest->expected[0] != 0 && strcmp(ingest->expected, ingest->info.digest) != 0;
    if (wrong) {
        block_pipe_cancel(&ingest->stream);
        block_pipe_cancel(&ingest->tar);
    } else {
        block_pipe_close(&ingest->stream);
    }
    ingest_join(ingest);
    if (wrong) {
        return error_set(err, ERROR_INVALID, EINVAL, "filesystem layer verification failed for digest %s",
                         ingest->expected);
    }
    if (ingest->error.kind != ERROR_NONE) {
        return ingest_error(ingest, err);
    }
    if (ingest->plain) {
        memcpy(ingest->info.diff_id, ingest->info.digest, sizeof(ingest->info.diff_id));
    } else {
        digest_stream_final_text(&ingest->tar_digest, ingest->info.diff_id);
    }
    ingest->info.size = ingest->unpacked.size;
    ingest_release_buffers(ingest);
    ingest->finished = true;
    return 0;
}

void layer_ingest_free(struct layer_ingest *ingest)
{
    if (ingest == NULL) {
        return;
    }
    if (ingest->stream.memory != NULL && ingest->tar.memory != NULL) {
        block_pipe_cancel(&ingest->stream);
        block_pipe_cancel(&ingest->tar);
    }
    ingest_join(ingest);
    ingest_release_buffers(ingest);
    if (ingest->name[0] != 0) {
        store_trash_tmp(ingest->store, ingest->name);
    }
    pthread_mutex_destroy(&ingest->lock);
    free(ingest);
    /* The daemon is idle most of its life: what the threads' arenas keep goes back to the kernel. */
    malloc_trim(0);
}

void layer_ingest_free_ptr(struct layer_ingest **ingest)
{
    layer_ingest_free(*ingest);
    *ingest = NULL;
}

int64_t layer_ingest_consumed(struct layer_ingest *ingest)
{
    return ingest->consumed;
}

const struct layer_info *layer_ingest_info(const struct layer_ingest *ingest)
{
    return &ingest->info;
}

void layer_ingest_take(struct layer_ingest *ingest, char name[STORE_ID_SIZE + 1], bool *ret_opaque_root)
{
    memcpy(name, ingest->name, sizeof(ingest->name));
    *ret_opaque_root = ingest->unpacked.opaque_root;
    ingest->name[0] = 0;
}

void layer_ingest_give_back(struct layer_ingest *ingest, const char *name)
{
    snprintf(ingest->name, sizeof(ingest->name), "%s", name);
}
