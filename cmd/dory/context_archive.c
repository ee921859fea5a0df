/* context export, import: a tar (or, to import, a zip file) with meta.json and the files below tls/docker/, as docker
 * has it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error_words.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json_edit.h"
#include "cmd/dory/context.h"
#include "cmd/dory/context_archive.h"
#include "cmd/dory/context_store.h"
#include "cmd/dory/context_zip.h"

#define TAR_BLOCK 512
/* Size of an archive. */
#define ARCHIVE_MAX (10 << 20)

static const char *const tls_files[CONTEXT_TLS_FILES] = {"ca.pem", "cert.pem", "key.pem"};

/* ---- writing ---- */

void context_archive_add(struct strbuf *out, const char *name, char type, unsigned mode, const char *data, size_t size)
{
    char header[TAR_BLOCK] = {0};
    unsigned sum = 0;
    snprintf(header, 100, "%s", name);
    snprintf(header + 100, 8, "%07o", mode);
    snprintf(header + 108, 8, "%07o", 0);
    snprintf(header + 116, 8, "%07o", 0);
    snprintf(header + 124, 12, "%011zo", size);
    snprintf(header + 136, 12, "%011o", 0);
    memset(header + 148, ' ', 8);
    header[156] = type;
    memcpy(header + 257,
           "ustar\0"
           "00",
           8);
    for (size_t i = 0; i < sizeof(header); i++)
        sum += (unsigned char)header[i];
    snprintf(header + 148, 8, "%06o", sum);
    strbuf_add(out, header, sizeof(header));
    strbuf_add(out, data, size);
    static const char zeros[TAR_BLOCK];
    strbuf_add(out, zeros, (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK);
}

static int pack(const struct cli *cli, const char *name, struct strbuf *out, struct error *err)
{
    static const char zeros[2 * TAR_BLOCK];
    CLEANUP_JSON struct json *meta = NULL;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    int r = context_read(cli, name, &meta, err);
    if (r < 0)
        return r;
    json_print(meta, "", 0, &text);
    context_archive_add(out, "meta.json", '0', 0644, text.data, text.size);
    context_archive_add(out, "tls", '5', 0700, "", 0);
    bool directory = false;
    for (size_t i = 0; i < ARRAY_SIZE(tls_files); i++) {
        CLEANUP_FREE char *path = context_tls_path(cli, name, tls_files[i]),
                          *member = xasprintf("tls/docker/%s", tls_files[i]);
        CLEANUP_FREE char *data = NULL;
        size_t size;
        if (access(path, F_OK) < 0)
            continue;
        r = file_read(AT_FDCWD, path, CONTEXT_FILE_MAX, &data, &size, err);
        if (r < 0)
            return r;
        if (!directory)
            context_archive_add(out, "tls/docker", '5', 0700, "", 0);
        directory = true;
        context_archive_add(out, member, '0', 0600, data, size);
    }
    strbuf_add(out, zeros, sizeof(zeros));
    return 0;
}

static int run_export(struct cli *cli, void *flags, const struct strv *arguments, struct error *err)
{
    (void)flags;
    const char *name = arguments->items[0];
    CLEANUP_FREE char *path = arguments->count > 1 ? xstrdup(arguments->items[1]) : xasprintf("%s.dockercontext", name);
    CLEANUP_STRBUF struct strbuf archive = STRBUF_INIT;
    bool out = strcmp(path, "-") == 0;
    int r = pack(cli, name, &archive, err);
    if (r < 0)
        return r;
    if (out && isatty(STDOUT_FILENO))
        return error_set(err, ERROR_INVALID, 0, "cowardly refusing to export to a terminal, specify a file path");
    CLEANUP_CLOSE int fd = out ? fd_dup(STDOUT_FILENO) : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open %s: %s", path,
                         errno == EEXIST ? "file exists" : strerror(errno));
    r = fd_write_all(fd, archive.data, archive.size);
    if (r < 0)
        return error_errno(err, r, "write %s", path);
    if (!out)
        fprintf(stderr, "Written file \"%s\"\n", path);
    return 0;
}

/* ---- reading ---- */

/* An octal field that ends with a blank or NUL. */
static int parse_octal(const char *field, size_t size, size_t *ret)
{
    size_t n = 0;
    for (size_t i = 0; i < size && field[i] && field[i] != ' '; i++) {
        if (field[i] < '0' || field[i] > '7' || n > CONTEXT_FILE_MAX)
            return -EINVAL;
        n = n * 8 + (size_t)(field[i] - '0');
    }
    *ret = n;
    return 0;
}

