#include "cmd/dory/build_manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/directory.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/strv.h"
#include "base/timestamp.h"

#define DEPTH_MAX 500
/* A change within this time of another may leave the same times behind. */
#define RACY_NS INT64_C(100000000)
#define CAPABILITY_MAX 64

struct walk {
    const struct build_source *source;
    struct build_manifest *out;
    struct strbuf path;
    int64_t now;
    struct strv pending; /* directories that only count if something in them does; their heads follow the path's NUL */
};

void build_manifest_release(struct build_manifest *manifest)
{
    strbuf_release(&manifest->text);
    free(manifest->offsets);
}

static int fail(const struct walk *walk, const char *doing, struct error *err)
{
    int errnum = errno;
    return error_set(err, ERROR_SYSTEM, errnum, "error checking context: %s '%s/%s': %s", doing, walk->source->path,
                     strbuf_str(&walk->path), strerror(errnum));
}

static char kind_of(mode_t mode)
{
    return S_ISREG(mode)    ? 'f'
           : S_ISDIR(mode)  ? 'd'
           : S_ISLNK(mode)  ? 'l'
           : S_ISFIFO(mode) ? 'p'
           : S_ISCHR(mode)  ? 'c'
           : S_ISBLK(mode)  ? 'b'
                            : '\0'; /* sockets do not travel */
}

static int64_t nanoseconds(const struct timespec *time)
{
    return time->tv_sec * INT64_C(1000000000) + time->tv_nsec;
}

/* "KIND MODE SIZE MTIME CTIME INODE". Of directories only what is shown of them counts. */
static char *make_head(const struct walk *walk, const struct stat *st)
{
    char kind = kind_of(st->st_mode);
    bool device = kind == 'c' || kind == 'b', directory = kind == 'd';
    int64_t changed = nanoseconds(&st->st_ctim);
    int64_t inode = (int64_t)(st->st_ino & INT64_MAX);
    if (kind == 'f' && walk->now - changed < RACY_NS)
        inode = -(walk->now & INT64_MAX);
    return xasprintf("%c %o %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64, kind, st->st_mode & 07777,
                     device      ? (int64_t)st->st_rdev
                     : directory ? 0
                                 : (int64_t)st->st_size,
                     nanoseconds(&st->st_mtim), directory ? 0 : changed, directory ? 0 : inode);
}

static void add_entry(struct build_manifest *out, const char *head, const char *path, const char *extra)
{
    xgrow((void **)&out->offsets, out->count, &out->capacity, sizeof(*out->offsets));
    out->offsets[out->count++] = out->text.size;
    strbuf_add(&out->text, head, strlen(head) + 1);
    strbuf_add(&out->text, path, strlen(path) + 1);
    strbuf_add(&out->text, extra, strlen(extra) + 1);
}

/* The directories that lead to what is about to be added. They alternate: path, head. */
static void add_pending(struct walk *walk)
{
    for (size_t i = 0; i + 1 < walk->pending.count; i += 2)
        add_entry(walk->out, walk->pending.items[i + 1], walk->pending.items[i], "");
    strv_clear(&walk->pending);
}

/* A symlink's target, or a file's capabilities in hex. The caller frees; NULL with errno. */
static char *make_extra(int dir_fd, const char *name, const struct stat *st)
{
    if (S_ISLNK(st->st_mode)) {
        char target[PATH_MAX];
        ssize_t n = readlinkat(dir_fd, name, target, sizeof(target) - 1);
        return n < 0 ? NULL : xstrndup(target, (size_t)n);
    }
    /* Only what can be run has any. */
    if (!S_ISREG(st->st_mode) || !(st->st_mode & 0111))
        return xstrdup("");
    CLEANUP_FREE char *path = xasprintf("/proc/self/fd/%d/%s", dir_fd, name);
    unsigned char value[CAPABILITY_MAX];
    ssize_t n = lgetxattr(path, "security.capability", value, sizeof(value));
    CLEANUP_STRBUF struct strbuf hex = STRBUF_INIT;
    for (ssize_t i = 0; i < n; i++)
        strbuf_addf(&hex, "%02x", value[i]);
    return strbuf_take(&hex);
}

static int walk_directory(struct walk *walk, int dir_fd, int depth, struct error *err);

