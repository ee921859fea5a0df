/*
 * An attached session of run, start -a, attach and exec: copies between the terminal or pipes of the caller and the
 * stream of the container or exec; raw terminal, window size, detach keys, forwarded signals.
 */
#ifndef DORY_CMD_DORY_SESSION_H
#define DORY_CMD_DORY_SESSION_H

#include <stdbool.h>

#include "api/client.h"

struct session {
    struct client *client;
    const char *container; /* id */
    const char *exec;      /* id of an exec that attaching starts; NULL: the container itself */
    bool tty, use_stdin, use_stdout, use_stderr, forward_signals;
    const char *detach_keys; /* NULL: the default */
    bool redraw; /* what runs in the terminal already shall draw itself again: it is told of another size first */
    struct client_stream stream;
    /* private */
    struct session_state *state;
};

/* docker's check for -it: "the input device is not a TTY". */
int session_check_tty(const struct session *session, struct error *err);
/* POST /containers/ID/attach, or /exec/ID/start; the stream is then open. Takes over the caller's signals from here on,
 * so that none is lost between attach and start. */
int session_attach(struct session *session, struct error *err);
/* Puts the terminal into raw mode and sends the window size: call once the container runs. */
void session_started(struct session *session);
/* Copies until the container's side ends. *ret_detached: the user typed the detach keys. ERROR_CANCELLED with EPIPE:
 * nobody reads the output any more. */
int session_run(struct session *session, bool *ret_detached, struct error *err);
/* Restores the terminal and the signals. */
void session_release(struct session *session);

/* Writes docker's 8-byte frames (or raw bytes with raw) from an open answer to stdout and stderr until its end. */
int session_copy_frames(struct client_response *response, bool raw, struct error *err);

#endif
