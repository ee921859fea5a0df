/* --tls, --tlsverify and their files, as docker's client understands them with its environment. */
#ifndef DORY_CMD_DORY_TLS_OPTIONS_H
#define DORY_CMD_DORY_TLS_OPTIONS_H

#include "api/client.h"

/* What the command line said. */
struct tls_flags {
    bool tls, tls_given, verify, verify_given;
    char *ca, *cert, *key;
};

/*
 * The flags, else DOCKER_TLS and DOCKER_TLS_VERIFY; files from the flags, else ca.pem, cert.pem and key.pem of
 * DOCKER_CERT_PATH, else of the configuration directory. A client certificate that was not asked for by name may be
 * missing. What ret points to is the caller's: tls_options_release.
 */
void tls_options_resolve(const struct tls_flags *flags, const char *config, struct client_tls *ret);
void tls_options_release(struct client_tls *tls);

#endif