static int walk_into(struct walk *walk, int dir_fd, const char *name, const struct stat *st, enum pack_verdict verdict,
                     int depth, struct error *err)
{
    CLEANUP_FREE char *head = make_head(walk, st);
    if (verdict == PACK_TAKE) {
        add_pending(walk);
        add_entry(walk->out, head, strbuf_str(&walk->path), "");
    } else {
        strv_add(&walk->pending, strbuf_str(&walk->path));
        strv_add(&walk->pending, head);
    }
    size_t pending = walk->pending.count;
    CLEANUP_CLOSE int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : fail(walk, "can't read", err);
    strbuf_addc(&walk->path, '/');
    int r =
        depth >= DEPTH_MAX ? (errno = ELOOP, fail(walk, "can't read", err)) : walk_directory(walk, fd, depth + 1, err);
    if (verdict == PACK_ENTER && walk->pending.count >= pending && pending >= 2) {
        /* Nothing in it counted. */
        strv_remove(&walk->pending, pending - 1);
        strv_remove(&walk->pending, pending - 2);
    }
    return r;
}

static int walk_name(struct walk *walk, int dir_fd, const char *name, int depth, struct error *err)
{
    struct stat st;
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : fail(walk, "can't stat", err);
    enum pack_verdict verdict = build_source_judge(strbuf_str(&walk->path), &st, (void *)walk->source);
    if (verdict == PACK_SKIP || kind_of(st.st_mode) == '\0')
        return 0;
    if (S_ISDIR(st.st_mode))
        return walk_into(walk, dir_fd, name, &st, verdict, depth, err);
    if (verdict == PACK_ENTER)
        return 0;
    CLEANUP_FREE char *head = make_head(walk, &st);
    CLEANUP_FREE char *extra = make_extra(dir_fd, name, &st);
    if (!extra)
        return errno == ENOENT ? 0 : fail(walk, "can't read", err);
    add_pending(walk);
    add_entry(walk->out, head, strbuf_str(&walk->path), extra);
    return 0;
}

static int walk_directory(struct walk *walk, int dir_fd, int depth, struct error *err)
{
    CLEANUP_STRV struct strv names = STRV_INIT;
    size_t size = walk->path.size;
    int r = directory_list(dir_fd, ".", &names);
    if (r < 0) {
        errno = -r;
        return fail(walk, "can't read", err);
    }
    for (size_t i = 0; i < names.count && r == 0; i++) {
        strbuf_adds(&walk->path, names.items[i]);
        r = walk_name(walk, dir_fd, names.items[i], depth, err);
        walk->path.size = size;
        strbuf_terminate(&walk->path);
    }
    return r;
}

int build_manifest_make(const struct build_source *source, struct build_manifest *ret, struct error *err)
{
    struct walk walk = {.source = source, .out = ret, .now = timestamp_now()};
    CLEANUP_CLOSE int fd = openat(source->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 ? fail(&walk, "can't open", err) : walk_directory(&walk, fd, 0, err);
    strbuf_release(&walk.path);
    strv_release(&walk.pending);
    return r;
}

const char *build_manifest_path(const struct build_manifest *manifest, size_t index)
{
    const char *head = manifest->text.data + manifest->offsets[index];
    return head + strlen(head) + 1;
}

int build_manifest_open(const struct build_source *source, const struct build_manifest *manifest, size_t index)
{
    return openat(source->fd, build_manifest_path(manifest, index),
                  O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void build_manifest_key(const struct build_source *source, char ret_key[65])
{
    CLEANUP_FREE char *machine = NULL;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct stat st = {0};
    size_t size;
    fstat(source->fd, &st);
    if (file_read(AT_FDCWD, "/etc/machine-id", 4096, &machine, &size, NULL) == 0)
        strbuf_adds(&text, machine);
    char host[256] = "";
    gethostname(host, sizeof(host) - 1);
    strbuf_addf(&text, "\n%s\n%u\n%" PRIu64 ":%" PRIu64 "\n%s", host, geteuid(), (uint64_t)st.st_dev,
                (uint64_t)st.st_ino, source->path);
    struct digest digest;
    unsigned char raw[DIGEST_SIZE];
    digest_init(&digest);
    digest_update(&digest, text.data, text.size);
    digest_final(&digest, raw);
    digest_to_hex(raw, ret_key);
}
