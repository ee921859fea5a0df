#include "cmd/dory/session.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>

#include "base/detach_keys.h"
#include "base/error_words.h"
#include "base/fd.h"
#include "base/stream_frame.h"

#define CHUNK 65536

struct session_state {
    int signal_fd;
    sigset_t old_mask;
    bool raw;
    struct termios saved;
    struct detach_matcher keys;
    bool stdin_open;
    struct stream_frames frames;
};

int session_check_tty(const struct session *session, struct error *err)
{
    if (session->tty && session->use_stdin && !isatty(STDIN_FILENO))
        return error_set(err, ERROR_INVALID, 0, "the input device is not a TTY");
    return 0;
}

static int take_signals(struct session *session, struct error *err)
{
    /* What docker's CLI passes on. Without forwarding the signals keep their meaning for the CLI itself. */
    static const int forwarded[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGUSR1, SIGUSR2, SIGTERM,
                                    SIGALRM, SIGCONT, SIGIO,   SIGTSTP, SIGTTIN, SIGTTOU};
    struct session_state *state = session->state;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGWINCH);
    for (size_t i = 0; i < ARRAY_SIZE(forwarded) && session->forward_signals; i++)
        sigaddset(&set, forwarded[i]);
    sigprocmask(SIG_BLOCK, &set, &state->old_mask);
    state->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return state->signal_fd < 0 ? error_errno(err, errno, "signalfd") : 0;
}

static int start_exec(struct session *session, struct error *err)
{
    CLEANUP_FREE char *path = xasprintf("/exec/%s/start", session->exec);
    CLEANUP_FREE char *body = xasprintf("{\"Detach\":false,\"Tty\":%s}", session->tty ? "true" : "false");
    struct client_request request = {.method = "POST", .path = path, .body = body, .body_size = strlen(body)};
    return client_hijack(session->client, &request, &session->stream, err);
}

int session_attach(struct session *session, struct error *err)
{
    struct session_state *state = session->state = xcalloc(1, sizeof(*state));
    state->signal_fd = -1;
    session->stream.fd = -1;
    int r = detach_keys_parse(session->detach_keys, &state->keys.keys, err);
    if (r == 0)
        r = take_signals(session, err);
    if (r < 0)
        return r;
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    if (session->exec)
        return start_exec(session, err);
    strbuf_adds(&path, "/containers/");
    client_path_escape(&path, session->container);
    strbuf_adds(&path, "/attach?stream=1");
    client_query_add(&path, "detachKeys", session->detach_keys);
    client_query_add_bool(&path, "stdin", session->use_stdin);
    client_query_add_bool(&path, "stdout", session->use_stdout);
    client_query_add_bool(&path, "stderr", session->use_stderr);
    struct client_request request = {.method = "POST", .path = strbuf_str(&path)};
    return client_hijack(session->client, &request, &session->stream, err);
}

/* A window that vanished or a container that ended meanwhile is no reason to complain. */
static void send_size(struct session *session, unsigned more)
{
    struct winsize size;
    if (!session->tty || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row == 0)
        return;
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    strbuf_adds(&path, session->exec ? "/exec/" : "/containers/");
    client_path_escape(&path, session->exec ? session->exec : session->container);
    strbuf_addf(&path, "/resize?h=%u&w=%u", size.ws_row + more, size.ws_col + more);
    struct client_request request = {.method = "POST", .path = strbuf_str(&path)};
    client_call(session->client, &request, NULL, NULL, NULL, NULL);
}

void session_started(struct session *session)
{
    struct session_state *state = session->state;
    if (session->tty && session->use_stdin && isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &state->saved) == 0) {
        struct termios raw = state->saved;
        cfmakeraw(&raw);
        state->raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
    }
    if (session->redraw)
        send_size(session, 1);
    send_size(session, 0);
}

static void forward_signal(struct session *session, int signal)
{
    if (signal == SIGWINCH) {
        send_size(session, 0);
        return;
    }
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    strbuf_adds(&path, "/containers/");
    client_path_escape(&path, session->container);
    strbuf_addf(&path, "/kill?signal=%d", signal);
    struct client_request request = {.method = "POST", .path = strbuf_str(&path)};
    /* The container may have just ended: then there is nobody to tell. */
    client_call(session->client, &request, NULL, NULL, NULL, NULL);
}

