#include "daemon/build/content.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "archive/pack.h"
#include "base/beneath.h"
#include "base/directory.h"
#include "base/fd.h"
#include "base/strbuf.h"
#include "daemon/build/key.h"

#define READ_SIZE (256 * 1024)
#define XATTRS_MAX (64 * 1024)
#define NOTE_NAME "trusted.dory.content"

struct walk {
    const struct content_options *options;
    struct key key;
    char *buffer;
    struct strbuf path; /* relative to the top, for excludes and messages */
};

/* ---- Contents of a file ---- */

/* A digest that was computed before, and of what. Whoever changes a file changes its time or its size. */
struct note {
    int64_t seconds, nanoseconds, size;
    uint64_t inode;
    unsigned char digest[DIGEST_SIZE];
};

bool content_noted(int fd, const struct stat *st, unsigned char ret[DIGEST_SIZE])
{
    struct note note;
    if (fgetxattr(fd, NOTE_NAME, &note, sizeof(note)) != sizeof(note) || note.seconds != st->st_mtim.tv_sec ||
        note.nanoseconds != st->st_mtim.tv_nsec || note.size != st->st_size || note.inode != st->st_ino)
        return false;
    memcpy(ret, note.digest, DIGEST_SIZE);
    return true;
}

void content_note(int fd, const struct stat *st, const unsigned char digest[DIGEST_SIZE])
{
    struct note note = {
        .seconds = st->st_mtim.tv_sec, .nanoseconds = st->st_mtim.tv_nsec, .size = st->st_size, .inode = st->st_ino};
    memcpy(note.digest, digest, DIGEST_SIZE);
    (void)fsetxattr(fd, NOTE_NAME, &note, sizeof(note), 0);
}

static int read_file(struct walk *w, int fd, unsigned char ret[DIGEST_SIZE], struct error *err)
{
    struct digest digest;
    ssize_t n;
    digest_init(&digest);
    while ((n = read(fd, w->buffer, READ_SIZE)) > 0)
        digest_update(&digest, w->buffer, (size_t)n);
    digest_final(&digest, ret);
    return n < 0 ? error_errno(err, errno, "read %s", strbuf_str(&w->path)) : 0;
}

static int add_file(struct walk *w, int fd, const struct stat *st, struct error *err)
{
    bool noted = w->options->remember && st->st_size >= CONTENT_NOTED_SIZE;
    unsigned char digest[DIGEST_SIZE];
    if (!noted || !content_noted(fd, st, digest)) {
        int r = read_file(w, fd, digest, err);
        if (r < 0)
            return r;
        if (noted)
            content_note(fd, st, digest);
    }
    key_bytes(&w->key, digest, sizeof(digest));
    return 0;
}

/* ---- Attributes ---- */

bool content_keeps_xattr(const char *name)
{
    return strncmp(name, "user.", 5) == 0 || strcmp(name, "security.capability") == 0;
}

static int add_xattrs(struct walk *w, int fd, struct error *err)
{
    CLEANUP_STRV struct strv names = STRV_INIT;
    char list[4096];
    ssize_t size = flistxattr(fd, list, sizeof(list));
    if (size < 0 && errno != ENOTSUP)
        return error_errno(err, errno, "extended attributes of %s", strbuf_str(&w->path));
    for (const char *p = list; size > 0 && p < list + size; p += strlen(p) + 1)
        if (content_keeps_xattr(p))
            strv_add(&names, p);
    strv_sort(&names);
    for (size_t i = 0; i < names.count; i++) {
        CLEANUP_FREE char *value = xmalloc(XATTRS_MAX);
        ssize_t n = fgetxattr(fd, names.items[i], value, XATTRS_MAX);
        if (n < 0)
            return error_errno(err, errno, "%s of %s", names.items[i], strbuf_str(&w->path));
        key_text(&w->key, names.items[i]);
        key_bytes(&w->key, value, (size_t)n);
    }
    return 0;
}

static void add_stat(struct walk *w, const char *name, const struct stat *st)
{
    key_text(&w->key, name);
    key_int(&w->key, (int64_t)st->st_mode);
    if (w->options->owners) {
        key_int(&w->key, st->st_uid);
        key_int(&w->key, st->st_gid);
    }
    if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
        key_int(&w->key, (int64_t)st->st_rdev);
}

/* ---- The walk ---- */

