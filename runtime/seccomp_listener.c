#include "runtime/seccomp_listener.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/strbuf.h"

static void write_process_state(const struct oci_seccomp *seccomp, const struct runtime_hook_state *state, pid_t pid,
                                struct strbuf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_member_string(&w, "ociVersion", state->version);
    json_key(&w, "fds");
    json_begin_array(&w);
    json_put_string(&w, "seccompFd");
    json_end_array(&w);
    json_member_int(&w, "pid", pid);
    if (seccomp->listener_metadata != NULL && seccomp->listener_metadata[0] != '\0')
        json_member_string(&w, "metadata", seccomp->listener_metadata);
    json_key(&w, "state");
    json_begin_object(&w);
    runtime_hook_state_write(state, &w);
    json_end_object(&w);
    json_end_object(&w);
}

int seccomp_listener_pass(const struct oci_seccomp *seccomp, const struct runtime_hook_state *state, pid_t pid,
                          int pid_fd, int number, struct error *err)
{
    if (seccomp == NULL || seccomp->listener_path == NULL)
        return error_set(err, ERROR_INVALID, 0, "linux.seccomp.listenerPath is not set, and the profile notifies");
    CLEANUP_CLOSE int listener = (int)syscall(SYS_pidfd_getfd, pid_fd, number, 0);
    if (listener < 0)
        return error_errno(err, errno, "cannot take the seccomp descriptor out of the container's process");
    CLEANUP_CLOSE int socket = fd_connect_unix(AT_FDCWD, seccomp->listener_path, SOCK_STREAM);
    if (socket < 0)
        return error_errno(err, socket, "cannot connect to linux.seccomp.listenerPath %s", seccomp->listener_path);
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    write_process_state(seccomp, state, pid, &text);
    int r = fd_send_message(socket, text.data, text.size, &listener, 1);
    return r < 0 ? error_errno(err, r, "cannot send to linux.seccomp.listenerPath %s", seccomp->listener_path) : 0;
}
