/* Which daemon a command speaks to: -H, the environment, or a context. */
#ifndef DORY_CMD_DORY_ENDPOINT_H
#define DORY_CMD_DORY_ENDPOINT_H

#include "cmd/dory/command.h"
#include "cmd/dory/tls_options.h"

/* What the command line says; NULL: nothing. */
struct endpoint_choice {
    const char *host, *context;
    const struct tls_flags *tls;
};

/* What was found; owns what cli->host, cli->context and cli->tls point to. */
struct endpoint {
    char *host, *context;
    struct client_tls tls;
};
#define CLEANUP_ENDPOINT CLEANUP(endpoint_release)

/*
 * The name of the context in use, as docker decides it: -c; "default" when -H, DORY_HOST or DOCKER_HOST is there; then
 * DOCKER_CONTEXT; then currentContext of config.json; else "default". The caller frees.
 */
char *endpoint_context_name(const struct cli *cli, const struct endpoint_choice *choice);
/* Fills cli->host, cli->context and cli->tls. A context that is missing is an error. */
int endpoint_resolve(struct cli *cli, const struct endpoint_choice *choice, struct endpoint *ret, struct error *err);
void endpoint_release(struct endpoint *endpoint);

#endif