static int add_entry(struct walk *w, int dir_fd, const char *name, unsigned depth, struct error *err);

static int list_names(int fd, struct strv *ret, struct error *err)
{
    CLEANUP_DIRECTORY DIR *dir = NULL;
    const char *name;
    int r = directory_open(fd, ".", &dir);
    while (r >= 0 && (r = directory_next(dir, &name)) > 0)
        strv_add(ret, name);
    strv_sort(ret);
    return r < 0 ? error_errno(err, r, "read a directory") : 0;
}

static int add_directory(struct walk *w, int fd, unsigned depth, struct error *err)
{
    CLEANUP_STRV struct strv names = STRV_INIT;
    if (depth > PACK_DEPTH_MAX)
        return error_set(err, ERROR_INVALID, ELOOP, "%s: too many directories inside each other", strbuf_str(&w->path));
    int r = list_names(fd, &names, err);
    for (size_t i = 0; r == 0 && i < names.count; i++)
        r = add_entry(w, fd, names.items[i], depth + 1, err);
    key_text(&w->key, NULL);
    return r;
}

static int add_opened(struct walk *w, int fd, const struct stat *st, unsigned depth, struct error *err)
{
    int r = add_xattrs(w, fd, err);
    if (r == 0 && S_ISREG(st->st_mode))
        r = add_file(w, fd, st, err);
    return r == 0 && S_ISDIR(st->st_mode) ? add_directory(w, fd, depth, err) : r;
}

static int add_link(struct walk *w, int dir_fd, const char *name, struct error *err)
{
    char target[4096];
    ssize_t n = readlinkat(dir_fd, name, target, sizeof(target));
    if (n < 0)
        return error_errno(err, errno, "read link %s", strbuf_str(&w->path));
    key_bytes(&w->key, target, (size_t)n);
    return 0;
}

static int add_named(struct walk *w, int dir_fd, const char *name, unsigned depth, struct error *err)
{
    struct stat st;
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return error_errno(err, errno, "stat %s", strbuf_str(&w->path));
    /* An excluded directory is entered all the same: exceptions may let something in. It does not count itself. */
    bool hidden = w->options->excludes != NULL && ignore_match(w->options->excludes, strbuf_str(&w->path));
    if (S_ISSOCK(st.st_mode) || (hidden && !S_ISDIR(st.st_mode)) ||
        (hidden && ignore_prunes(w->options->excludes, strbuf_str(&w->path))))
        return 0;
    add_stat(w, name, &st);
    if (S_ISLNK(st.st_mode))
        return add_link(w, dir_fd, name, err);
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return 0;
    CLEANUP_CLOSE int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_errno(err, errno, "open %s", strbuf_str(&w->path));
    return add_opened(w, fd, &st, depth, err);
}

static int add_entry(struct walk *w, int dir_fd, const char *name, unsigned depth, struct error *err)
{
    size_t before = w->path.size;
    strbuf_addf(&w->path, "%s%s", before > 0 ? "/" : "", name);
    int r = add_named(w, dir_fd, name, depth, err);
    w->path.size = before;
    strbuf_terminate(&w->path);
    return r;
}

int content_digest(int root_fd, const char *path, const struct content_options *options, char ret[DIGEST_HEX_MAX],
                   bool *ret_is_dir, struct error *err)
{
    struct walk w = {.options = options};
    struct stat st;
    while (*path == '/')
        path++;
    CLEANUP_CLOSE int place = beneath_open(root_fd, path[0] != 0 ? path : "/", O_PATH, 0);
    if (place < 0 || fstat(place, &st) < 0)
        return error_errno(err, place < 0 ? place : errno, "%s", path);
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return error_set(err, ERROR_INVALID, EINVAL, "%s is neither a file nor a directory", path);
    CLEANUP_CLOSE int fd = beneath_open(root_fd, path[0] != 0 ? path : "/", O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_errno(err, fd < 0 ? fd : errno, "%s", path);
    w.buffer = xmalloc(READ_SIZE);
    key_begin(&w.key, "content 1");
    add_stat(&w, "", &st);
    int r = add_opened(&w, fd, &st, 0, err);
    free(w.buffer);
    strbuf_release(&w.path);
    if (r < 0)
        return r;
    key_final(&w.key, ret);
    if (ret_is_dir != NULL)
        *ret_is_dir = S_ISDIR(st.st_mode);
    return 0;
}
