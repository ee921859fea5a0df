#include "daemon/network/network_ports.h"

#include <string.h>

#include "base/memory.h"

/* Of both families in turns, and some more. */
enum { LAST = 4 };

static bool continues(const struct network_port *entry, const struct network_port *port)
{
    unsigned int next = entry->more + 1U;
    return entry->container_port + next == port->container_port &&
           (port->host_port == 0 ? entry->host_port == 0
                                 : entry->host_port && entry->host_port + next == port->host_port) &&
           entry->host_port_end == 0 && port->host_port_end == 0 && strcmp(entry->protocol, port->protocol) == 0 &&
           strcmp(entry->host_address, port->host_address) == 0;
}

void network_ports_add(struct network_port **ports, size_t *count, const struct network_port *port)
{
    for (size_t i = *count; i > 0 && *count - i < LAST; i--) {
        if (continues(&(*ports)[i - 1], port)) {
            (*ports)[i - 1].more = (uint16_t)((*ports)[i - 1].more + port->more + 1);
            return;
        }
    }
    *ports = xreallocarray(*ports, *count + 1, sizeof(**ports));
    (*ports)[(*count)++] = *port;
}

size_t network_ports_total(const struct network_port *ports, size_t count)
{
    size_t total = count;
    for (size_t i = 0; i < count; i++) {
        total += ports[i].more;
    }
    return total;
}

struct network_port *network_ports_expand(const struct network_port *ports, size_t count, size_t *ret_count)
{
    size_t n = 0;
    struct network_port *all = xcalloc(network_ports_total(ports, count) + 1, sizeof(*all));
    for (size_t i = 0; i < count; i++) {
        for (unsigned int j = 0; j <= ports[i].more; j++) {
            all[n] = ports[i];
            all[n].more = 0;
            all[n].container_port = (uint16_t)(ports[i].container_port + j);
            all[n++].host_port = (uint16_t)(ports[i].host_port ? ports[i].host_port + j : 0);
        }
    }
    *ret_count = n;
    return all;
}
