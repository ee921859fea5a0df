#include "cmd/dory/output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "cmd/dory/paths.h"

#define COPY_SIZE (256 * 1024)

int output_path_check(const char *path, struct error *err)
{
    struct stat st;
    CLEANUP_FREE char *directory = path_directory(path);
    if (stat(directory, &st) < 0 && errno == ENOENT)
        return error_set(err, ERROR_INVALID, ENOENT, "invalid output path: directory \"%s\" does not exist", directory);
    if (stat(path, &st) < 0)
        return errno == ENOENT ? 0 : error_errno(err, errno, "stat %s", path);
    if (S_ISBLK(st.st_mode) || S_ISCHR(st.st_mode))
        return error_set(err, ERROR_INVALID, EINVAL,
                         "invalid output path: \"%s\" must be a directory or a regular file: got a device", path);
    return 0;
}

int output_check(const char *output, const char *what, struct error *err)
{
    if (output != NULL && *output != '\0')
        return output_path_check(output, err) < 0 ? error_context(err, "%s", what) : 0;
    if (isatty(STDOUT_FILENO))
        return error_set(err, ERROR_INVALID, EINVAL,
                         "cowardly refusing to save to a terminal. Use the -o flag or redirect");
    return 0;
}

static int copy(struct client_response *response, int fd, struct error *err)
{
    CLEANUP_FREE char *buffer = xmalloc(COPY_SIZE);
    ssize_t n;
    while ((n = client_read(response, buffer, COPY_SIZE, err)) > 0) {
        int r = fd_write_all(fd, buffer, (size_t)n);
        if (r < 0)
            return error_errno(err, r, "write");
    }
    return (int)n;
}

int output_copy(struct client_response *response, const char *output, struct error *err)
{
    if (output == NULL || *output == '\0')
        return copy(response, STDOUT_FILENO, err);
    CLEANUP_FREE char *temporary = xasprintf("%s.tmp-%d", output, (int)getpid());
    CLEANUP_CLOSE int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_errno(err, errno, "open %s", temporary);
    int r = copy(response, fd, err);
    if (r == 0 && rename(temporary, output) < 0)
        r = error_errno(err, errno, "rename %s", output);
    if (r < 0)
        unlink(temporary);
    return r;
}
