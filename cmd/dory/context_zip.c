#include "cmd/dory/context_zip.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>

#include "cmd/dory/context_archive.h"

#define LOCAL_SIZE 30
#define CENTRAL_SIZE 46
#define END_SIZE 22
#define COMMENT_MAX 65535
#define MEMBERS_MAX 100
#define NAME_SIZE_MAX 99
#define METHOD_STORED 0
#define METHOD_DEFLATED 8
#define FLAG_ENCRYPTED 1

static const char local_mark[4] = {'P', 'K', 3, 4}, central_mark[4] = {'P', 'K', 1, 2}, end_mark[4] = {'P', 'K', 5, 6};

static uint32_t number(const char *p, int bytes)
{
    uint32_t n = 0;
    for (int i = bytes - 1; i >= 0; i--)
        n = n << 8 | (unsigned char)p[i];
    return n;
}

bool context_zip_is_one(const struct strbuf *archive)
{
    return archive->size >= sizeof(local_mark) && memcmp(archive->data, local_mark, sizeof(local_mark)) == 0;
}

/* `size` bytes at `at`, or NULL where there are not so many. */
static const char *piece(const struct strbuf *archive, size_t at, size_t size)
{
    return at <= archive->size && size <= archive->size - at ? archive->data + at : NULL;
}

/* The record at the end, behind which there may be a comment. */
static const char *find_end(const struct strbuf *archive)
{
    for (size_t behind = END_SIZE; behind <= archive->size && behind <= END_SIZE + COMMENT_MAX; behind++) {
        const char *p = archive->data + archive->size - behind;
        if (memcmp(p, end_mark, sizeof(end_mark)) == 0)
            return p;
    }
    return NULL;
}

static int inflate_raw(const char *data, size_t size, char *out, size_t out_size)
{
    z_stream z = {
        .next_in = (Bytef *)data, .avail_in = (uInt)size, .next_out = (Bytef *)out, .avail_out = (uInt)out_size};
    if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
        return -ENOMEM;
    int r = inflate(&z, Z_FINISH);
    bool whole = r == Z_STREAM_END && z.avail_out == 0;
    inflateEnd(&z);
    return whole ? 0 : -EBADMSG;
}

static int bad(struct error *err, const char *name, const char *what)
{
    return error_set(err, ERROR_INVALID, 0, "%s: %s", name, what);
}

/* One file of the directory; `entry` is its row there. */
static int take(const struct strbuf *archive, const char *entry, const char *name, struct strbuf *tar,
                struct error *err)
{
    uint32_t method = number(entry + 10, 2), packed = number(entry + 20, 4), size = number(entry + 24, 4);
    size_t at = number(entry + 42, 4);
    const char *local = piece(archive, at, LOCAL_SIZE);
    if (number(entry + 8, 2) & FLAG_ENCRYPTED)
        return bad(err, name, "an encrypted file cannot be read");
    if (size > CONTEXT_FILE_MAX || packed > CONTEXT_FILE_MAX)
        return bad(err, name, "the file is too large");
    if (local == NULL || memcmp(local, local_mark, sizeof(local_mark)) != 0)
        return bad(err, name, "the zip file is damaged");
    const char *data = piece(archive, at + LOCAL_SIZE + number(local + 26, 2) + number(local + 28, 2), packed);
    CLEANUP_FREE char *plain = xmalloc(size + 1);
    int r = data == NULL ? -EBADMSG : 0;
    if (r == 0 && method == METHOD_DEFLATED)
        r = inflate_raw(data, packed, plain, size);
    else if (r == 0 && method == METHOD_STORED && packed == size)
        memcpy(plain, data, size);
    else if (r == 0)
        return bad(err, name, "it is packed in a way that is not known");
    if (r < 0 || crc32(0, (const Bytef *)plain, size) != number(entry + 16, 4))
        return bad(err, name, "the zip file is damaged");
    context_archive_add(tar, name, '0', 0600, plain, size);
    return 0;
}

int context_zip_unpack(const struct strbuf *archive, struct strbuf *tar, struct error *err)
{
    const char *end = find_end(archive);
    uint32_t count = end != NULL ? number(end + 10, 2) : 0;
    size_t at = end != NULL ? number(end + 16, 4) : 0;
    if (end == NULL)
        return error_set(err, ERROR_INVALID, 0, "unexpected EOF");
    if (count > MEMBERS_MAX)
        return error_set(err, ERROR_INVALID, 0, "a context has no more than %d files", MEMBERS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        const char *entry = piece(archive, at, CENTRAL_SIZE);
        size_t name_size = entry != NULL ? number(entry + 28, 2) : 0;
        const char *text = entry != NULL ? piece(archive, at + CENTRAL_SIZE, name_size) : NULL;
        if (text == NULL || memcmp(entry, central_mark, sizeof(central_mark)) != 0)
            return error_set(err, ERROR_INVALID, 0, "the directory of the zip file is damaged");
        CLEANUP_FREE char *name = xstrndup(text, name_size);
        if (name_size == 0 || name_size > NAME_SIZE_MAX || strlen(name) != name_size)
            return error_set(err, ERROR_INVALID, 0, "unexpected context file %.100s", name);
        int r = name[name_size - 1] == '/' ? 0 : take(archive, entry, name, tar, err);
        if (r < 0)
            return r;
        at += CENTRAL_SIZE + name_size + number(entry + 30, 2) + number(entry + 32, 2);
    }
    return 0;
}
