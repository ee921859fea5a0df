/* compose port: where a port of a service is published. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "cmd/dory/compose/lookup.h"

struct port_flags {
    int64_t index;
    char *protocol;
};

#define AT(member) offsetof(struct port_flags, member)
static const struct option port_options[] = {
    {"index", 0, OPTION_INT, AT(index), "int", "Index of the container if service has multiple replicas", 0, 0, NULL},
    {"protocol", 0, OPTION_STRING, AT(protocol), "string", "tcp or udp (default \"tcp\")", 0, 0, NULL},
    {0},
};

static int read_port(const char *text, uint64_t *ret, struct error *err)
{
    if (parse_uint64(text, UINT16_MAX, ret) == 0)
        return 0;
    bool number = *text && strspn(text, "0123456789") == strlen(text);
    return error_set(err, ERROR_INVALID, 0, "strconv.ParseUint: parsing \"%s\": %s", text,
                     number ? "value out of range" : "invalid syntax");
}

static int not_published(const struct compose_container *container, uint64_t port, const char *protocol,
                         struct error *err)
{
    const struct json *ports = json_get(container->row, "Ports");
    CLEANUP_STRBUF struct strbuf known = STRBUF_INIT;
    for (size_t i = 0; i < json_count(ports); i++)
        strbuf_addf(&known, "%s%d/%s", i ? ", " : "", (int)json_get_int(json_at(ports, i), "PublicPort", 0),
                    json_get_string(json_at(ports, i), "Type"));
    return error_set(err, ERROR_NOT_FOUND, 0, "no port %d/%s for container %s: %s", (int)port, protocol,
                     container->name, strbuf_str(&known));
}

static int show(const struct compose_container *container, uint64_t port, const char *protocol, struct error *err)
{
    const struct json *ports = json_get(container->row, "Ports");
    for (size_t i = 0; i < json_count(ports); i++) {
        const struct json *entry = json_at(ports, i);
        const char *type = json_get_string(entry, "Type"), *ip = json_get_string(entry, "IP");
        if (json_get_int(entry, "PrivatePort", 0) != (int64_t)port || !type || strcasecmp(type, protocol) != 0)
            continue;
        printf("%s:%d\n", ip ? ip : "", (int)json_get_int(entry, "PublicPort", 0));
        return 0;
    }
    return not_published(container, port, protocol, err);
}

static int run_port(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct port_flags *flags = data;
    CLEANUP_FREE char *protocol = xstrdup(flags->protocol ? flags->protocol : "tcp");
    CLEANUP_COMPOSE_CONTAINERS struct compose_containers containers = {0};
    const struct compose_container *container = NULL;
    uint64_t port = 0;
    for (char *p = protocol; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    int r = read_port(arguments->items[1], &port, err);
    if (r == 0)
        r = compose_lookup_container(cli, arguments->items[0], flags->index, &containers, &container, err);
    return r < 0 ? r : show(container, port, protocol, err);
}

const struct command command_compose_port = {
    .name = "compose port",
    .usage = "[OPTIONS] SERVICE PRIVATE_PORT",
    .summary = "Print the public port for a port binding",
    .options = port_options,
    .flags_size = sizeof(struct port_flags),
    .min_arguments = 2,
    .max_arguments = 2,
    .run = run_port,
};
