/*
 * A layer unpacked into a directory, beside which nothing may appear. Inputs that begin with an odd byte are taken as
 * they are (compressed or not); the others are a script of entries with names from a small and nasty vocabulary,
 * because bytes at random seldom have the right checksum.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>

#include "archive/unpack.h"
#include "base/beneath.h"
#include "base/fd.h"
#include "base/memory.h"
#include "base/strbuf.h"
#include "image/inflate.h"
#include "tests/unit/tar_builder.h"

/* Inflated bytes beyond this are of no interest, and gzip can make many from few. */
#define INFLATED_MAX (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int reserve(void *data, char **ret_room, size_t *ret_size, struct error *err)
{
    struct strbuf *out = data;
    if (out->size > INFLATED_MAX)
        return error_set(err, ERROR_INVALID, EFBIG, "enough");
    *ret_room = strbuf_reserve(out, 4096);
    *ret_size = 4096;
    return 0;
}

static int commit(void *data, size_t size, struct error *err)
{
    struct strbuf *out = data;
    (void)err;
    out->size += size;
    return 0;
}

/* ---- Scripts ---- */

struct script {
    const uint8_t *data;
    size_t size;
};

static unsigned next(struct script *s)
{
    if (s->size == 0)
        return 0;
    s->size--;
    return *s->data++;
}

static void add_path(struct script *s, struct strbuf *path)
{
    static const char *const words[] = {"a",     "b",        "c",     "..",           ".",      "",
                                        ".wh.a", ".wh.b",    ".wh..", ".wh..wh..opq", ".wh...", "/",
                                        "d",     "/dev/shm", ".wh.",  ".wh..wh.plnk"};
    for (unsigned n = next(s) % 4 + 1; n > 0; n--)
        strbuf_addf(path, "%s%s", words[next(s) % ARRAY_SIZE(words)], n > 1 ? "/" : "");
}

static void add_pax(struct script *s, struct strbuf *pax)
{
    static const char *const keys[] = {"path",
                                       "linkpath",
                                       "size",
                                       "mtime",
                                       "uid",
                                       "GNU.sparse.major",
                                       "GNU.sparse.minor",
                                       "GNU.sparse.name",
                                       "GNU.sparse.realsize",
                                       "GNU.sparse.size",
                                       "GNU.sparse.map",
                                       "GNU.sparse.offset",
                                       "GNU.sparse.numbytes",
                                       "SCHILY.xattr.user.a",
                                       "SCHILY.xattr.trusted.overlay.redirect",
                                       "SCHILY.xattr.security.capability"};
    for (unsigned n = next(s) % 5; n > 0; n--) {
        const char *key = keys[next(s) % ARRAY_SIZE(keys)];
        strbuf_addf(pax, "%s=", key);
        if (strstr(key, "path") || strstr(key, "name"))
            add_path(s, pax);
        else
            strbuf_addf(pax, "%u", next(s) * (next(s) % 8));
        strbuf_addf(pax, "%s\n", strstr(key, "map") ? ",1" : "");
    }
}

static void build(struct script *s, struct strbuf *tar)
{
    static const char types[] = "0001122555346SLKx7";
    char content[600];
    while (s->size > 0) {
        struct strbuf CLEANUP_STRBUF path = STRBUF_INIT;
        struct strbuf CLEANUP_STRBUF link = STRBUF_INIT;
        struct strbuf CLEANUP_STRBUF pax = STRBUF_INIT;
        struct tar_member member = {.type = types[next(s) % (sizeof(types) - 1)]};
        add_path(s, &path);
        add_path(s, &link);
        add_pax(s, &pax);
        memset(content, (int)next(s), sizeof(content));
        content[sizeof(content) - 1] = 0;
        member.name = strbuf_str(&path);
        member.link = strbuf_str(&link);
        member.pax = pax.size > 0 ? pax.data : NULL;
        member.content = content;
        member.size = next(s) * (next(s) % 3);
        member.mode = (next(s) << 4) & 07777;
        member.mtime = next(s);
        tar_member_add(tar, &member);
    }
}

/* ---- Unpacking ---- */

struct source {
    const struct strbuf *data;
    size_t done;
};

static ssize_t read_portion(void *data, const void **ret, struct error *err)
{
    struct source *s = data;
    (void)err;
    size_t n = s->data->size - s->done;
    n = n < 1500 ? n : 1500;
    *ret = n > 0 ? s->data->data + s->done : NULL;
    s->done += n;
    return (ssize_t)n;
}

/* /dev/shm keeps it off the disk. */
static char cage_path[] = "/dev/shm/dory-fuzz-XXXXXX";

static void remove_cage(void)
{
    rmdir(cage_path);
}

static int cage_fd(void)
{
    static int fd = -1;
    if (fd < 0) {
        umask(0);
        if (!mkdtemp(cage_path))
            abort();
        atexit(remove_cage);
        fd = open(cage_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    return fd;
}

/* The cage holds the root and nothing else, whatever was unpacked. */
static void check_cage(int cage)
{
    DIR *dir = fdopendir(openat(cage, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct dirent *entry;
    while ((entry = readdir(dir)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && strcmp(entry->d_name, "root") != 0)
            abort();
    closedir(dir);
}

static void inflate_bytes(const uint8_t *data, size_t size, struct strbuf *tar)
{
    struct inflate_sink sink = {.reserve = reserve, .commit = commit, .data = tar};
    struct inflate *inflate = inflate_new(&sink);
    struct error err = {0};
    if (inflate_write(inflate, data, size, &err) == 0)
        (void)inflate_finish(inflate, &err);
    inflate_free(inflate);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct strbuf CLEANUP_STRBUF tar = STRBUF_INIT;
    struct error err = {0};
    if (size > 0 && data[0] % 2 == 0) {
        struct script script = {.data = data + 1, .size = size - 1};
        build(&script, &tar);
    } else {
        inflate_bytes(data, size, &tar);
    }

    int cage = cage_fd();
    mkdirat(cage, "root", 0755);
    int CLEANUP_CLOSE root = openat(cage, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct source source = {.data = &tar};
    struct tar_reader *reader = tar_reader_new(read_portion, &source);
    struct unpack_result result;
    (void)unpack_layer(reader, root, 0, &result, &err);
    tar_reader_free(reader);
    check_cage(cage);
    if (beneath_remove_tree(cage, "root") < 0)
        abort();
    return 0;
}
