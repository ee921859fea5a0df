#include "cmd/dory-connect/session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/fd.h"

/* OpenSSL's first complaint; its queue is empty afterwards. */
static int library_error(struct error *err, const char *what)
{
    unsigned long code = ERR_get_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    int r;

    if (code && ERR_GET_LIB(code) == ERR_LIB_SYS)
        reason = strerror(ERR_GET_REASON(code));
    r = error_set(err, ERROR_INVALID, EPROTO, "%s: %s", what, reason ? reason : "the connection was closed");
    ERR_clear_error();
    return r;
}

static int load_own(SSL_CTX *context, const struct session_options *options, struct error *err)
{
    if (!options->cert && !options->key)
        return 0;
    if (!options->cert || !options->key)
        return error_set(err, ERROR_INVALID, 0, "a certificate needs its key, and a key its certificate");
    if (SSL_CTX_use_certificate_chain_file(context, options->cert) != 1)
        return library_error(err, options->cert);
    if (SSL_CTX_use_PrivateKey_file(context, options->key, SSL_FILETYPE_PEM) != 1)
        return library_error(err, options->key);
    return SSL_CTX_check_private_key(context) == 1 ? 0 : library_error(err, options->key);
}

static int load_authorities(SSL_CTX *context, const struct session_options *options, bool server, struct error *err)
{
    if (options->ca) {
        if (SSL_CTX_load_verify_file(context, options->ca) != 1)
            return library_error(err, options->ca);
        if (server)
            SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(options->ca));
    } else if (!server && !options->insecure && SSL_CTX_set_default_verify_paths(context) != 1) {
        return library_error(err, "the system's certificates");
    }
    if (server)
        SSL_CTX_set_verify(context, options->ca ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT : SSL_VERIFY_NONE,
                           NULL);
    else
        SSL_CTX_set_verify(context, options->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    return 0;
}

int session_context(const struct session_options *options, bool server, SSL_CTX **ret, struct error *err)
{
    SSL_CTX *context = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    int r;

    if (!context)
        return library_error(err, "TLS");
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    r = load_own(context, options, err);
    if (r == 0)
        r = load_authorities(context, options, server, err);
    if (r < 0) {
        SSL_CTX_free(context);
        return r;
    }
    *ret = context;
    return 0;
}

/* What the certificate has to be for: an address is no name (RFC 6125), and is not sent as one. */
static void expect_peer(SSL *session, const char *name)
{
    struct in6_addr address;

    if (inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1) {
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), name);
    } else {
        SSL_set_tlsext_host_name(session, name);
        SSL_set1_host(session, name);
    }
}

/* Go's http server answers so, and docker's users know the sentence. */
static void tell_plain_client(int fd)
{
    static const char answer[] = "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

    fd_write_all(fd, answer, sizeof(answer) - 1);
}

static int explain(SSL *session, bool server, int fd, struct error *err)
{
    long verdict = SSL_get_verify_result(session);
    unsigned long code = ERR_peek_error();

    if (verdict != X509_V_OK) {
        ERR_clear_error();
        return error_set(err, ERROR_INVALID, EPROTO, "tls: failed to verify certificate: x509: %s",
                         X509_verify_cert_error_string(verdict));
    }
    if (ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST && server)
        tell_plain_client(fd);
    if (ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER && !server) {
        ERR_clear_error();
        return error_set(err, ERROR_INVALID, EPROTO, "http: server gave HTTP response to HTTPS client");
    }
    return library_error(err, "tls");
}

int session_start(SSL_CTX *context, const struct session_options *options, bool server, int fd, SSL **ret,
                  struct error *err)
{
    SSL *session = SSL_new(context);
    int r;

    if (!session || SSL_set_fd(session, fd) != 1)
        return library_error(err, "TLS");
    if (!server && options->server_name)
        expect_peer(session, options->server_name);
    r = server ? SSL_accept(session) : SSL_connect(session);
    if (r != 1) {
        r = explain(session, server, fd, err);
        SSL_free(session);
        return r;
    }
    *ret = session;
    return 0;
}