static void handle_signals(struct session *session)
{
    struct signalfd_siginfo info;
    while (read(session->state->signal_fd, &info, sizeof(info)) == sizeof(info))
        forward_signal(session, (int)info.ssi_signo);
}

/* Caller's input to the container. Returns true when the detach keys were typed. */
static bool pump_input(struct session *session)
{
    struct session_state *state = session->state;
    char in[CHUNK / 8], out[CHUNK / 8 + DETACH_KEYS_MAX];
    ssize_t n = read(STDIN_FILENO, in, sizeof(in));
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return false;
    if (n <= 0) {
        state->stdin_open = false;
        shutdown(session->stream.fd, SHUT_WR);
        return false;
    }
    size_t size = (size_t)n;
    bool detached = false;
    const char *data = in;
    if (session->tty) {
        detached = detach_matcher_feed(&state->keys, in, size, out, &size);
        data = out;
    }
    if (size > 0 && fd_write_all(session->stream.fd, data, size) < 0)
        state->stdin_open = false;
    return detached;
}

static int write_failed(int r, struct error *err)
{
    return error_set(err, r == -EPIPE ? ERROR_CANCELLED : ERROR_SYSTEM, r, "write: %s", error_words(r));
}

/* Bytes of the stream to stdout and stderr. `raw`: no frames. */
static int write_output(struct session_state *state, bool raw, const char *data, size_t size)
{
    if (raw)
        return fd_write_all(STDOUT_FILENO, data, size);
    struct stream_piece piece;
    int r = 0;
    while (r == 0 && stream_frames_next(&state->frames, &data, &size, &piece))
        r = fd_write_all(piece.is_stderr ? STDERR_FILENO : STDOUT_FILENO, piece.data, piece.size);
    return r;
}

int session_run(struct session *session, bool *ret_detached, struct error *err)
{
    struct session_state *state = session->state;
    bool raw = session->stream.has_type ? !session->stream.multiplexed : session->tty;
    CLEANUP_FREE char *buffer = xmalloc(CHUNK);
    state->stdin_open = session->use_stdin;
    int r = write_output(state, raw, session->stream.leftover, session->stream.leftover_size);
    while (r == 0) {
        struct pollfd fds[3] = {{session->stream.fd, POLLIN, 0},
                                {state->signal_fd, POLLIN, 0},
                                {state->stdin_open ? STDIN_FILENO : -1, POLLIN, 0}};
        if (poll(fds, 3, -1) < 0 && errno != EINTR)
            return error_errno(err, errno, "poll");
        if (fds[1].revents)
            handle_signals(session);
        if (fds[0].revents) {
            ssize_t n = read(session->stream.fd, buffer, CHUNK);
            if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
                return 0;
            if (n > 0)
                r = write_output(state, raw, buffer, (size_t)n);
        }
        if (fds[2].revents && pump_input(session)) {
            *ret_detached = true;
            return 0;
        }
    }
    return write_failed(r, err);
}

void session_release(struct session *session)
{
    struct session_state *state = session->state;
    if (!state)
        return;
    if (state->raw)
        tcsetattr(STDIN_FILENO, TCSANOW, &state->saved);
    if (state->signal_fd >= 0) {
        fd_close(state->signal_fd);
        sigprocmask(SIG_SETMASK, &state->old_mask, NULL);
    }
    fd_close(session->stream.fd);
    free(session->stream.leftover);
    free(state);
    session->state = NULL;
}

int session_copy_frames(struct client_response *response, bool raw, struct error *err)
{
    struct session_state state = {0};
    CLEANUP_FREE char *buffer = xmalloc(CHUNK);
    for (;;) {
        ssize_t n = client_read(response, buffer, CHUNK, err);
        if (n <= 0)
            return (int)n;
        int r = write_output(&state, raw, buffer, (size_t)n);
        if (r < 0)
            return write_failed(r, err);
    }
}
