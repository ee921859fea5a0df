#include "api/client.h"
#include "base/parse.h"
#include "cmd/dory/command.h"

static void print_bindings(const char *prefix, const struct json *bindings)
{
    for (size_t i = 0; i < json_count(bindings); i++) {
        const char *ip = json_get_string(json_at(bindings, i), "HostIp");
        const char *port = json_get_string(json_at(bindings, i), "HostPort");
        bool v6 = ip && strchr(ip, ':');
        printf("%s%s%s%s:%s\n", prefix, v6 ? "[" : "", ip ? ip : "", v6 ? "]" : "", port ? port : "");
    }
}

static int run_port(struct cli *cli, void *flags, const struct strv *arguments, struct error *err)
{
    (void)flags;
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    CLEANUP_JSON struct json *container = NULL;
    strbuf_adds(&path, "/containers/");
    client_path_escape(&path, arguments->items[0]);
    strbuf_adds(&path, "/json");
    int r = client_json(cli_client(cli), &(struct client_request){.path = strbuf_str(&path)}, &container, err);
    if (r < 0)
        return r;
    const struct json *ports = json_get(json_get(container, "NetworkSettings"), "Ports");
    if (arguments->count == 2) {
        CLEANUP_FREE char *key =
            strchr(arguments->items[1], '/') ? xstrdup(arguments->items[1]) : xasprintf("%s/tcp", arguments->items[1]);
        CLEANUP_FREE char *number = xstrndup(key, strcspn(key, "/"));
        uint64_t port;
        if (parse_uint64(number, UINT16_MAX, &port) < 0)
            return error_set(err, ERROR_INVALID, 0, "Error: invalid port (%s): strconv.ParseUint: parsing \"%s\": %s",
                             number, number,
                             *number && strspn(number, "0123456789") == strlen(number) ? "value out of range"
                                                                                       : "invalid syntax");
        const struct json *bindings = json_get(ports, key);
        if (json_count(bindings) == 0)
            return error_set(err, ERROR_NOT_FOUND, 0, "Error: No public port '%s' published for %s",
                             arguments->items[1], arguments->items[0]);
        print_bindings("", bindings);
        return 0;
    }
    for (size_t i = 0; ports && ports->kind == JSON_OBJECT && i < ports->object.count; i++) {
        CLEANUP_FREE char *prefix = xasprintf("%s -> ", ports->object.keys[i]);
        print_bindings(prefix, &ports->object.values[i]);
    }
    return 0;
}

const struct command command_port = {
    .name = "port",
    .aliases = "container port",
    .usage = "CONTAINER [PRIVATE_PORT[/PROTO]]",
    .summary = "List port mappings or a specific mapping for the container",
    .min_arguments = 1,
    .max_arguments = 2,
    .run = run_port,
};
