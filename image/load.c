#include "image/load.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>

#include "archive/tar.h"
#include "base/id.h"
#include "base/memory.h"
#include "base/strbuf.h"
#include "image/archive_stream.h"
#include "image/digest.h"

/* Symlinks within an archive that lead to one another. */
#define LINKS_MAX 8

/* ---- Members ---- */

/* "./a//b/../c" -> "a/c", relative to `base` (a directory of the archive). NULL when it leaves the archive. */
static char *load_path(const char *base, const char *path)
{
    struct strv CLEANUP_STRV parts = STRV_INIT;
    struct strv CLEANUP_STRV out = STRV_INIT;
    CLEANUP_FREE char *whole = path[0] == '/' ? xstrdup(path) : xasprintf("%s/%s", base, path);
    strv_split(&parts, whole, '/');
    for (size_t i = 0; i < parts.count; i++) {
        if (strcmp(parts.items[i], "..") == 0) {
            if (out.count == 0) {
                return NULL;
            }
            strv_remove(&out, out.count - 1);
        } else if (parts.items[i][0] != 0 && strcmp(parts.items[i], ".") != 0) {
            strv_add(&out, parts.items[i]);
        }
    }
    return strv_join(&out, "/");
}

static void load_file_free(struct load_file *file)
{
    free(file->data);
    free(file->link);
    layer_ingest_free(file->ingest);
    free(file);
}

struct load_file *load_find(struct load *load, const char *path)
{
    CLEANUP_FREE char *clean = load_path("", path);
    struct load_file *file = clean != NULL ? map_get(&load->files, clean) : NULL;
    for (int i = 0; file != NULL && file->link != NULL; i++) {
        file = i < LINKS_MAX ? map_get(&load->files, file->link) : NULL;
    }
    return file;
}

int load_report(struct load *load, const char *id, const char *status, int64_t current, int64_t total,
                struct error *err)
{
    if (load->options->progress != NULL &&
        load->options->progress(id, status, current, total, load->options->data) != 0) {
        return error_set(err, ERROR_CANCELLED, ECANCELED, "context canceled");
    }
    return 0;
}

/* ---- Layers ---- */

static int layer_finish(struct load *load, struct load_file *file, struct error *err)
{
    if (file->finished) {
        return 0;
    }
    file->finished = true;
    int r = layer_ingest_finish(file->ingest, &file->error);
    if (r < 0) {
        layer_ingest_free(TAKE_PTR(file->ingest));
        /* Contents that are no layer may not be meant to be one. A full disk is nobody's choice. */
        return file->error.kind == ERROR_INVALID || file->error.kind == ERROR_NOT_IMPLEMENTED
                   ? 0
                   : error_propagate(err, &file->error);
    }
    const struct layer_info *info = layer_ingest_info(file->ingest);
    char id[ID_SHORT_SIZE + 1];
    snprintf(id, sizeof(id), "%.12s", digest_hex(info->diff_id));
    return load_report(load, id, "Loading layer", info->stream_size, info->stream_size, err);
}

/* A few layers are unpacked at the same time; the oldest one is waited for when another begins. */
static int layer_opened(struct load *load, struct load_file *file, struct error *err)
{
    int r = 0;
    if (load->open[0] != NULL) {
        r = layer_finish(load, load->open[0], err);
    }
    load->open[0] = load->open[1];
    load->open[1] = file;
    return r;
}

int load_layer(struct load *load, const char *path, struct layer_ingest **ret, struct error *err)
{
    struct load_file *file = load_find(load, path);
    int r = 0;
    if (file == NULL) {
        return error_set(err, ERROR_INVALID, EINVAL, "invalid archive: layer %s is missing", path);
    }
    if (file->ingest == NULL && file->error.kind == ERROR_NONE && file->data != NULL) {
        r = layer_ingest_open(load->store, NULL, &file->ingest, err);
        if (r == 0) {
            r = layer_ingest_write(file->ingest, file->data, file->size, err);
        }
    }
    if (r == 0 && file->ingest != NULL) {
        r = layer_finish(load, file, err);
    }
    if (r < 0) {
        return r;
    }
    if (file->ingest == NULL) {
        error_propagate(err, &file->error);
        return file->error.kind != ERROR_NONE
                   ? error_context(err, "layer %s", path)
                   : error_set(err, ERROR_INVALID, EINVAL, "invalid archive: layer %s is not a file", path);
    }
    *ret = file->ingest;
    return 0;
}

/* ---- Reading ---- */

static bool is_json(const char *data, size_t size)
{
    size_t i = 0;
    while (i < size && (data[i] == ' ' || data[i] == '\n' || data[i] == '\t' || data[i] == '\r')) {
        i++;
    }
    return i < size && (data[i] == '{' || data[i] == '[');
}

/* What does not fit into memory, or is compressed, can only be a layer: it is unpacked as it comes. */
static bool is_layer(const struct tar_entry *entry, const void *data, size_t size)
{
    const char *p = data;
    bool gzip = size >= 2 && memcmp(p, "\x1f\x8b", 2) == 0;
    bool zstd = size >= 4 && memcmp(p, "\x28\xb5\x2f\xfd", 4) == 0;
    bool tar = size >= 262 && memcmp(p + 257, "ustar", 5) == 0;
    return gzip || zstd || tar || (entry->size > LOAD_FILE_MAX / 8 && !is_json(p, size));
}

