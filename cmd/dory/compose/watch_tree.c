#include "cmd/dory/compose/watch_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"

#define MASK                                                                                                           \
    (IN_CREATE | IN_DELETE | IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR |       \
     IN_EXCL_UNLINK)

/* By the number that inotify gives. */
struct watched {
    char *path; /* NULL: no longer watched */
    bool deep;  /* with the directories in it */
};

struct watch_tree {
    int fd;
    watch_skip_fn skip;
    void *data;
    struct watched *items;
    size_t count, capacity;
    struct strv roots;
};

int watch_tree_new(watch_skip_fn skip, void *data, struct watch_tree **ret, struct error *err)
{
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd < 0)
        return error_errno(err, errno, "inotify");
    *ret = xcalloc(1, sizeof(**ret));
    **ret = (struct watch_tree){.fd = fd, .skip = skip, .data = data};
    return 0;
}

void watch_tree_free(struct watch_tree *tree)
{
    if (!tree)
        return;
    for (size_t i = 0; i < tree->count; i++)
        free(tree->items[i].path);
    free(tree->items);
    strv_release(&tree->roots);
    fd_close(tree->fd);
    free(tree);
}

int watch_tree_fd(const struct watch_tree *tree)
{
    return tree->fd;
}

static int watch(struct watch_tree *tree, const char *path, bool deep, struct error *err)
{
    int wd = inotify_add_watch(tree->fd, path, MASK);
    if (wd < 0 && errno == ENOSPC)
        return error_set(err, ERROR_SYSTEM, ENOSPC,
                         "cannot watch %s: too many directories (see the limit fs.inotify.max_user_watches)", path);
    if (wd < 0)
        return error_errno(err, errno, "watch %s", path);
    while (tree->count <= (size_t)wd) {
        xgrow((void **)&tree->items, tree->count, &tree->capacity, sizeof(*tree->items));
        tree->items[tree->count++] = (struct watched){0};
    }
    struct watched *watched = &tree->items[wd];
    xstrset(&watched->path, path);
    watched->deep = watched->deep || deep;
    return 0;
}

/* Calls for everything in a directory that is not skipped. */
struct walk {
    const struct watch_tree *tree;
    struct watch_tree *watching; /* NULL: directories are not watched */
    struct strv *files;          /* NULL: files are not listed */
    struct error *err;
};

static int walk_directory(struct walk *walk, const char *path, unsigned depth);

static int walk_entry(struct walk *walk, const char *directory, const char *name, unsigned depth)
{
    CLEANUP_FREE char *path = xasprintf("%s/%s", strcmp(directory, "/") == 0 ? "" : directory, name);
    struct stat st;
    if (lstat(path, &st) < 0)
        return 0;
    if (!S_ISDIR(st.st_mode)) {
        if (walk->files)
            strv_add(walk->files, path);
        return 0;
    }
    if (walk->tree->skip && walk->tree->skip(path, walk->tree->data))
        return 0;
    return walk_directory(walk, path, depth + 1);
}

/* What vanishes meanwhile is told by an event. A directory is watched before it is read: what comes in between is seen
 * twice, and never missed. */
static int walk_directory(struct walk *walk, const char *path, unsigned depth)
{
    int r = 0;
    if (depth > WATCH_DEPTH_MAX)
        return 0;
    if (walk->watching)
        r = watch(walk->watching, path, true, walk->err);
    if (r == -ENOENT || r == -ENOTDIR || r == -EACCES) {
        error_clear(walk->err);
        return 0;
    }
    if (r < 0)
        return r;
    DIR *dir = opendir(path);
    const struct dirent *entry;
    while (r == 0 && dir && (entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            r = walk_entry(walk, path, entry->d_name, depth);
    }
    if (dir)
        closedir(dir);
    return r;
}

void watch_tree_list(const struct watch_tree *tree, const char *path, struct strv *ret)
{
    struct walk walk = {.tree = tree, .files = ret};
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
        strv_add(ret, path);
    else
        walk_directory(&walk, path, 0);
}

int watch_tree_add(struct watch_tree *tree, const char *path, struct error *err)
{
    struct walk walk = {.tree = tree, .watching = tree, .err = err};
    struct stat st;
    if (stat(path, &st) < 0)
        return error_errno(err, errno, "watch %s", path);
    strv_add(&tree->roots, path);
    if (S_ISDIR(st.st_mode))
        return walk_directory(&walk, path, 0);
    /* An editor replaces a file: its directory knows. */
    CLEANUP_FREE char *directory = xstrndup(path, (size_t)(strrchr(path, '/') - path));
    return watch(tree, *directory ? directory : "/", false, err);
}

static void add_once(struct strv *list, const char *path)
{
    if (!strv_contains(list, path))
        strv_add(list, path);
}

static int new_directory(struct watch_tree *tree, const char *path, struct strv *changed, struct error *err)
{
    CLEANUP_STRV struct strv files = STRV_INIT;
    struct walk walk = {.tree = tree, .watching = tree, .files = &files, .err = err};
    if (tree->skip && tree->skip(path, tree->data))
        return 0;
    int r = walk_directory(&walk, path, 0);
    for (size_t i = 0; i < files.count; i++)
        add_once(changed, files.items[i]);
    return r;
}

static int take(struct watch_tree *tree, const struct inotify_event *event, struct strv *changed, struct error *err)
{
    if (event->mask & IN_Q_OVERFLOW) {
        for (size_t i = 0; i < tree->roots.count; i++)
            watch_tree_list(tree, tree->roots.items[i], changed);
        return 0;
    }
    struct watched *watched = event->wd >= 0 && (size_t)event->wd < tree->count ? &tree->items[event->wd] : NULL;
    if (!watched || !watched->path)
        return 0;
    if (event->mask & IN_IGNORED) {
        free(TAKE_PTR(watched->path));
        watched->deep = false;
        return 0;
    }
    /* Attributes of the directory itself, whose parent tells of it. */
    if (event->len == 0)
        return 0;
    CLEANUP_FREE char *path = xasprintf("%s/%s", strcmp(watched->path, "/") == 0 ? "" : watched->path, event->name);
    bool directory = event->mask & IN_ISDIR, deep = watched->deep;
    /* A change inside of a directory is no change of it for whoever copies files. */
    if (!directory || (event->mask & (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)))
        add_once(changed, path);
    if (directory && deep && (event->mask & (IN_CREATE | IN_MOVED_TO)))
        return new_directory(tree, path, changed, err);
    return 0;
}

int watch_tree_read(struct watch_tree *tree, struct strv *changed, struct error *err)
{
    char buffer[sizeof(struct inotify_event) * 64 + NAME_MAX + 1]
        __attribute__((aligned(__alignof__(struct inotify_event))));
    for (;;) {
        ssize_t n = read(tree->fd, buffer, sizeof(buffer));
        if (n < 0 && errno == EAGAIN)
            return 0;
        if (n < 0 && errno != EINTR)
            return error_errno(err, errno, "read changes of files");
        for (ssize_t at = 0; n > 0 && at < n;) {
            const struct inotify_event *event = (const struct inotify_event *)(const void *)(buffer + at);
            int r = take(tree, event, changed, err);
            if (r < 0)
                return r;
            at += (ssize_t)(sizeof(*event) + event->len);
        }
    }
}
