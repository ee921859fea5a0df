#include "cmd/dory/global_flags.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define AT(member) offsetof(struct global_flags, member)
const struct option global_options[] = {
    {"config", 0, OPTION_STRING, AT(config), "string", "Location of client config files (default \"~/.docker\")", 0, 0,
     NULL},
    {"context", 'c', OPTION_STRING, AT(context), "string",
     "Name of the context to use to connect to the daemon (overrides DOCKER_HOST and the context set with \"context "
     "use\")",
     0, 0, NULL},
    {"debug", 'D', OPTION_BOOL, AT(debug), NULL, "Enable debug mode", 0, 0, NULL},
    {"host", 'H', OPTION_LIST, AT(hosts), "list", "Daemon socket to connect to", 0, 0, NULL},
    {"log-level", 'l', OPTION_STRING, AT(log_level), "string",
     "Set the logging level (\"debug\", \"info\", \"warn\", \"error\", \"fatal\") (default \"info\")", 0, 0, NULL},
    {"tls", 0, OPTION_BOOL, AT(tls.tls), NULL, "Use TLS; implied by --tlsverify", 0, AT(tls.tls_given), NULL},
    {"tlscacert", 0, OPTION_STRING, AT(tls.ca), "string",
     "Trust certs signed only by this CA (default \"~/.docker/ca.pem\")", 0, 0, NULL},
    {"tlscert", 0, OPTION_STRING, AT(tls.cert), "string",
     "Path to TLS certificate file (default \"~/.docker/cert.pem\")", 0, 0, NULL},
    {"tlskey", 0, OPTION_STRING, AT(tls.key), "string", "Path to TLS key file (default \"~/.docker/key.pem\")", 0, 0,
     NULL},
    {"tlsverify", 0, OPTION_BOOL, AT(tls.verify), NULL, "Use TLS and verify the remote", 0, AT(tls.verify_given), NULL},
    {"version", 'v', OPTION_BOOL, AT(version), NULL, "Print version information and quit", 0, 0, NULL},
    {0},
};

char *global_flags_config(const struct global_flags *flags)
{
    const char *env = getenv("DOCKER_CONFIG"), *home = getenv("HOME");
    if (flags->config)
        return xstrdup(flags->config);
    if (env && *env)
        return xstrdup(env);
    return xasprintf("%s/.docker", home ? home : "");
}

char *default_platform(void)
{
    const char *platform = getenv("DOCKER_DEFAULT_PLATFORM");
    return platform && *platform ? xstrdup(platform) : NULL;
}

static bool is_level(const char *level)
{
    static const char *const levels[] = {"panic", "fatal", "error", "warn", "warning", "info", "debug", "trace"};
    for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
        if (strcasecmp(level, levels[i]) == 0)
            return true;
    }
    return false;
}

int global_flags_apply(const struct global_flags *flags, struct cli *cli, struct error *err)
{
    if (flags->hosts.count > 1)
        return error_set(err, ERROR_INVALID, 0, "invalid argument \"%s\" for \"-H, --host\" flag: specify only one -H",
                         flags->hosts.items[1]);
    if (flags->log_level && !is_level(flags->log_level))
        return error_set(err, ERROR_SYSTEM, EINVAL, "Unable to parse logging level: %s", flags->log_level);
    cli->debug = flags->debug;
    return 0;
}
