#include <errno.h>

#include "base/parse.h"
#include "daemon/engine_internal.h"
#include "daemon/network/network_ports.h"
#include "daemon/port_ranges.h"

struct port_list {
    struct network_port *items;
    size_t count;
};

static void port_list_release(struct port_list *list)
{
    free(list->items);
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
    uint64_t first, last = 0;
    if (parse_uint64(numbers, UINT16_MAX, &first) < 0 ||
        (dash != NULL && (parse_uint64(dash, UINT16_MAX, &last) < 0 || last < first)))
        return error_set(err, ERROR_INVALID, 0, "invalid port specification: \"%s\"", text);
    *ret_first = (uint16_t)first;
    *ret_last = dash ? (uint16_t)last : (uint16_t)first;
    return 0;
}

static void add(struct port_list *list, const struct port_range *range, const char *address, uint16_t first,
                uint16_t last)
{
    struct network_port p = {.container_port = range->first,
                             .more = (uint16_t)(range->last - range->first),
                             .host_port = first,
                             .host_port_end = last > first ? last : 0};
    snprintf(p.protocol, sizeof(p.protocol), "%s", range->protocol);
    snprintf(p.host_address, sizeof(p.host_address), "%s", address ? address : "");
    network_ports_add(&list->items, &list->count, &p);
}

/* "--publish-all": what is exposed and has no binding of its own. */
static void add_unbound(struct port_list *list, struct port_set *bound, const struct port_range *range)
{
    for (unsigned port = range->first; port <= range->last; port++) {
        struct port_range one = *range;
        one.first = one.last = (uint16_t)port;
        if (!port_set_has(bound, port, range->protocol))
            add(list, &one, "", 0, 0);
        port_set_add(bound, port, range->protocol);
    }
}

static int add_binding(struct port_list *list, const struct port_binding *b, struct error *err)
{
    struct port_range range;
    uint16_t host_first = 0, host_last = 0;
    int r = port_range_parse(b->port, &range, err);
    if (r == 0)
        r = parse_host_port(b->host_port, &host_first, &host_last, err);
    if (r < 0)
        return r;
    if (strlen(b->host_ip) >= sizeof(list->items->host_address))
        return error_set(err, ERROR_INVALID, 0, "invalid IP address: %s", b->host_ip);
    if (b->more > UINT16_MAX - (uint32_t)range.first || (host_first > 0 && b->more > UINT16_MAX - (uint32_t)host_first))
        return error_set(err, ERROR_INVALID, 0, "invalid port specification: \"%s\" and %u more", b->port, b->more);
    range.last = (uint16_t)(range.first + b->more);
    add(list, &range, b->host_ip, host_first, host_last);
    return 0;
}

static void mark_bound(const struct port_list *list, struct port_set *bound)
{
    for (size_t i = 0; i < list->count; i++)
        for (unsigned n = 0; n <= list->items[i].more; n++)
            port_set_add(bound, list->items[i].container_port + n, list->items[i].protocol);
}

int ports_collect(const struct container_config *config, const struct host_config *host, struct network_port **ret,
                  size_t *ret_count, struct error *err)
{
    CLEANUP(port_list_release) struct port_list list = {0};
    CLEANUP_FREE struct port_set *bound =
        host->publish_all_ports && config->exposed_ports.count > 0 ? xcalloc(1, sizeof(*bound)) : NULL;
    const struct port_binding *bindings = host->port_bindings.items;
    for (size_t i = 0; i < host->port_bindings.count; i++) {
        int r = add_binding(&list, &bindings[i], err);
        if (r < 0)
            return r;
    }
    if (bound != NULL)
        mark_bound(&list, bound);
    for (size_t i = 0; i < config->exposed_ports.count; i++) {
        struct port_range range;
        int r = port_range_parse(config->exposed_ports.items[i], &range, err);
        if (r < 0)
            return r;
        if (bound != NULL)
            add_unbound(&list, bound, &range);
    }
    *ret_count = list.count;
    *ret = TAKE_PTR(list.items);
    return 0;
}
