#include "daemon/build/copy_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "archive/pack.h"
#include "base/directory.h"
#include "base/fd.h"
#include "base/strbuf.h"
#include "base/strv.h"
#include "daemon/build/content.h"
#include "daemon/build/copy_links.h"

#define NAMES_MAX 4096
#define VALUE_MAX (64 * 1024)
#define PORTION ((size_t)1 << 30)

struct copying {
    const struct copy_options *options;
    struct strbuf path; /* relative to the top */
};

static int failed(const struct copying *c, int errnum, const char *what, struct error *err)
{
    return error_errno(err, errnum, "copy %s: %s", strbuf_str(&c->path), what);
}

/* ---- Attributes ---- */

static int copy_xattrs(const struct copying *c, int from, int to, struct error *err)
{
    char list[NAMES_MAX];
    ssize_t size = flistxattr(from, list, sizeof(list));
    if (size < 0)
        return errno == ENOTSUP ? 0 : failed(c, errno, "extended attributes", err);
    for (const char *p = list; p < list + size; p += strlen(p) + 1) {
        if (!content_keeps_xattr(p))
            continue;
        CLEANUP_FREE char *value = xmalloc(VALUE_MAX);
        ssize_t n = fgetxattr(from, p, value, VALUE_MAX);
        if (n < 0 || fsetxattr(to, p, value, (size_t)n, 0) < 0)
            return failed(c, errno, p, err);
    }
    return 0;
}

static mode_t new_mode(const struct copying *c, mode_t mode)
{
    return c->options->chmod != NULL ? chmod_mode_apply(c->options->chmod, mode) : mode & 07777;
}

/* In this order: a new owner takes setuid bits and capabilities away. */
static int set_attributes(const struct copying *c, int from, int to, const struct stat *st, struct error *err)
{
    const struct timespec times[2] = {st->st_mtim, st->st_mtim};
    uid_t uid = c->options->keep_owner ? st->st_uid : c->options->uid;
    gid_t gid = c->options->keep_owner ? st->st_gid : c->options->gid;
    if (fchown(to, uid, gid) < 0)
        return failed(c, errno, "change the owner", err);
    if (fchmod(to, new_mode(c, st->st_mode)) < 0)
        return failed(c, errno, "change the mode", err);
    int r = from >= 0 ? copy_xattrs(c, from, to, err) : 0;
    return r == 0 && futimens(to, times) < 0 ? failed(c, errno, "set the times", err) : r;
}

