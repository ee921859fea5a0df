/*
 * COPY and ADD: a layer that is written through an overlay mount over the layers so far, without a container. The
 * destination is resolved with the image as the root.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/unpack.h"
#include "base/beneath.h"
#include "base/db.h"
#include "base/fd.h"
#include "base/path_match.h"
#include "daemon/build/copy_items.h"
#include "daemon/build/copy_links.h"
#include "daemon/build/copy_tree.h"
#include "daemon/build/key.h"
#include "daemon/engine.h"
#include "daemon/passwd.h"
#include "image/archive_stream.h"

/* Fewer bytes than these are copied as quickly as they are looked for. */
#define LINKS_WORTH ((int64_t)1 << 20)

struct copy_job {
    const struct step_context *step;
    struct copy_items items;
    bool collected; /* items are known, not only where they come from */
    struct chmod_mode chmod;
    char place[DIGEST_HEX_MAX]; /* what is copied to where, whatever is in it: the key of the last result; "": none */
    /* While it is made: */
    struct copy_links links;
    int root_fd;
    struct copy_options options;
    bool into_directory; /* the destination is one, whatever is there */
};

/* ---- The key ---- */

/* How files are copied, whatever they are and wherever they go. */
static void key_of_options(const struct copy_job *job, struct key *key)
{
    const struct step_copy *copy = &job->step->step->copy;
    const int64_t *epoch = job->step->run->build->options->source_date_epoch;
    key_text(key, copy->chown);
    key_text(key, copy->chmod);
    key_int(key, copy->add | copy->link << 1 | copy->parents << 2 | copy->unpack << 3 | copy->unpack_set << 4 |
                     copy->keep_git_dir << 5);
    key_list(key, &copy->excludes);
    key_int(key, epoch != NULL ? *epoch : -1);
    key_int(key, (int64_t)copy->file_count);
    for (size_t i = 0; i < copy->file_count; i++) {
        key_text(key, copy->files[i].name);
        key_text(key, copy->files[i].content);
    }
}

static void key_of_step(const struct copy_job *job, struct key *key)
{
    const struct step_copy *copy = &job->step->step->copy;
    key_text(key, copy->link ? NULL : job->step->state->key);
    key_text(key, copy->absolute);
    key_of_options(job, key);
}

static void key_of_items(const struct copy_job *job, struct key *key)
{
    key_int(key, job->items.source.keeps_owner);
    for (size_t i = 0; i < job->items.count; i++) {
        const struct copy_item *item = &job->items.items[i];
        key_text(key, item->is_dir && item->under == NULL ? NULL : item->name);
        key_text(key, item->under);
        key_int(key, item->downloaded);
        key_text(key, item->digest);
    }
}

/* By what the files are. */
static void content_key(const struct copy_job *job, char ret[DIGEST_HEX_MAX])
{
    struct key key;
    key_begin(&key, "copy 1");
    key_of_step(job, &key);
    key_of_items(job, &key);
    key_final(&key, ret);
}

/* By what they come from, where that says what they are: nothing has to be read then. "" otherwise. */
static void source_key(const struct copy_job *job, char ret[DIGEST_HEX_MAX])
{
    struct key key;
    ret[0] = 0;
    if (job->items.source.fd < 0 || job->items.source.key[0] == 0)
        return;
    key_begin(&key, "copy from 1");
    key_of_step(job, &key);
    key_list(&key, &job->step->step->copy.sources);
    key_text(&key, job->items.source.key);
    key_final(&key, ret);
}

/* Whose images it is for keeps projects apart that copy in the same words. */
static void place_key(struct copy_job *job)
{
    const struct step_copy *copy = &job->step->step->copy;
    const struct build_options *options = job->step->run->build->options;
    struct key key;
    key_begin(&key, "copy place 1");
    key_text(&key, copy->absolute);
    key_of_options(job, &key);
    key_list(&key, &copy->sources);
    key_text(&key, options->tag_count > 0 ? options->tags[0].path : NULL);
    key_final(&key, job->place);
}

/* As docker's history has it: what was copied, and a digest, of all that the rest of the line does not say, since
 * --cache-from believes the line. */
static char *content_text(const struct copy_job *job)
{
    const struct copy_items *items = &job->items;
    size_t count = items->count + job->step->step->copy.file_count;
    const char *kind = count > 1 ? "multi" : items->count == 1 && items->items[0].is_dir ? "dir" : "file";
    char hex[DIGEST_HEX_MAX];
    struct key key;
    key_begin(&key, "copied 2");
    key_of_options(job, &key);
    key_of_items(job, &key);
    key_final(&key, hex);
    return xasprintf("%s:%s", kind, hex);
}

