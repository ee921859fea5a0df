/*
 * The digest of a layer that lies unpacked: one thread packs it, and the caller's hashes what has been packed and reads
 * it as a tar again, to write down the way back (skeleton.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/pack.h"
#include "base/directory.h"
#include "base/fd.h"
#include "image/block_pipe.h"
#include "image/draft.h"
#include "image/skeleton.h"
#include "image/store.h"

struct packing {
    int diff_fd;
    struct block_pipe tar;
    char *block; /* being filled */
    size_t fill;
    struct digest_stream digest;
    size_t taken;
    struct error error; /* of the packing thread */
};

/* ---- The packing thread ---- */

static void publish(struct packing *p)
{
    if (p->fill > 0) {
        block_pipe_publish(&p->tar, p->fill);
        p->block = NULL;
        p->fill = 0;
    }
}

static int on_bytes(void *data, const void *bytes, size_t size, struct error *err)
{
    struct packing *p = data;
    const char *from = bytes;
    while (size > 0) {
        if (p->block == NULL && block_pipe_reserve(&p->tar, &p->block) < 0) {
            return error_set(err, ERROR_CANCELLED, ECANCELED, "cancelled");
        }
        size_t n = BLOCK_PIPE_SIZE - p->fill < size ? BLOCK_PIPE_SIZE - p->fill : size;
        memcpy(p->block + p->fill, from, n);
        p->fill += n;
        from += n;
        size -= n;
        if (p->fill == BLOCK_PIPE_SIZE) {
            publish(p);
        }
    }
    return 0;
}

static int pack_all(struct packing *p, struct error *err)
{
    const struct pack_options options = {.contents_only = true, .overlay = true};
    CLEANUP_TAR_WRITER struct tar_writer *writer = tar_writer_new(on_bytes, p);
    int r = pack_tree(writer, p->diff_fd, &options, err);
    return r < 0 ? r : tar_writer_finish(writer, err);
}

static void *pack_main(void *data)
{
    struct packing *p = data;
    if (pack_all(p, &p->error) < 0) {
        block_pipe_cancel(&p->tar);
    } else {
        publish(p);
        block_pipe_close(&p->tar);
    }
    return NULL;
}

/* ---- The reading one ---- */

static ssize_t tar_source(void *data, const void **ret_data, struct error *err)
{
    struct packing *p = data;
    digest_stream_wait(&p->digest, p->taken);
    ssize_t n = block_pipe_take(&p->tar, ret_data);
    if (n > 0) {
        digest_stream_add(&p->digest, *ret_data, (size_t)n);
        p->taken++;
    }
    return n >= 0 ? n : error_set(err, ERROR_CANCELLED, ECANCELED, "cancelled");
}

/* Contents that were not read but skipped would not be told apart from the tar's own bytes, and be written down whole.
 */
static int read_contents(struct tar_reader *reader, const char *path, struct error *err)
{
    const void *data;
    size_t size;
    int64_t offset;
    int r;
    tar_reader_content_path(reader, path);
    do {
        r = tar_reader_data(reader, &data, &size, &offset, err);
    } while (r > 0);
    return r;
}

static int read_all(struct tar_reader *reader, struct draft_info *info, struct error *err)
{
    const struct tar_entry *entry;
    int r;
    info->empty = true;
    while ((r = tar_reader_next(reader, &entry, err)) > 0) {
        info->empty = false;
        if (entry->type == TAR_FILE && entry->size > 0) {
            info->size += entry->size;
            r = read_contents(reader, entry->path, err);
            if (r < 0) {
                return r;
            }
        }
    }
    return r < 0 ? r : tar_reader_drain(reader, err);
}

static int read_skeleton(struct packing *p, struct skeleton_writer *skeleton, struct draft_info *info,
                         struct error *err)
{
    CLEANUP_TAR_READER struct tar_reader *reader = tar_reader_new(tar_source, p);
    tar_reader_observe(reader, skeleton_writer_observer(skeleton));
    int r = read_all(reader, info, err);
    return r < 0 ? r : skeleton_writer_finish(skeleton, tar_reader_position(reader), err);
}

