#include "cmd/dory/tls_options.h"

#include <stdlib.h>
#include <unistd.h>

static bool env_is_set(const char *name)
{
    const char *value = getenv(name);

    return value && *value;
}

/* The file a flag names, else the one of that name in the directory. */
static char *choose(const char *given, const char *directory, const char *name)
{
    return given && *given ? xstrdup(given) : xasprintf("%s/%s", directory, name);
}

/* As choose, but NULL for a file that nobody asked for and that is not there. */
static char *choose_present(const char *given, const char *directory, const char *name)
{
    CLEANUP_FREE char *path = choose(given, directory, name);

    return (given && *given) || access(path, F_OK) == 0 ? TAKE_PTR(path) : NULL;
}

void tls_options_resolve(const struct tls_flags *flags, const char *config, struct client_tls *ret)
{
    const char *directory = env_is_set("DOCKER_CERT_PATH") ? getenv("DOCKER_CERT_PATH") : config;

    *ret = (struct client_tls){0};
    ret->verify = flags->verify_given ? flags->verify : env_is_set("DOCKER_TLS_VERIFY");
    ret->enabled = flags->verify_given || ret->verify || (flags->tls_given ? flags->tls : env_is_set("DOCKER_TLS"));
    if (!ret->enabled)
        return;
    if (ret->verify)
        ret->ca = choose(flags->ca, directory, "ca.pem");
    ret->cert = choose_present(flags->cert, directory, "cert.pem");
    ret->key = choose_present(flags->key, directory, "key.pem");
}

void tls_options_release(struct client_tls *tls)
{
    free(tls->ca);
    free(tls->cert);
    free(tls->key);
    free(tls->server_name);
    *tls = (struct client_tls){0};
}