/* ---- Directories of the destination ---- */

/* mkdir -p; those that are made belong to the owner of the files. Returns a readable descriptor. */
static int make_directories(const struct copy_job *job, const char *path, struct error *err)
{
    CLEANUP_STRV struct strv parts = STRV_INIT;
    CLEANUP_STRBUF struct strbuf so_far = STRBUF_INIT;
    CLEANUP_FREE char *clean = path_clean(path);
    strv_split(&parts, clean, '/');
    for (size_t i = 0; i < parts.count; i++) {
        if (parts.items[i][0] == 0 || strcmp(parts.items[i], ".") == 0)
            continue;
        strbuf_addf(&so_far, "/%s", parts.items[i]);
        CLEANUP_CLOSE int there = beneath_open(job->root_fd, strbuf_str(&so_far), O_PATH | O_DIRECTORY, 0);
        if (there >= 0)
            continue;
        CLEANUP_CLOSE int made = beneath_mkdirs(job->root_fd, strbuf_str(&so_far), 0755);
        if (made == -ENOTDIR || made == -EEXIST)
            return error_set(err, ERROR_INVALID, ENOTDIR, "cannot copy to non-directory: %s", strbuf_str(&so_far));
        if (made < 0)
            return error_errno(err, made, "make the directory %s", strbuf_str(&so_far));
        if (!job->options.keep_owner && fchownat(made, "", job->options.uid, job->options.gid, AT_EMPTY_PATH) < 0)
            return error_errno(err, errno, "change the owner of %s", strbuf_str(&so_far));
    }
    int fd = beneath_open(job->root_fd, so_far.size > 0 ? strbuf_str(&so_far) : "/", O_RDONLY | O_DIRECTORY, 0);
    return fd < 0 ? error_errno(err, fd, "%s", path) : fd;
}

/* The same for one that files are copied to next. */
static int make_base(const struct copy_job *job, const char *path, struct error *err)
{
    struct copy_links *links = job->options.links;
    CLEANUP_FREE char *resolved = NULL;
    CLEANUP_CLOSE int fd = make_directories(job, path, err);
    if (fd < 0 || links == NULL)
        return TAKE_FD(fd);
    int r = beneath_resolve(job->root_fd, path, &resolved);
    if (r < 0)
        return error_errno(err, r, "%s", path);
    xstrset(&links->base, strcmp(resolved, "/") != 0 ? resolved : "");
    return TAKE_FD(fd);
}

static bool destination_is_directory(const struct copy_job *job)
{
    const char *path = job->step->step->copy.absolute;
    CLEANUP_CLOSE int fd = beneath_open(job->root_fd, path, O_PATH | O_DIRECTORY, 0);
    return job->into_directory || fd >= 0;
}

/* The directory and the name that a file gets: in the destination, or the destination itself, which may be a symlink
 * to the file that is meant. `name` is the source's. */
static int open_place(const struct copy_job *job, const char *under, const char *name, char **ret_name,
                      struct error *err)
{
    const char *path = job->step->step->copy.absolute;
    if (destination_is_directory(job)) {
        CLEANUP_FREE char *directory = xasprintf("%s/%s", path, under != NULL ? under : "");
        *ret_name = xstrdup(name);
        return make_base(job, directory, err);
    }
    CLEANUP_FREE char *resolved = NULL;
    int r = beneath_resolve(job->root_fd, path, &resolved);
    if (r < 0)
        return error_errno(err, r, "%s", path);
    char *slash = strrchr(resolved, '/');
    *ret_name = xstrdup(slash + 1);
    *slash = 0;
    return make_base(job, resolved[0] != 0 ? resolved : "/", err);
}

/* ---- Archives ---- */

/* Something that tar can read from, compressed or not. */
static bool is_archive(int fd)
{
    CLEANUP_ARCHIVE_STREAM struct archive_stream *stream = NULL;
    const struct tar_entry *entry;
    bool found = false;
    if (archive_stream_open(fd, &stream, NULL) == 0) {
        struct error ignored = {0};
        struct tar_reader *reader = tar_reader_new(archive_stream_read, stream);
        found = tar_reader_next(reader, &entry, &ignored) > 0;
        tar_reader_free(reader);
    }
    archive_stream_free(TAKE_PTR(stream));
    return lseek(fd, 0, SEEK_SET) == 0 && found;
}