static int run(struct packing *p, struct skeleton_writer *skeleton, struct draft_info *info, struct error *err)
{
    struct error read_error = {0};
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, DRAFT_STACK);
    int r = pthread_create(&thread, &attributes, pack_main, p);
    pthread_attr_destroy(&attributes);
    if (r != 0) {
        return error_errno(err, r, "start a thread");
    }
    r = read_skeleton(p, skeleton, info, &read_error);
    if (r < 0) {
        block_pipe_cancel(&p->tar);
    }
    pthread_join(thread, NULL);
    if (p->error.kind != ERROR_NONE && p->error.kind != ERROR_CANCELLED) {
        return error_propagate(err, &p->error);
    }
    return r < 0 ? error_propagate(err, &read_error) : 0;
}

static int digest_draft(struct image_store *store, int dir_fd, int diff_fd, struct draft_info *info, struct error *err)
{
    struct packing p = {.diff_fd = diff_fd};
    struct skeleton_writer *skeleton = NULL;
    int r = block_pipe_init(&p.tar);
    if (r < 0) {
        return error_errno(err, r, "buffers of a layer");
    }
    digest_stream_open(&p.digest, &store->digests);
    r = skeleton_writer_open(dir_fd, &skeleton, err);
    if (r == 0) {
        r = run(&p, skeleton, info, err);
    }
    if (r == 0) {
        digest_stream_final_text(&p.digest, info->diff_id);
    }
    skeleton_writer_free(skeleton);
    digest_stream_close(&p.digest);
    block_pipe_release(&p.tar);
    return r;
}

/* ---- Times ---- */

static int limit_time(int dir_fd, const char *name, const struct stat *st, int64_t not_after, struct error *err)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = not_after}};
    bool late = st->st_mtim.tv_sec > not_after || (st->st_mtim.tv_sec == not_after && st->st_mtim.tv_nsec > 0);
    return late && utimensat(dir_fd, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? error_errno(err, errno, "time of %s", name)
                                                                           : 0;
}

static int limit_times(int dir_fd, const char *name, int64_t not_after, unsigned depth, struct error *err)
{
    CLEANUP_DIRECTORY DIR *dir = NULL;
    const char *entry;
    int r = depth > PACK_DEPTH_MAX ? -ELOOP : directory_open(dir_fd, name, &dir);
    if (r < 0) {
        return error_errno(err, r, "open %s", name);
    }
    while ((r = directory_next(dir, &entry)) > 0) {
        struct stat st;
        if (fstatat(dirfd(dir), entry, &st, AT_SYMLINK_NOFOLLOW) < 0) {
            return error_errno(err, errno, "stat %s", entry);
        }
        r = S_ISDIR(st.st_mode) ? limit_times(dirfd(dir), entry, not_after, depth + 1, err) : 0;
        if (r == 0) {
            r = limit_time(dirfd(dir), entry, &st, not_after, err);
        }
        if (r < 0) {
            return r;
        }
    }
    return r < 0 ? error_errno(err, r, "read a directory of the layer") : 0;
}

int image_draft_digest(struct image_store *store, const char *id, const int64_t *not_after, struct draft_info *ret,
                       struct error *err)
{
    struct draft_info info = {0};
    int CLEANUP_CLOSE dir = openat(store->overlay_fd, id, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int CLEANUP_CLOSE diff = dir < 0 ? -1 : openat(dir, "diff", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (diff < 0) {
        return error_errno(err, errno, "overlay/%s/diff", id);
    }
    if (not_after != NULL) {
        int r = limit_times(diff, ".", *not_after, 0, err);
        if (r < 0) {
            return r;
        }
    }
    int r = digest_draft(store, dir, diff, &info, err);
    if (r == 0) {
        *ret = info;
    }
    return r;
}
