/* TLS sessions as docker's are: version 1.2 or later, certificates in PEM files. */
#ifndef DORY_CMD_DORY_CONNECT_SESSION_H
#define DORY_CMD_DORY_CONNECT_SESSION_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "base/error.h"

struct session_options {
    const char *ca;   /* who signs the other side's certificate; NULL: a client asks the system's, a server nobody */
    const char *cert; /* own certificate, chain behind it; NULL: none */
    const char *key;
    const char *server_name; /* client: the name or address that the certificate must be for */
    bool insecure;           /* client: any certificate will do */
};

/* Reads the files; nothing is sent yet. Free with SSL_CTX_free(3). */
int session_context(const struct session_options *options, bool server, SSL_CTX **ret, struct error *err);
/* The handshake on a connected, blocking socket, which stays the caller's. Free with SSL_free(3). A server's peer that
 * speaks plain HTTP is told so. */
int session_start(SSL_CTX *context, const struct session_options *options, bool server, int fd, SSL **ret,
                  struct error *err);

#endif
