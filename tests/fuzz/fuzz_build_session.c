/* What a build session's peers send: frames, and the manifest of a directory. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/client_session.h"
#include "base/fd.h"
#include "daemon/build/context_sync.h"

#define INPUT_MAX 60000 /* less than a socket's buffer: nobody reads while it is written */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void frames(const uint8_t *data, size_t size)
{
    struct session_reader reader = {0};
    struct session_frame frame;
    struct error err = {0};
    int pair[2];
    if (size > INPUT_MAX || fd_socketpair(SOCK_STREAM, pair) < 0)
        return;
    if (fd_write_all(pair[1], data, size) < 0)
        abort();
    fd_close(pair[1]);
    reader.fd = pair[0];
    size_t sum = 0;
    while (session_receive(&reader, &frame, &err) > 0) {
        for (size_t i = 0; i < frame.size; i++)
            sum += (unsigned char)frame.data[i];
        if (frame.size > SESSION_FRAME_MAX)
            abort();
    }
    session_reader_release(&reader);
    fd_close(pair[0]);
    if (sum == SIZE_MAX)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct context_manifest manifest = {0};
    struct error err = {0};
    if (context_manifest_parse((const char *)data, size, &manifest, &err) == 0) {
        for (size_t i = 0; i < manifest.count; i++) {
            const char *path = manifest.items[i].path;
            if (path[0] == '/' || strstr(path, "//") || strncmp(path, "../", 3) == 0 || strstr(path, "/../"))
                abort();
        }
    } else if (err.message[0] == '\0') {
        abort();
    }
    free(manifest.items);
    frames(data, size);
    return 0;
}