static int take_member(struct context_archive *ret, const char *name, const char *data, size_t size, struct error *err)
{
    if (strcmp(name, "meta.json") == 0) {
        ret->meta = data;
        ret->meta_size = size;
        return 0;
    }
    if (strncmp(name, "tls/", 4) != 0)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(tls_files); i++) {
        if (strncmp(name, "tls/docker/", 11) == 0 && strcmp(name + 11, tls_files[i]) == 0) {
            ret->tls[i].data = data;
            ret->tls[i].size = size;
            return 0;
        }
    }
    return error_set(err, ERROR_INVALID, 0, "unexpected context file %s", name);
}

int context_archive_parse(const struct strbuf *archive, struct context_archive *ret, struct error *err)
{
    size_t at = 0;
    while (at + TAR_BLOCK <= archive->size && archive->data[at]) {
        const char *header = archive->data + at;
        char name[101] = {0};
        size_t size;
        memcpy(name, header, 100);
        at += TAR_BLOCK;
        if (parse_octal(header + 124, 12, &size) < 0 || size > CONTEXT_FILE_MAX || size > archive->size - at)
            return error_set(err, ERROR_INVALID, 0, "unexpected EOF");
        if (header[156] == '0' || header[156] == '\0') {
            int r = take_member(ret, name, archive->data + at, size, err);
            if (r < 0)
                return r;
        }
        at += (size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
    }
    if (!ret->meta)
        return error_set(err, ERROR_INVALID, 0,
                         archive->size < TAR_BLOCK ? "unexpected EOF" : "no meta.json in the archive");
    return 0;
}

static int read_archive(const char *path, struct strbuf *out, struct error *err)
{
    bool in = strcmp(path, "-") == 0;
    CLEANUP_CLOSE int fd = in ? fd_dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, ERROR_SYSTEM, errno, "open %s: %s", path, error_words(errno));
    char *data = NULL;
    size_t size;
    int r = fd_read_all(fd, ARCHIVE_MAX, &data, &size);
    if (r < 0)
        return error_errno(err, r, "read %s", path);
    out->data = data;
    out->size = size;
    out->capacity = size + 1;
    return 0;
}

static int import_contents(const struct cli *cli, const char *name, const struct context_archive *contents,
                           struct error *err)
{
    CLEANUP_JSON struct json *meta = NULL;
    CLEANUP_FREE char *directory = context_tls_path(cli, name, NULL);
    int r = json_parse(contents->meta, contents->meta_size, &meta, err);
    if (r == 0 && meta->kind != JSON_OBJECT)
        r = error_set(err, ERROR_INVALID, 0, "meta.json is no object");
    for (size_t i = 0; i < ARRAY_SIZE(tls_files) && r == 0; i++) {
        CLEANUP_FREE char *path = context_tls_path(cli, name, tls_files[i]);
        if (!contents->tls[i].data)
            continue;
        r = file_mkdirs(directory, 0700, err);
        if (r == 0)
            r = file_write_atomic(AT_FDCWD, path, contents->tls[i].data, contents->tls[i].size, 0600, err);
    }
    if (r < 0)
        return r;
    json_set(meta, "Name", json_new_string(name));
    return context_write(cli, name, meta, err);
}

static int run_import(struct cli *cli, void *flags, const struct strv *arguments, struct error *err)
{
    (void)flags;
    const char *name = arguments->items[0];
    CLEANUP_STRBUF struct strbuf archive = STRBUF_INIT, unpacked = STRBUF_INIT;
    struct context_archive contents = {0};
    int r = context_check_name(cli, name, true, err);
    if (r == 0)
        r = read_archive(arguments->items[1], &archive, err);
    bool zip = r == 0 && context_zip_is_one(&archive);
    if (zip)
        r = context_zip_unpack(&archive, &unpacked, err);
    if (r == 0)
        r = context_archive_parse(zip ? &unpacked : &archive, &contents, err);
    if (r == 0)
        r = import_contents(cli, name, &contents, err);
    if (r < 0)
        return r;
    printf("%s\n", name);
    fflush(stdout);
    fprintf(stderr, "Successfully imported context \"%s\"\n", name);
    return 0;
}

const struct command command_context_export = {
    .name = "context export",
    .usage = "CONTEXT [FILE|-]",
    .summary = "Export a context to a tar archive FILE or a tar stream on STDOUT.",
    .min_arguments = 1,
    .max_arguments = 2,
    .local = true,
    .run = run_export,
};
const struct command command_context_import = {
    .name = "context import",
    .usage = "NAME FILE|-",
    .summary = "Import a context from a tar or zip file",
    .min_arguments = 2,
    .max_arguments = 2,
    .local = true,
    .run = run_import,
};
