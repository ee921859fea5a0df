/* tcp:// with TLS: connections are accepted here and each is given to a dory-connect process, which ends TLS; what
 * libmicrohttpd serves is the plain side. An attached session so outlives the daemon, as one over the Unix socket does.
 */
#ifndef DORY_API_LISTEN_TLS_H
#define DORY_API_LISTEN_TLS_H

#include <microhttpd.h>

#include "base/error.h"

/* How the daemon speaks TLS; PEM files. cert NULL: not at all. */
struct server_tls {
    const char *cert, *key;
    const char *ca;      /* clients must carry a certificate signed by it; NULL: anybody may come */
    const char *program; /* dory-connect */
};

struct tls_listener;

/*
 * Starts a thread that accepts on listen_fd (which stays the caller's) and hands what it accepts to daemon. tls is
 * copied. 0 or a negative errno with err.
 */
int tls_listener_start(int listen_fd, const struct server_tls *tls, struct MHD_Daemon *daemon,
                       struct tls_listener **ret, struct error *err);
/* Accepts no more; processes of standing connections go on until their sides end. NULL is fine. */
void tls_listener_stop(struct tls_listener *listener);
/* Whether the files are usable together: called once, at the start, so that a wrong path is found then. */
int server_tls_check(const struct server_tls *tls, struct error *err);

#endif
