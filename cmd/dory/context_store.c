#include "cmd/dory/context_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/json_edit.h"

#define META_MAX (1 << 20)

static const char *const tls_files[] = {"ca.pem", "cert.pem", "key.pem"};

static void context_id(const char *name, char ret[DIGEST_HEX_MAX])
{
    struct digest digest;
    unsigned char raw[DIGEST_SIZE];
    digest_init(&digest);
    digest_update(&digest, name, strlen(name));
    digest_final(&digest, raw);
    digest_to_hex(raw, ret);
}

char *context_meta_directory(const struct cli *cli, const char *name)
{
    char id[DIGEST_HEX_MAX];
    context_id(name, id);
    return xasprintf("%s/contexts/meta/%s", cli->config, id);
}

char *context_tls_path(const struct cli *cli, const char *name, const char *file)
{
    char id[DIGEST_HEX_MAX];
    context_id(name, id);
    return xasprintf("%s/contexts/tls/%s/docker%s%s", cli->config, id, file ? "/" : "", file ? file : "");
}

bool context_name_valid(const char *name)
{
    size_t size = strlen(name);
    return size > 1 && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-") == size &&
           !strchr("_.+-", name[0]);
}

int context_read(const struct cli *cli, const char *name, struct json **ret, struct error *err)
{
    CLEANUP_FREE char *directory = context_meta_directory(cli, name);
    CLEANUP_FREE char *path = xasprintf("%s/meta.json", directory);
    CLEANUP_FREE char *text = NULL;
    size_t size;
    int r = file_read(AT_FDCWD, path, META_MAX, &text, &size, err);
    if (r == -ENOENT || r == -ENOTDIR)
        return error_set(err, ERROR_NOT_FOUND, 0,
                         "context \"%s\": context not found: open %s: no such file or directory", name, path);
    if (r == 0)
        r = json_parse(text, size, ret, err);
    return r < 0 ? error_context(err, "context \"%s\": %s", name, path) : 0;
}

bool context_exists(const struct cli *cli, const char *name)
{
    CLEANUP_FREE char *directory = context_meta_directory(cli, name);
    CLEANUP_FREE char *path = xasprintf("%s/meta.json", directory);
    return access(path, F_OK) == 0;
}

int context_write(const struct cli *cli, const char *name, const struct json *meta, struct error *err)
{
    CLEANUP_FREE char *directory = context_meta_directory(cli, name);
    CLEANUP_FREE char *path = xasprintf("%s/meta.json", directory);
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    json_print(meta, "", 0, &text);
    int r = file_mkdirs(directory, 0755, err);
    if (r == 0)
        r = file_write_atomic(AT_FDCWD, path, text.data, text.size, 0644, err);
    return r;
}

static int remove_path(const char *path, bool directory, struct error *err)
{
    int r = directory ? rmdir(path) : unlink(path);
    return r < 0 && errno != ENOENT ? error_errno(err, errno, "remove %s", path) : 0;
}

int context_remove(const struct cli *cli, const char *name, struct error *err)
{
    CLEANUP_FREE char *directory = context_meta_directory(cli, name);
    CLEANUP_FREE char *meta = xasprintf("%s/meta.json", directory);
    CLEANUP_FREE char *tls = context_tls_path(cli, name, NULL);
    int r = 0;
    for (size_t i = 0; i < ARRAY_SIZE(tls_files) && r == 0; i++) {
        CLEANUP_FREE char *path = context_tls_path(cli, name, tls_files[i]);
        r = remove_path(path, false, err);
    }
    if (r == 0)
        r = remove_path(tls, true, err);
    *strrchr(tls, '/') = '\0';
    if (r == 0)
        r = remove_path(tls, true, err);
    if (r == 0)
        r = remove_path(meta, false, err);
    return r == 0 ? remove_path(directory, true, err) : r;
}

int context_list(const struct cli *cli, struct strv *names, struct error *err)
{
    CLEANUP_FREE char *directory = xasprintf("%s/contexts/meta", cli->config);
    DIR *dir = opendir(directory);
    if (!dir)
        return errno == ENOENT || errno == ENOTDIR ? 0 : error_errno(err, errno, "open %s", directory);
    int r = 0;
    for (struct dirent *entry; r == 0 && (entry = readdir(dir));) {
        CLEANUP_FREE char *path = xasprintf("%s/%s/meta.json", directory, entry->d_name);
        CLEANUP_FREE char *text = NULL;
        CLEANUP_JSON struct json *meta = NULL;
        size_t size;
        if (entry->d_name[0] == '.' || access(path, F_OK) < 0)
            continue;
        r = file_read(AT_FDCWD, path, META_MAX, &text, &size, err);
        if (r == 0)
            r = json_parse(text, size, &meta, err);
        if (r == 0)
            strv_add(names, json_get_string(meta, "Name"));
        else
            error_context(err, "%s", path);
    }
    closedir(dir);
    strv_sort(names);
    return r;
}