/* The same for what cannot be opened: links and devices. */
static int set_link_attributes(const struct copying *c, int dir, const char *name, const struct stat *st,
                               struct error *err)
{
    const struct timespec times[2] = {st->st_mtim, st->st_mtim};
    uid_t uid = c->options->keep_owner ? st->st_uid : c->options->uid;
    gid_t gid = c->options->keep_owner ? st->st_gid : c->options->gid;
    if (fchownat(dir, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
        return failed(c, errno, "change the owner", err);
    if (!S_ISLNK(st->st_mode) && fchmodat(dir, name, new_mode(c, st->st_mode), 0) < 0)
        return failed(c, errno, "change the mode", err);
    return utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? failed(c, errno, "set the times", err) : 0;
}

/* ---- Files ---- */

/* copy_file_range(2) shares blocks where the file system can; between file systems sendfile(2) does without a copy
 * through this process. */
static int copy_contents(const struct copying *c, int from, int to, struct error *err)
{
    bool range = true;
    for (;;) {
        ssize_t n = range ? copy_file_range(from, NULL, to, NULL, PORTION, 0) : sendfile(to, from, NULL, PORTION);
        if (n == 0)
            return 0;
        if (n < 0 && range && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS))
            range = false;
        else if (n < 0 && errno != EINTR)
            return failed(c, errno, "write", err);
    }
}

/* A place for something that is no directory. */
static int make_way(const struct copying *c, int dir, const char *name, struct error *err)
{
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : failed(c, errno, name, err);
    if (S_ISDIR(st.st_mode))
        return error_set(err, ERROR_INVALID, EISDIR, "cannot copy %s to directory: %s", strbuf_str(&c->path), name);
    return unlinkat(dir, name, 0) < 0 ? failed(c, errno, name, err) : 0;
}

/* Nothing has to be written. */
static bool is_linked(const struct copying *c, int from, const struct stat *st, int to_dir, const char *name)
{
    struct stat there, wanted = *st;
    if (c->options->links == NULL)
        return false;
    if (fstatat(to_dir, name, &there, AT_SYMLINK_NOFOLLOW) == 0 ? S_ISDIR(there.st_mode) : errno != ENOENT)
        return false;
    wanted.st_mode = S_IFREG | new_mode(c, st->st_mode);
    wanted.st_uid = c->options->keep_owner ? st->st_uid : c->options->uid;
    wanted.st_gid = c->options->keep_owner ? st->st_gid : c->options->gid;
    return copy_links_take(c->options->links, strbuf_str(&c->path), to_dir, from, &wanted);
}

static int new_file(const struct copying *c, int dir, const char *name, struct error *err)
{
    int r = make_way(c, dir, name, err);
    if (r < 0)
        return r;
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? failed(c, errno, name, err) : fd;
}

static int copy_file(const struct copying *c, int from, const struct stat *st, int to_dir, const char *name,
                     struct error *err)
{
    if (is_linked(c, from, st, to_dir, name))
        return 0;
    CLEANUP_CLOSE int to = new_file(c, to_dir, name, err);
    if (to < 0)
        return to;
    int r = st->st_size > 0 ? copy_contents(c, from, to, err) : 0;
    if (r == 0)
        r = set_attributes(c, from, to, st, err);
    if (r == 0 && c->options->links != NULL)
        copy_links_note(c->options->links, from, st, to);
    return r;
}

static int copy_symlink(const struct copying *c, int from_dir, int to_dir, const char *name, const struct stat *st,
                        struct error *err)
{
    char target[4097];
    ssize_t n = readlinkat(from_dir, name, target, sizeof(target) - 1);
    if (n < 0)
        return failed(c, errno, "read the link", err);
    target[n] = 0;
    int r = make_way(c, to_dir, name, err);
    if (r == 0 && symlinkat(target, to_dir, name) < 0)
        r = failed(c, errno, "make the link", err);
    return r < 0 ? r : set_link_attributes(c, to_dir, name, st, err);
}

static int copy_device(const struct copying *c, int to_dir, const char *name, const struct stat *st, struct error *err)
{
    int r = make_way(c, to_dir, name, err);
    if (r == 0 && mknodat(to_dir, name, st->st_mode, st->st_rdev) < 0)
        r = failed(c, errno, "make the node", err);
    return r < 0 ? r : set_link_attributes(c, to_dir, name, st, err);
}

/* ---- Directories ---- */

static int copy_tree(struct copying *c, int from, int to, unsigned depth, struct error *err);

/* One that is there keeps its attributes. The times come last: what is put into it changes them. */
static int copy_subdirectory(struct copying *c, int from_dir, int to_dir, const char *name, const struct stat *st,
                             unsigned depth, struct error *err)
{
    bool made = mkdirat(to_dir, name, 0700) == 0;
    if (!made && errno != EEXIST)
        return failed(c, errno, "make the directory", err);
    CLEANUP_CLOSE int from = openat(from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (from < 0)
        return failed(c, errno, "open", err);
    CLEANUP_CLOSE int to = openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (to < 0)
        return errno == ENOTDIR || errno == ELOOP
                   ? error_set(err, ERROR_INVALID, ENOTDIR, "cannot copy to non-directory: %s", strbuf_str(&c->path))
                   : failed(c, errno, "open", err);
    int r = copy_tree(c, from, to, depth + 1, err);
    return r == 0 && made ? set_attributes(c, from, to, st, err) : r;
}

static int copy_entry(struct copying *c, int from_dir, int to_dir, const char *name, unsigned depth, struct error *err)
{
    struct stat st;
    if (fstatat(from_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return failed(c, errno, "stat", err);
    bool hidden = c->options->excludes != NULL && ignore_match(c->options->excludes, strbuf_str(&c->path));
    if (hidden && (!S_ISDIR(st.st_mode) || ignore_prunes(c->options->excludes, strbuf_str(&c->path))))
        return 0;
    if (S_ISDIR(st.st_mode))
        return copy_subdirectory(c, from_dir, to_dir, name, &st, depth, err);
    if (S_ISLNK(st.st_mode))
        return copy_symlink(c, from_dir, to_dir, name, &st, err);
    if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode) || S_ISFIFO(st.st_mode))
        return copy_device(c, to_dir, name, &st, err);
    if (!S_ISREG(st.st_mode))
        return 0;
    CLEANUP_CLOSE int from = openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    return from < 0 ? failed(c, errno, "open", err) : copy_file(c, from, &st, to_dir, name, err);
}

static int copy_tree(struct copying *c, int from, int to, unsigned depth, struct error *err)
{
    CLEANUP_DIRECTORY DIR *dir = NULL;
    const char *name;
    int r = directory_open(from, ".", &dir);
    if (r < 0)
        return failed(c, -r, "open", err);
    if (depth > PACK_DEPTH_MAX)
        return failed(c, ELOOP, "too many directories inside each other", err);
    while ((r = directory_next(dir, &name)) > 0) {
        size_t before = c->path.size;
        strbuf_addf(&c->path, "%s%s", before > 0 ? "/" : "", name);
        r = copy_entry(c, from, to, name, depth, err);
        if (r < 0)
            return r;
        c->path.size = before;
        strbuf_terminate(&c->path);
    }
    return r < 0 ? failed(c, -r, "read the directory", err) : 0;
}

/* ---- From outside ---- */

int copy_directory(int from_fd, int to_fd, const struct copy_options *options, struct error *err)
{
    struct copying c = {.options = options};
    int r = copy_tree(&c, from_fd, to_fd, 0, err);
    strbuf_release(&c.path);
    return r;
}

int copy_file_to(int from_fd, int to_fd, const char *name, const struct copy_options *options, struct error *err)
{
    struct copying c = {.options = options};
    struct stat st;
    strbuf_adds(&c.path, name);
    int r = fstat(from_fd, &st) < 0 ? failed(&c, errno, "stat", err) : copy_file(&c, from_fd, &st, to_fd, name, err);
    strbuf_release(&c.path);
    return r;
}

int copy_bytes_to(const char *bytes, size_t size, int to_fd, const char *name, const struct copy_options *options,
                  struct error *err)
{
    struct copying c = {.options = options};
    struct stat st = {.st_mode = S_IFREG | 0644};
    clock_gettime(CLOCK_REALTIME, &st.st_mtim);
    strbuf_adds(&c.path, name);
    CLEANUP_CLOSE int to = new_file(&c, to_fd, name, err);
    int r = to < 0 ? to : fd_write_all(to, bytes, size);
    if (to >= 0 && r < 0)
        failed(&c, r, "write", err);
    if (r == 0)
        r = set_attributes(&c, -1, to, &st, err);
    strbuf_release(&c.path);
    return r;
}
