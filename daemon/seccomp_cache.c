/*
 * Compiled default profiles on the disk, below the exec root: compiling one takes tens of milliseconds and a lot of
 * heap, reading it back neither. The name tells which program compiled it, so that another build does not trust it.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/file.h"
#include "daemon/engine_internal.h"

#define PROGRAM_MAX 65536
#define INSTRUCTION_SIZE 8 /* sizeof(struct sock_filter) */

/* NULL when this program cannot be told from others. */
static char *cache_path(struct engine *engine, uint64_t capabilities)
{
    struct stat st;
    if (stat("/proc/self/exe", &st) < 0)
        return NULL;
    return xasprintf("%s/seccomp/%016llx-%llx-%llx.%09ld", engine->options->exec_root, (unsigned long long)capabilities,
                     (unsigned long long)st.st_size, (unsigned long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

bool seccomp_cache_read(struct engine *engine, uint64_t capabilities, void **ret_bpf, size_t *ret_size)
{
    CLEANUP_FREE char *path = cache_path(engine, capabilities);
    char *data = NULL;
    size_t size = 0;
    if (path == NULL || file_read(AT_FDCWD, path, PROGRAM_MAX, &data, &size, NULL) < 0)
        return false;
    if (size == 0 || size % INSTRUCTION_SIZE != 0) {
        free(data);
        return false;
    }
    *ret_bpf = data;
    *ret_size = size;
    return true;
}

void seccomp_cache_write(struct engine *engine, uint64_t capabilities, const void *bpf, size_t size)
{
    CLEANUP_FREE char *path = cache_path(engine, capabilities);
    CLEANUP_FREE char *directory = xasprintf("%s/seccomp", engine->options->exec_root);
    if (path == NULL || file_mkdirs(directory, 0700, NULL) < 0)
        return; /* compiled again the next time */
    file_write_atomic(AT_FDCWD, path, bpf, size, 0600, NULL);
}
