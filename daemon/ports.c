#include <errno.h>

#include "base/parse.h"
#include "daemon/engine_internal.h"

struct port_list {
    struct network_port *items;
    size_t count, capacity;
};

void port_format(const struct network_port *port, char *buf, size_t size)
{
    snprintf(buf, size, "%u/%s", port->container_port, port->protocol);
}

static void port_list_release(struct port_list *list)
{
    free(list->items);
}

/* "80/tcp", "80", "8000-8010/udp" */
static int parse_port(const char *text, uint16_t *ret_first, uint16_t *ret_last, char protocol[8], struct error *err)
{
    const char *slash = strchr(text, '/');
    const char *proto = slash ? slash + 1 : "tcp";
    if (strcmp(proto, "tcp") != 0 && strcmp(proto, "udp") != 0 && strcmp(proto, "sctp") != 0)
        return error_set(err, ERROR_INVALID, 0, "invalid proto: %s", proto);
    CLEANUP_FREE char *numbers = xstrndup(text, slash ? (size_t)(slash - text) : strlen(text));
    char *dash = strchr(numbers, '-');
    if (dash != NULL)
        *dash++ = '\0';
    int64_t first, last;
    if (parse_int64(numbers, 1, 65535, &first) < 0 || (dash != NULL && parse_int64(dash, first, 65535, &last) < 0))
        return error_set(err, ERROR_INVALID, 0, "invalid port specification: \"%s\"", text);
    *ret_first = (uint16_t)first;
    *ret_last = dash ? (uint16_t)last : (uint16_t)first;
    snprintf(protocol, 8, "%s", proto);
    return 0;
}

static int parse_host_port(const char *text, uint16_t *ret_first, uint16_t *ret_last, struct error *err)
{
    *ret_first = *ret_last = 0;
    if (text == NULL || *text == '\0')
        return 0;
    CLEANUP_FREE char *numbers = xstrdup(text);
    char *dash = strchr(numbers, '-');
    if (dash != NULL)
        *dash++ = '\0';
    int64_t first, last;
    if (parse_int64(numbers, 0, 65535, &first) < 0 || (dash != NULL && parse_int64(dash, first, 65535, &last) < 0))
        return error_set(err, ERROR_INVALID, 0, "invalid port specification: \"%s\"", text);
    *ret_first = (uint16_t)first;
    *ret_last = dash ? (uint16_t)last : (uint16_t)first;
    return 0;
}

/* Every port of every protocol: tens of thousands may be exposed. */
struct port_set {
    bool tcp[UINT16_MAX + 1], udp[UINT16_MAX + 1], sctp[UINT16_MAX + 1];
};

static bool *port_set_entry(struct port_set *set, uint16_t port, const char *protocol)
{
    bool *ports = strcmp(protocol, "tcp") == 0 ? set->tcp : strcmp(protocol, "udp") == 0 ? set->udp : set->sctp;
    return &ports[port];
}

static void add(struct port_list *list, uint16_t port, const char *protocol, const char *address, uint16_t first,
                uint16_t last)
{
    xgrow((void **)&list->items, list->count, &list->capacity, sizeof(*list->items));
    struct network_port *p = &list->items[list->count++];
    *p = (struct network_port){.container_port = port, .host_port = first, .host_port_end = last > first ? last : 0};
    snprintf(p->protocol, sizeof(p->protocol), "%s", protocol);
    snprintf(p->host_address, sizeof(p->host_address), "%s", address ? address : "");
}

/* "--publish-all": what is exposed and has no binding of its own. */
static void add_unbound(struct port_list *list, struct port_set *bound, uint16_t first, uint16_t last,
                        const char *protocol)
{
    for (unsigned port = first; port <= last; port++) {
        bool *has = port_set_entry(bound, (uint16_t)port, protocol);
        if (!*has)
            add(list, (uint16_t)port, protocol, "", 0, 0);
        *has = true;
    }
}

int ports_collect(const struct container_config *config, const struct host_config *host, struct network_port **ret,
                  size_t *ret_count, struct error *err)
{
    CLEANUP(port_list_release) struct port_list list = {0};
    CLEANUP_FREE struct port_set *bound =
        host->publish_all_ports && config->exposed_ports.count > 0 ? xcalloc(1, sizeof(*bound)) : NULL;
    const struct port_binding *bindings = host->port_bindings.items;
    uint16_t first = 0, last = 0, host_first = 0, host_last = 0;
    char protocol[8];
    for (size_t i = 0; i < host->port_bindings.count; i++) {
        int r = parse_port(bindings[i].port, &first, &last, protocol, err);
        if (r == 0)
            r = parse_host_port(bindings[i].host_port, &host_first, &host_last, err);
        if (r < 0)
            return r;
        if (strlen(bindings[i].host_ip) >= sizeof(list.items->host_address))
            return error_set(err, ERROR_INVALID, 0, "invalid IP address: %s", bindings[i].host_ip);
        add(&list, first, protocol, bindings[i].host_ip, host_first, host_last);
    }
    for (size_t i = 0; bound != NULL && i < list.count; i++)
        *port_set_entry(bound, list.items[i].container_port, list.items[i].protocol) = true;
    for (size_t i = 0; i < config->exposed_ports.count; i++) {
        int r = parse_port(config->exposed_ports.items[i], &first, &last, protocol, err);
        if (r < 0)
            return r;
        if (bound != NULL)
            add_unbound(&list, bound, first, last, protocol);
    }
    if (list.count > 0)
        list.items = xreallocarray(list.items, list.count, sizeof(*list.items)); /* it stays as long as the container */
    *ret_count = list.count;
    *ret = TAKE_PTR(list.items);
    return 0;
}