static int read_layer(struct load *load, struct tar_reader *reader, struct load_file *file, const void *data,
                      size_t size, struct error *err)
{
    int64_t offset;
    int r = layer_ingest_open(load->store, NULL, &file->ingest, err);
    if (r == 0) {
        r = layer_opened(load, file, err);
    }
    if (r < 0) {
        return r;
    }
    bool good = true;
    do {
        /* What fails here is told by layer_finish; the archive is read on. */
        good = good && layer_ingest_write(file->ingest, data, size, NULL) == 0;
    } while ((r = tar_reader_data(reader, &data, &size, &offset, err)) > 0);
    return r;
}

static int read_memory(struct load *load, struct tar_reader *reader, const struct tar_entry *entry,
                       struct load_file *file, const void *data, size_t size, struct error *err)
{
    struct strbuf CLEANUP_STRBUF text = STRBUF_INIT;
    int64_t offset;
    int r = 1;
    if (entry->size > LOAD_FILE_MAX || load->memory + (size_t)entry->size > LOAD_MEMORY_MAX) {
        return error_set(err, ERROR_INVALID, EFBIG, "invalid archive: %s is too large", entry->path);
    }
    while (r > 0) {
        strbuf_add(&text, data, size);
        r = tar_reader_data(reader, &data, &size, &offset, err);
    }
    load->memory += text.size;
    file->size = text.size;
    file->data = strbuf_take(&text);
    return r;
}

static int read_file(struct load *load, struct tar_reader *reader, const struct tar_entry *entry,
                     struct load_file *file, struct error *err)
{
    const void *data;
    size_t size;
    int64_t offset;
    int r = tar_reader_data(reader, &data, &size, &offset, err);
    if (r < 0) {
        return r;
    }
    if (r == 0) {
        file->data = xstrdup("");
        return 0;
    }
    return is_layer(entry, data, size) ? read_layer(load, reader, file, data, size, err)
                                       : read_memory(load, reader, entry, file, data, size, err);
}

static char *link_path(const struct tar_entry *entry, const char *path)
{
    CLEANUP_FREE char *base = xstrdup(path);
    char *slash = strrchr(base, '/');
    base[slash != NULL ? (size_t)(slash - base) : 0] = 0;
    /* Hard links name their target from the archive's root, symlinks from where they are. */
    return load_path(entry->type == TAR_SYMLINK ? base : "", entry->link);
}

static int read_entry(struct load *load, struct tar_reader *reader, const struct tar_entry *entry, struct error *err)
{
    CLEANUP_FREE char *path = load_path("", entry->path);
    bool link = entry->type == TAR_SYMLINK || entry->type == TAR_HARDLINK;
    if (path == NULL || path[0] == 0 || (entry->type != TAR_FILE && !link)) {
        return 0;
    }
    if (load->files.count >= LOAD_FILES_MAX) {
        return error_set(err, ERROR_INVALID, EFBIG, "invalid archive: too many files");
    }
    if (map_get(&load->files, path) != NULL) {
        return error_set(err, ERROR_INVALID, EINVAL, "invalid archive: %s is there twice", path);
    }
    struct load_file *file = xcalloc(1, sizeof(*file));
    map_set(&load->files, path, file);
    if (link) {
        file->link = link_path(entry, path);
        return file->link != NULL ? 0 : error_set(err, ERROR_INVALID, EINVAL, "invalid archive: link %s", path);
    }
    return read_file(load, reader, entry, file, err);
}

static int read_archive(struct load *load, int fd, struct error *err)
{
    CLEANUP_ARCHIVE_STREAM struct archive_stream *stream = NULL;
    int r = archive_stream_open(fd, &stream, err);
    if (r < 0) {
        return r;
    }
    CLEANUP_TAR_READER struct tar_reader *reader = tar_reader_new(archive_stream_read, stream);
    const struct tar_entry *entry;
    while ((r = tar_reader_next(reader, &entry, err)) > 0) {
        r = read_entry(load, reader, entry, err);
        if (r < 0) {
            return r;
        }
    }
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(load->open); i++) {
        r = load->open[i] != NULL ? layer_finish(load, load->open[i], err) : 0;
    }
    return r;
}

static void load_release(struct load *load)
{
    size_t i = 0;
    const char *path;
    void *file;
    while (map_next(&load->files, &i, &path, &file)) {
        load_file_free(file);
    }
    map_release(&load->files);
    free(load->platforms);
    malloc_trim(0);
}

int image_load(struct image_store *store, int fd, const struct image_load_options *options, struct error *err)
{
    struct load load = {.store = store, .options = options};
    int r = 0;
    for (size_t i = 0; r == 0 && options->platforms != NULL && i < options->platforms->count; i++) {
        load.platforms = xreallocarray(load.platforms, i + 1, sizeof(*load.platforms));
        load.platform_count = i + 1;
        r = platform_parse(options->platforms->items[i], &load.platforms[i], err);
    }
    if (r == 0) {
        r = read_archive(&load, fd, err);
    }
    if (r == 0) {
        r = load_images(&load, err);
    }
    load_release(&load);
    return r;
}
