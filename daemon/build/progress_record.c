#include "daemon/build/progress_record.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/param.h>
#include <unistd.h>

#include "base/fd.h"

#define MEMORY_MAX ((size_t)64 * 1024)
#define TAKE_MAX ((size_t)256 * 1024)

struct header {
    uint32_t kind;
    int32_t number;
    int64_t current, total;
    uint32_t id_size, text_size; /* with a NUL behind it; 0: NULL */
    const struct build_step_info *step;
};

/* ---- Records ---- */

void event_record_write(const struct event_record *r, struct strbuf *out)
{
    bool error = r->kind == EVENT_DONE && r->number != 0;
    const char *text = error ? (const char *)&r->error : r->text;
    size_t size = error ? sizeof(r->error) : r->kind == EVENT_LOG ? r->text_size : text != NULL ? strlen(text) : 0;
    const struct header header = {.kind = r->kind,
                                  .number = r->number,
                                  .current = r->current,
                                  .total = r->total,
                                  .id_size = r->id != NULL ? (uint32_t)strlen(r->id) + 1 : 0,
                                  .text_size = text != NULL ? (uint32_t)size + 1 : 0,
                                  .step = r->step};
    strbuf_add(out, &header, sizeof(header));
    if (r->id != NULL)
        strbuf_add(out, r->id, header.id_size);
    if (text != NULL) {
        strbuf_add(out, text, size);
        strbuf_addc(out, 0);
    }
}

size_t event_record_read(const char *data, size_t size, struct event_record *ret)
{
    struct header header;
    if (size < sizeof(header))
        return 0;
    memcpy(&header, data, sizeof(header));
    size_t whole = sizeof(header) + header.id_size + header.text_size;
    if (size < whole)
        return 0;
    const char *id = data + sizeof(header), *text = id + header.id_size;
    *ret = (struct event_record){.kind = (enum event_kind)header.kind,
                                 .step = header.step,
                                 .id = header.id_size > 0 ? id : NULL,
                                 .text = header.text_size > 0 ? text : NULL,
                                 .text_size = header.text_size > 0 ? header.text_size - 1 : 0,
                                 .number = header.number,
                                 .current = header.current,
                                 .total = header.total};
    if (ret->kind == EVENT_DONE && ret->number != 0)
        memcpy(&ret->error, text, sizeof(ret->error));
    return whole;
}

/* ---- Spools ---- */

int64_t event_spool_size(const struct event_spool *spool)
{
    return spool->written - spool->read + (int64_t)spool->memory.size;
}

static int write_memory(struct event_spool *spool, int tmp_fd)
{
    if (spool->fd < 0)
        spool->fd = openat(tmp_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (spool->fd < 0 || lseek(spool->fd, spool->written, SEEK_SET) < 0)
        return -errno;
    int r = fd_write_all(spool->fd, spool->memory.data, spool->memory.size);
    if (r == 0)
        spool->written += (int64_t)spool->memory.size;
    return r;
}

int event_spool_put(struct event_spool *spool, int tmp_fd, const char *data, size_t size)
{
    strbuf_add(&spool->memory, data, size);
    if (spool->memory.size < MEMORY_MAX)
        return 0;
    int r = write_memory(spool, tmp_fd);
    strbuf_clear(&spool->memory);
    return r;
}

int event_spool_take(struct event_spool *spool, struct strbuf *out)
{
    int64_t left = spool->written - spool->read;
    if (left == 0) {
        if (spool->memory.size > 0)
            strbuf_add(out, spool->memory.data, spool->memory.size);
        strbuf_clear(&spool->memory);
        return 0;
    }
    CLEANUP_FREE char *piece = xmalloc(TAKE_MAX);
    ssize_t n = pread(spool->fd, piece, MIN((size_t)left, TAKE_MAX), spool->read);
    if (n <= 0)
        return n < 0 ? -errno : -EIO;
    strbuf_add(out, piece, (size_t)n);
    spool->read += n;
    if (spool->read == spool->written && ftruncate(spool->fd, 0) == 0)
        spool->read = spool->written = 0;
    return 0;
}

void event_spool_release(struct event_spool *spool)
{
    fd_close(spool->fd);
    strbuf_release(&spool->memory);
    *spool = (struct event_spool)EVENT_SPOOL_INIT;
}
