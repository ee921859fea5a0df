/* What is left of a network's subnets, for clients. */
#include <arpa/inet.h>

#include "daemon/network/ipam_count.h"
#include "daemon/network/network_internal.h"

static void add4(struct network_subnets *list, const struct ipam *ipam)
{
    struct network_subnet_use *use = &list->items[list->count++];
    ipam_format_subnet(use->subnet, &ipam->subnet);
    use->count = ipam_count(ipam);
}

static void add6(struct network_subnets *list, const struct ipam6 *ipam)
{
    struct network_subnet_use *use = &list->items[list->count++];
    char text[INET6_ADDRSTRLEN];
    inet_ntop(AF_INET6, &ipam->subnet.network, text, sizeof(text));
    snprintf(use->subnet, sizeof(use->subnet), "%s/%d", text, ipam->subnet.prefix);
    use->count = ipam6_count(ipam);
}

void network_subnets(struct network_manager *manager, const char *id, struct network_subnets *ret)
{
    *ret = (struct network_subnets){0};
    pthread_mutex_lock(&manager->lock);
    const struct network *network = network_find(manager, id);
    if (network != NULL) {
        ret->items = xcalloc(network->further_count + network->further6_count + 2, sizeof(*ret->items));
        if (network->ipam.subnet.prefix != 0) {
            add4(ret, &network->ipam);
        }
        for (size_t i = 0; i < network->further_count; i++) {
            add4(ret, &network->further[i]);
        }
        if (network->subnet6.prefix != 0) {
            add6(ret, &network->ipam6);
        }
        for (size_t i = 0; i < network->further6_count; i++) {
            add6(ret, &network->further6[i]);
        }
    }
    pthread_mutex_unlock(&manager->lock);
}

void network_subnets_release(struct network_subnets *subnets)
{
    free(subnets->items);
    *subnets = (struct network_subnets){0};
}
