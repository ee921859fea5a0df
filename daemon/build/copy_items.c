#include "daemon/build/copy_items.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/pack.h"
#include "base/beneath.h"
#include "base/directory.h"
#include "base/fd.h"
#include "base/path_match.h"
#include "daemon/build/content.h"
#include "daemon/engine.h"

/* Matches of one pattern; more are refused. */
#define MATCHES_MAX 100000

struct copy_item *copy_items_new(struct copy_items *items)
{
    xgrow((void **)&items->items, items->count, &items->capacity, sizeof(*items->items));
    struct copy_item *item = &items->items[items->count++];
    *item = (struct copy_item){.root_fd = -1};
    return item;
}

/* ---- Patterns ---- */

static int list_matches(int root_fd, const char *directory, const char *pattern, struct strv *ret, struct error *err)
{
    CLEANUP_CLOSE int fd = beneath_open(root_fd, directory[0] != 0 ? directory : "/", O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return fd == -ENOENT || fd == -ENOTDIR ? 0 : error_errno(err, fd, "%s", directory);
    CLEANUP_STRV struct strv names = STRV_INIT;
    int r = directory_list(fd, ".", &names);
    if (r < 0)
        return error_errno(err, r, "%s", directory);
    for (size_t i = 0; i < names.count; i++) {
        bool match = false;
        if (path_match(pattern, names.items[i], &match) < 0)
            return error_set(err, ERROR_INVALID, EINVAL, "syntax error in pattern: %s", pattern);
        if (match)
            strv_addf(ret, "%s%s%s", directory, directory[0] != 0 ? "/" : "", names.items[i]);
    }
    return ret->count > MATCHES_MAX ? error_set(err, ERROR_INVALID, E2BIG, "%s matches too many files", pattern) : 0;
}

/* The directory itself and all beneath it, outermost first; symlinks are not followed. */
static int list_directories(int root_fd, const char *directory, unsigned depth, struct strv *ret, struct error *err)
{
    CLEANUP_DIRECTORY DIR *dir = NULL;
    CLEANUP_STRV struct strv names = STRV_INIT;
    const char *name;
    CLEANUP_CLOSE int fd = beneath_open(root_fd, directory[0] != 0 ? directory : "/", O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return fd == -ENOENT || fd == -ENOTDIR ? 0 : error_errno(err, fd, "%s", directory);
    if (depth > PACK_DEPTH_MAX || ret->count > MATCHES_MAX)
        return error_set(err, ERROR_INVALID, E2BIG, "** stands for too many directories");
    strv_add(ret, directory);
    int r = directory_open(fd, ".", &dir);
    while (r >= 0 && (r = directory_next(dir, &name)) > 0) {
        struct stat st;
        if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
            strv_add(&names, name);
    }
    if (r < 0)
        return error_errno(err, r, "%s", directory);
    strv_sort(&names);
    r = 0;
    for (size_t i = 0; r == 0 && i < names.count; i++) {
        CLEANUP_FREE char *path = xasprintf("%s%s%s", directory, directory[0] != 0 ? "/" : "", names.items[i]);
        r = list_directories(root_fd, path, depth + 1, ret, err);
    }
    return r;
}

/* What several ways lead to is one match. */
static void drop_doubles(struct strv *list)
{
    CLEANUP_STRV struct strv once = STRV_INIT;
    strv_sort(list);
    for (size_t i = 0; i < list->count; i++)
        if (i == 0 || strcmp(list->items[i], list->items[i - 1]) != 0)
            strv_add(&once, list->items[i]);
    struct strv former = *list;
    *list = once;
    once = former;
}

/* Component by component, as Go's filepath.Match sees a path. recursive: "**" is any number of directories, and all
 * that is in them where it comes last. */
static int expand_pattern(int root_fd, const char *pattern, bool recursive, struct strv *ret, struct error *err)
{
    CLEANUP_STRV struct strv parts = STRV_INIT;
    CLEANUP_STRV struct strv found = STRV_INIT;
    strv_split(&parts, pattern, '/');
    strv_add(&found, "");
    int r = 0;
    for (size_t i = 0; r == 0 && i < parts.count; i++) {
        CLEANUP_STRV struct strv next = STRV_INIT;
        bool any = recursive && strcmp(parts.items[i], "**") == 0;
        for (size_t j = 0; r == 0 && j < found.count; j++) {
            if (any && i + 1 == parts.count)
                strv_add(&next, found.items[j]);
            else if (any)
                r = list_directories(root_fd, found.items[j], 0, &next, err);
            else if (path_is_pattern(parts.items[i]) || strchr(parts.items[i], '\\') != NULL)
                r = list_matches(root_fd, found.items[j], parts.items[i], &next, err);
            else
                strv_addf(&next, "%s%s%s", found.items[j], found.items[j][0] != 0 ? "/" : "", parts.items[i]);
        }
        struct strv former = found;
        found = next;
        next = former;
        if (any)
            drop_doubles(&found);
    }
    for (size_t i = 0; r == 0 && i < found.count; i++) {
        CLEANUP_CLOSE int fd = beneath_open(root_fd, found.items[i], O_PATH, 0);
        if (fd >= 0)
            strv_add(ret, found.items[i]);
    }
    return r;
}

/* ---- Items ---- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static int not_found(const struct step_context *step, const char *source, struct error *err)
{
    const struct step_copy *copy = &step->step->copy;
    if (copy->from != NULL)
        return error_set(err, ERROR_INVALID, ENOENT, "COPY failed: stat %s: file does not exist", source);
    return error_set(err, ERROR_INVALID, ENOENT,
                     "%s failed: file not found in build context or excluded by .dockerignore: stat %s: file does not "
                     "exist",
                     copy->add ? "ADD" : "COPY", source);
}

static int add_item(const struct step_context *step, struct copy_items *items, const char *path, const char *under,
                    struct error *err)
{
    const struct content_options options = {.owners = items->source.keeps_owner,
                                            .excludes = items->excludes.count > 0 ? &items->excludes : NULL,
                                            .remember = !items->source.keeps_owner};
    struct copy_item *item = copy_items_new(items);
    struct error failed = {0};
    item->root_fd = items->source.fd;
    item->path = xstrdup(path);
    item->name = xstrdup(base_name(path));
    item->under = under != NULL && under[0] != 0 ? xstrdup(under) : NULL;
    int r = content_digest(item->root_fd, path, &options, item->digest, &item->is_dir, &failed);
    if (r == -ENOENT || r == -ENOTDIR || r == -ELOOP)
        return not_found(step, path, err);
    return r < 0 ? error_propagate(err, &failed) : 0;
}

/* Where a path goes with --parents: the directories behind the pivot "/./", or all of them. */
static char *under_of(const char *path, size_t pivot)
{
    size_t skip = pivot < strlen(path) ? pivot : 0;
    const char *rest = path + skip;
    const char *slash = strrchr(rest, '/');
    return slash != NULL ? xstrndup(rest, (size_t)(slash - rest)) : xstrdup("");
}

/* "/../a" is "a": nothing is outside of the root. */
static char *inside(const char *source)
{
    CLEANUP_FREE char *rooted = xasprintf("/%s", source);
    CLEANUP_FREE char *clean = path_clean(rooted);
    return xstrdup(clean + 1);
}

/* Bytes of the cleaned path in front of the pivot. */
static size_t pivot_of(const char *source)
{
    size_t size = copy_source_pivot(source);
    if (size == 0)
        return 0;
    CLEANUP_FREE char *front = xstrndup(source, size);
    CLEANUP_FREE char *clean = inside(front);
    return clean[0] != 0 ? strlen(clean) + 1 : 0;
}

static int add_local(const struct step_context *step, const char *source, struct copy_items *items, struct error *err)
{
    const struct step_copy *copy = &step->step->copy;
    CLEANUP_STRV struct strv paths = STRV_INIT;
    CLEANUP_FREE char *path = inside(source);
    size_t pivot = copy->parents ? pivot_of(source) : 0;
    bool pattern = path_is_pattern(path);
    int r = pattern ? expand_pattern(items->source.fd, path, copy->parents, &paths, err) : 0;
    if (r < 0)
        return r;
    if (pattern && paths.count == 0)
        return not_found(step, source, err);
    if (!pattern)
        strv_add(&paths, path);
    for (size_t i = 0; r == 0 && i < paths.count; i++) {
        CLEANUP_FREE char *under = copy->parents ? under_of(paths.items[i], pivot) : NULL;
        /* Excluded sources are as if they were not there. */
        if (items->excludes.count > 0 && path[0] != 0 && ignore_match(&items->excludes, base_name(paths.items[i])))
            continue;
        r = add_item(step, items, paths.items[i], under, err);
    }
    return r;
}

int copy_items_open(const struct step_context *step, struct copy_items *ret, struct error *err)
{
    const struct step_copy *copy = &step->step->copy;
    bool local = copy->from != NULL;
    *ret = (struct copy_items){.source = {.fd = -1}};
    for (size_t i = 0; !local && i < copy->sources.count; i++)
        local =
            !copy->add || (!copy_source_is_url(copy->sources.items[i]) && !copy_source_is_git(copy->sources.items[i]));
    int r = 0;
    for (size_t i = 0; r == 0 && i < copy->excludes.count; i++)
        r = ignore_add(&ret->excludes, copy->excludes.items[i], err);
    return r == 0 && local ? build_source_open(step, copy->from, &ret->source, err) : r;
}

int copy_items_collect(const struct step_context *step, struct copy_items *items, struct error *err)
{
    const struct step_copy *copy = &step->step->copy;
    int r = 0;
    for (size_t i = 0; r == 0 && i < copy->sources.count; i++) {
        const char *source = copy->sources.items[i];
        if (copy->add && copy_source_is_git(source))
            r = copy_items_add_git(step, source, items, err);
        else if (copy->add && copy_source_is_url(source))
            r = copy_items_add_url(step, source, items, err);
        else
            r = add_local(step, source, items, err);
    }
    if (r == 0 && items->count == 0 && copy->file_count == 0)
        r = error_set(err, ERROR_INVALID, 0, "%s failed: no source files were specified", copy->add ? "ADD" : "COPY");
    return r;
}

void copy_items_release(struct build *build, struct copy_items *items)
{
    int root = image_store_root_fd(engine_images(build->engine));
    CLEANUP_CLOSE int tmp = openat(root, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    build_source_close(&items->source);
    for (size_t i = 0; i < items->count; i++) {
        free(items->items[i].path);
        free(items->items[i].name);
        free(items->items[i].under);
    }
    free(items->items);
    for (size_t i = 0; i < items->work_count; i++)
        fd_close(items->work_fds[i]);
    free(items->work_fds);
    for (size_t i = 0; tmp >= 0 && i < items->work.count; i++)
        (void)beneath_remove_tree(tmp, items->work.items[i]); /* tmp/ is emptied at the next start */
    strv_release(&items->work);
    ignore_release(&items->excludes);
}