static int unpack(const struct copy_job *job, int fd, struct error *err)
{
    CLEANUP_ARCHIVE_STREAM struct archive_stream *stream = NULL;
    CLEANUP_FREE char *prefix = path_clean(job->step->step->copy.absolute);
    CLEANUP_CLOSE int directory = make_directories(job, prefix, err);
    if (directory < 0)
        return directory;
    const char *relative = prefix;
    while (*relative == '/')
        relative++;
    const struct unpack_options options = {.prefix = relative[0] != 0 ? relative : NULL,
                                           .plain = true,
                                           .set_owner = job->step->step->copy.chown != NULL,
                                           .uid = job->options.uid,
                                           .gid = job->options.gid};
    struct unpack_result result = {0};
    int r = archive_stream_open(fd, &stream, err);
    if (r < 0)
        return r;
    struct tar_reader *reader = tar_reader_new(archive_stream_read, stream);
    r = unpack_tree(reader, job->root_fd, &options, &result, err);
    tar_reader_free(reader);
    return r;
}

static bool wants_unpacking(const struct copy_job *job, const struct copy_item *item)
{
    const struct step_copy *copy = &job->step->step->copy;
    return copy->add && (copy->unpack_set ? copy->unpack : !item->downloaded);
}

/* ---- Links to the former result ---- */

/* One source, so that no file of another one is to take the place of what is left out; and no times are changed. */
static bool may_link(const struct copy_job *job)
{
    const struct step_context *step = job->step;
    return !step->no_cache && job->items.count == 1 && step->step->copy.file_count == 0 &&
           !job->items.source.keeps_owner && !job->items.items[0].downloaded &&
           step->run->build->options->source_date_epoch == NULL;
}

/* Where there is none, or it has gone, everything is copied. */
static void find_former(struct copy_job *job, struct build_layer **ret)
{
    struct build *build = job->step->run->build;
    CLEANUP_CACHE_ROW struct cache_row *row = NULL;
    if (!may_link(job))
        return;
    place_key(job);
    job->options.links = &job->links;
    if (cache_find(engine_db(build->engine), job->place, &row, NULL) < 0 || row == NULL || row->diff_id[0] == 0 ||
        build_layer_open(build->service, row->diff_id, ret, NULL) < 0)
        return;
    job->links.from_fd = image_rootfs_upper(engine_images(build->engine), (*ret)->dir, NULL);
}

static int make_links(struct copy_job *job, const struct build_layer *layer, struct error *err)
{
    struct image_store *store = engine_images(job->step->run->build->engine);
    job->root_fd = -1;
    if (job->links.bytes < LINKS_WORTH)
        job->place[0] = 0;
    if (job->links.paths.count == 0)
        return 0;
    CLEANUP_CLOSE int upper = image_rootfs_upper(store, layer->dir, err);
    return upper < 0 ? upper : copy_links_make(&job->links, upper, err);
}

/* ---- Copying ---- */

static int copy_one_file(const struct copy_job *job, const struct copy_item *item, int fd, struct error *err)
{
    CLEANUP_FREE char *name = NULL;
    if (wants_unpacking(job, item) && is_archive(fd))
        return unpack(job, fd, err);
    CLEANUP_CLOSE int directory = open_place(job, item->under, item->name, &name, err);
    return directory < 0 ? directory : copy_file_to(fd, directory, name, &job->options, err);
}

static int copy_one_directory(const struct copy_job *job, const struct copy_item *item, int fd, struct error *err)
{
    const char *path = job->step->step->copy.absolute;
    /* With --parents the directory itself is made, too. */
    CLEANUP_FREE char *to = job->step->step->copy.parents
                                ? xasprintf("%s/%s/%s", path, item->under != NULL ? item->under : "", item->name)
                                : xstrdup(path);
    CLEANUP_CLOSE int directory = make_base(job, to, err);
    return directory < 0 ? directory : copy_directory(fd, directory, &job->options, err);
}

static int copy_item(const struct copy_job *job, const struct copy_item *item, struct error *err)
{
    CLEANUP_CLOSE int fd =
        beneath_open(item->root_fd, item->path[0] != 0 ? item->path : "/", O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0)
        return error_errno(err, fd, "%s", item->path);
    return item->is_dir ? copy_one_directory(job, item, fd, err) : copy_one_file(job, item, fd, err);
}

static int copy_text(const struct copy_job *job, const struct copy_file *file, struct error *err)
{
    CLEANUP_FREE char *name = NULL;
    CLEANUP_CLOSE int directory = open_place(job, NULL, file->name, &name, err);
    return directory < 0 ? directory
                         : copy_bytes_to(file->content, strlen(file->content), directory, name, &job->options, err);
}

