#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "cmd/dory-shim/shim.h"

static int map(struct tail *tail, int fd, struct error *err)
{
    struct stat st;
    void *p;

    if (fd < 0 || fstat(fd, &st) < 0 || st.st_size <= 0 || st.st_size > SHIM_TAIL_MAX)
        return error_set(err, ERROR_INVALID, EPROTO, "request without its content");
    p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED)
        return error_errno(err, errno, "map a request");
    *tail = (struct tail){.data = p, .size = (size_t)st.st_size, .mapping = p};
    tail->mapped = tail->size;
    return 0;
}

int tail_open(struct tail *tail, struct shim_message *message, bool in_memfd, size_t i, struct error *err)
{
    CLEANUP_CLOSE int memfd = -1;

    if (!in_memfd) {
        *tail = (struct tail){.data = message->tail, .size = message->tail_size};
        return 0;
    }
    memfd = shim_message_take_fd(message, i);
    return map(tail, memfd, err);
}

void tail_release(struct tail *tail)
{
    if (tail->mapping)
        munmap(tail->mapping, tail->mapped);
    tail->mapping = NULL;
}

const char *tail_take(struct tail *tail, size_t size)
{
    const char *data = tail->data;

    tail->data += size;
    tail->size -= size;
    return data;
}

char *tail_take_text(struct tail *tail, size_t size)
{
    const char *data = tail_take(tail, size);

    return size ? xstrndup(data, size) : NULL;
}
