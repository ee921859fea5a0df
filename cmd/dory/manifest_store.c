#include "cmd/dory/manifest_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json_edit.h"

#define ENTRY_MAX (16 * 1024 * 1024)

int manifest_reference(const char *text, struct reference *ret, struct error *err)
{
    int r = reference_parse(text, ret, err);
    if (r == 0)
        reference_default_tag(ret);
    return r;
}

/* ---- where things lie ---- */

/* "docker.io/library/busybox:1" as the name of a file. */
static char *file_name(const struct reference *ref)
{
    char *name = reference_full(ref);
    for (char *p = name; *p; p++) {
        if (*p == ':')
            *p = '-';
        else if (*p == '/')
            *p = '_';
    }
    return name;
}

static char *list_directory(const struct cli *cli, const struct reference *list)
{
    CLEANUP_FREE char *name = file_name(list);
    return xasprintf("%s/manifests/%s", cli->config, name);
}

static int not_found(const struct reference *ref, struct error *err)
{
    CLEANUP_FREE char *name = reference_full(ref);
    return error_set(err, ERROR_NOT_FOUND, ENOENT, "No such manifest: %s", name);
}

/* ---- reading ---- */

static int read_entry(const char *path, struct json **ret, struct error *err)
{
    CLEANUP_FREE char *text = NULL;
    size_t size = 0;
    int r = file_read(AT_FDCWD, path, ENTRY_MAX, &text, &size, err);
    if (r == 0)
        r = json_parse(text, size, ret, err);
    return r < 0 ? error_context(err, "%s", path) : 0;
}

static int is_entry(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int manifest_store_list(const struct cli *cli, const struct reference *list, struct manifest_list *ret,
                        struct error *err)
{
    CLEANUP_FREE char *directory = list_directory(cli, list);
    struct dirent **names = NULL;
    int count = scandir(directory, &names, is_entry, alphasort), r = 0;
    if (count < 0)
        return errno == ENOENT ? not_found(list, err) : error_errno(err, errno, "open %s", directory);
    ret->items = xcalloc((size_t)count + 1, sizeof(struct json *));
    for (int i = 0; i < count; i++) {
        CLEANUP_FREE char *path = xasprintf("%s/%s", directory, names[i]->d_name);
        if (r == 0 && (r = read_entry(path, &ret->items[ret->count], err)) == 0)
            ret->count++;
        free(names[i]);
    }
    free(names);
    return r;
}

void manifest_list_release(struct manifest_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        json_free(list->items[i]);
    free(list->items);
    *list = (struct manifest_list){0};
}

int manifest_store_get(const struct cli *cli, const struct reference *list, const struct reference *manifest,
                       struct json **ret, struct error *err)
{
    CLEANUP_FREE char *directory = list_directory(cli, list);
    CLEANUP_FREE char *name = file_name(manifest);
    CLEANUP_FREE char *path = xasprintf("%s/%s", directory, name);
    return access(path, F_OK) < 0 && errno == ENOENT ? not_found(manifest, err) : read_entry(path, ret, err);
}

/* ---- writing ---- */

int manifest_store_put(const struct cli *cli, const struct reference *list, const struct reference *manifest,
                       const struct json *entry, struct error *err)
{
    CLEANUP_FREE char *directory = list_directory(cli, list);
    CLEANUP_FREE char *name = file_name(manifest);
    CLEANUP_FREE char *path = xasprintf("%s/%s", directory, name);
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    int r = file_mkdirs(directory, 0755, err);
    json_print(entry, "", 0, &text);
    return r < 0 ? r : file_write_atomic(AT_FDCWD, path, text.data, text.size, 0644, err);
}

int manifest_store_remove(const struct cli *cli, const struct reference *list, struct error *err)
{
    CLEANUP_FREE char *directory = list_directory(cli, list);
    struct dirent **names = NULL;
    int count = scandir(directory, &names, is_entry, NULL), r = 0;
    if (count < 0)
        return errno == ENOENT ? not_found(list, err) : error_errno(err, errno, "open %s", directory);
    for (int i = 0; i < count; i++) {
        CLEANUP_FREE char *path = xasprintf("%s/%s", directory, names[i]->d_name);
        if (r == 0 && unlink(path) < 0)
            r = error_errno(err, errno, "remove %s", path);
        free(names[i]);
    }
    free(names);
    if (r == 0 && rmdir(directory) < 0)
        r = error_errno(err, errno, "remove %s", directory);
    return r;
}
