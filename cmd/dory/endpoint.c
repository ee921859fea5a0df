#include "cmd/dory/endpoint.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/client.h"
#include "cmd/dory/config_file.h"
#include "cmd/dory/context_store.h"

static const char *environment_host(void)
{
    static const char *const names[] = {"DORY_HOST", "DOCKER_HOST"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const char *value = getenv(names[i]);
        if (value && *value)
            return value;
    }
    return NULL;
}

char *endpoint_context_name(const struct cli *cli, const struct endpoint_choice *choice)
{
    const char *variable = getenv("DOCKER_CONTEXT");
    if (choice->context && *choice->context)
        return xstrdup(choice->context);
    if (choice->host || environment_host())
        return xstrdup(CONTEXT_DEFAULT);
    if (variable && *variable)
        return xstrdup(variable);
    char *current = config_file_string(cli, "currentContext");
    if (current && *current)
        return current;
    free(current);
    return xstrdup(CONTEXT_DEFAULT);
}

/* The file when it is there. */
static char *tls_file(const struct cli *cli, const char *name, const char *file)
{
    char *path = context_tls_path(cli, name, file);
    if (access(path, F_OK) == 0)
        return path;
    free(path);
    return NULL;
}

static int resolve_context(struct cli *cli, struct endpoint *ret, struct error *err)
{
    CLEANUP_JSON struct json *meta = NULL;
    int r = context_read(cli, ret->context, &meta, err);
    if (r < 0)
        return error_context(err, "Failed to initialize: unable to resolve docker endpoint");
    const struct json *docker = json_get(json_get(meta, "Endpoints"), "docker");
    const char *host = json_get_string(docker, "Host");
    ret->host = xstrdup(client_choose_host(host && *host ? host : CLIENT_DEFAULT_HOST));
    ret->tls.ca = tls_file(cli, ret->context, "ca.pem");
    ret->tls.cert = tls_file(cli, ret->context, "cert.pem");
    ret->tls.key = tls_file(cli, ret->context, "key.pem");
    ret->tls.enabled = ret->tls.ca || ret->tls.cert || ret->tls.key;
    ret->tls.verify = ret->tls.enabled && !json_get_bool(docker, "SkipTLSVerify", false);
    return 0;
}

int endpoint_resolve(struct cli *cli, const struct endpoint_choice *choice, struct endpoint *ret, struct error *err)
{
    int r = 0;
    ret->context = endpoint_context_name(cli, choice);
    if (strcmp(ret->context, CONTEXT_DEFAULT) != 0) {
        r = resolve_context(cli, ret, err);
    } else {
        const char *host = client_choose_host(choice->host);
        /* A bare name is one of a machine. */
        ret->host = strstr(host, "://") ? xstrdup(host) : xasprintf("tcp://%s", host);
        tls_options_resolve(choice->tls, cli->config, &ret->tls);
    }
    if (r < 0)
        return r;
    cli->host = ret->host;
    cli->context = ret->context;
    cli->tls = &ret->tls;
    return 0;
}

void endpoint_release(struct endpoint *endpoint)
{
    free(endpoint->host);
    free(endpoint->context);
    tls_options_release(&endpoint->tls);
}