/* A number without a group is both, a name brings its primary group. */
static int resolve_owner(struct copy_job *job, struct error *err)
{
    const char *chown = job->step->step->copy.chown;
    CLEANUP(identity_release) struct identity identity = {0};
    job->options.keep_owner = chown == NULL && job->items.source.keeps_owner;
    if (chown == NULL)
        return 0;
    bool number = chown[0] != 0 && strspn(chown, "0123456789") == strlen(chown);
    CLEANUP_FREE char *both = number ? xasprintf("%s:%s", chown, chown) : xstrdup(chown);
    int r = identity_resolve_beneath(both, job->root_fd, &(struct strv){0}, &identity, err);
    if (r < 0)
        return error_context(err, "--chown=%s", chown);
    job->options.uid = identity.uid;
    job->options.gid = identity.gid;
    return 0;
}

static int copy_all(struct copy_job *job, struct error *err)
{
    const struct step_copy *copy = &job->step->step->copy;
    size_t size = strlen(copy->absolute);
    job->into_directory =
        copy->parents || job->items.count + copy->file_count > 1 || (size > 0 && copy->absolute[size - 1] == '/');
    job->options.chmod = copy->chmod != NULL ? &job->chmod : NULL;
    job->options.excludes = job->items.excludes.count > 0 ? &job->items.excludes : NULL;
    int r = resolve_owner(job, err);
    for (size_t i = 0; r == 0 && i < job->items.count; i++)
        r = build_given_up(job->step->run->build) ? error_set(err, ERROR_CANCELLED, ECANCELED, "build cancelled")
                                                  : copy_item(job, &job->items.items[i], err);
    for (size_t i = 0; r == 0 && i < copy->file_count; i++)
        r = copy_text(job, &copy->files[i], err);
    return r;
}

static int make_copy(const struct step_context *step, struct build_layer **ret, void *data, struct error *err)
{
    struct copy_job *job = data;
    struct build *build = step->run->build;
    CLEANUP_BUILD_LAYER struct build_layer *layer = NULL;
    CLEANUP_BUILD_LAYER struct build_layer *former = NULL;
    CLEANUP_FREE char *above = build_state_above(step->state);
    const struct draft_base over = {.above = above, .image = step->state->base};
    const struct draft_base nothing = {0};
    /* The result was there, and has been pruned in between. */
    int r = job->collected ? 0 : copy_items_collect(step, &job->items, err);
    job->collected = r == 0;
    if (r < 0)
        return r;
    r = build_layer_new(build->service, step->step->copy.link ? &nothing : &over, &layer, err);
    if (r < 0)
        return r;
    find_former(job, &former);
    CLEANUP_CLOSE int root = image_rootfs_mount(engine_images(build->engine), layer->dir, ROOTFS_ONCE, err);
    if (root < 0)
        return root;
    job->root_fd = root;
    r = copy_all(job, err);
    root = fd_close(root);
    if (r == 0)
        r = make_links(job, layer, err);
    if (r == 0)
        *ret = TAKE_PTR(layer);
    return r;
}

/* ---- The step ---- */

static int result(struct copy_job *job, const char *key, const char *second, const char *content, struct error *err)
{
    char chain[DIGEST_HEX_MAX];
    struct key chained;
    key_begin(&chained, "link 1");
    key_text(&chained, job->step->state->key);
    key_text(&chained, key);
    key_final(&chained, chain);
    const struct step_maker maker = {.make = make_copy,
                                     .data = job,
                                     .key = key,
                                     .second_key = second,
                                     .place_key = job->place,
                                     .chain_key = job->step->step->copy.link ? chain : NULL,
                                     .content = content};
    return step_result(job->step, &maker, err);
}

static int run_job(struct copy_job *job, struct error *err)
{
    const struct step_copy *copy = &job->step->step->copy;
    char key[DIGEST_HEX_MAX], second[DIGEST_HEX_MAX];
    CLEANUP_FREE char *content = NULL;
    bool known = false;
    int r = copy->chmod != NULL ? chmod_mode_parse(copy->chmod, &job->chmod, err) : 0;
    if (r == 0)
        r = copy_items_open(job->step, &job->items, err);
    if (r < 0)
        return r;
    source_key(job, second);
    if (second[0] != 0 && !job->step->no_cache)
        r = step_second(job->step, second, key, &content, &known, err);
    if (r < 0 || known)
        return r < 0 ? r : result(job, key, "", content, err);
    r = copy_items_collect(job->step, &job->items, err);
    if (r < 0)
        return r;
    job->collected = true;
    content_key(job, key);
    content = content_text(job);
    return result(job, key, second, content, err);
}

int step_copy(const struct step_context *step, struct error *err)
{
    struct copy_job job = {.step = step, .links = COPY_LINKS_INIT, .root_fd = -1, .items = {.source = {.fd = -1}}};
    int r = run_job(&job, err);
    copy_links_release(&job.links);
    copy_items_release(step->run->build, &job.items);
    return r;
}
