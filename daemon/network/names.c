#include "daemon/network/names.h"

#include <string.h>
#include <strings.h>

#include "daemon/network/network_internal.h"

static void add(struct resolver_answer *answer, const struct endpoint *e)
{
    answer->known = true;
    if (answer->count < RESOLVER_ANSWERS_MAX) {
        answer->addresses[answer->count++] = e->address;
    }
    if (!IN6_IS_ADDR_UNSPECIFIED(&e->address6) && answer->count6 < RESOLVER_ANSWERS_MAX) {
        answer->addresses6[answer->count6++] = e->address6;
    }
}

static bool is_called(const struct record *record, const struct endpoint *e, const char *name)
{
    if (strcasecmp(record->name, name) == 0) {
        return true;
    }
    for (size_t i = 0; i < e->aliases.count; i++) {
        if (strcasecmp(e->aliases.items[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* "container:alias" of the asker's own: the name that the alias stands for, or NULL. The caller frees. */
static char *linked_name(const struct endpoint *own, const char *name)
{
    for (size_t i = 0; i < own->links.count; i++) {
        const char *link = own->links.items[i], *colon = strchr(link, ':');
        if (strcasecmp(colon ? colon + 1 : link, name) == 0) {
            return xstrndup(link, colon ? (size_t)(colon - link) : strlen(link));
        }
    }
    return NULL;
}

/* Everybody of the network who has the name. */
static void search_network(const struct network_manager *manager, const struct network *network, const char *name,
                           struct resolver_answer *answer)
{
    size_t i = 0;
    const char *id;
    void *value;
    while (map_next(&manager->records, &i, &id, &value)) {
        const struct record *record = value;
        for (size_t j = 0; j < record->count; j++) {
            const struct endpoint *e = record->endpoints[j];
            if (e->network == network && record->attached && is_called(record, e, name)) {
                add(answer, e);
            }
        }
    }
}

/* "name", or "name.network" of a network that the asker is on. The first network that knows it answers. */
static void search_name(const struct network_manager *manager, const struct record *asker, const char *name,
                        struct resolver_answer *answer)
{
    for (size_t i = 0; i < asker->count && !answer->known; i++) {
        const struct network *network = asker->endpoints[i]->network;
        CLEANUP_FREE char *linked = linked_name(asker->endpoints[i], name);
        if (network == manager->bridge) {
            continue; /* no names on the default bridge */
        }
        search_network(manager, network, linked ? linked : name, answer);
        size_t size = strlen(name), tail = strlen(network->name);
        if (!answer->known && size > tail + 1 && name[size - tail - 1] == '.' &&
            strcasecmp(name + size - tail, network->name) == 0) {
            CLEANUP_FREE char *front = xstrndup(name, size - tail - 1);
            search_network(manager, network, front, answer);
        }
    }
}

static bool has_address(const struct endpoint *e, int family, uint32_t address, const struct in6_addr *address6)
{
    return family == AF_INET ? e->address == address : IN6_ARE_ADDR_EQUAL(&e->address6, address6);
}

/* The containers of the asker's networks that have the address: "name.network". */
static void search_address(const struct network_manager *manager, const struct record *asker, int family,
                           uint32_t address, const struct in6_addr *address6, struct resolver_answer *answer)
{
    size_t i = 0;
    const char *id;
    void *value;
    while (map_next(&manager->records, &i, &id, &value)) {
        const struct record *record = value;
        for (size_t j = 0; j < record->count; j++) {
            const struct endpoint *e = record->endpoints[j];
            if (e->network != manager->bridge && has_address(e, family, address, address6) &&
                record_find(asker, e->network->id)) {
                answer->known = true;
                strv_addf(&answer->names, "%s.%s", record->name, e->network->name);
            }
        }
    }
}

void names_lookup(void *data, const char *container_id, const char *name, int family, uint32_t address,
                  const struct in6_addr *address6, struct resolver_answer *ret)
{
    struct network_manager *manager = data;
    pthread_mutex_lock(&manager->lock);
    const struct record *asker = map_get(&manager->records, container_id);
    if (asker) {
        ret->may_forward = record_gateway(asker) != NULL;
        if (family) {
            search_address(manager, asker, family, address, address6, ret);
        } else if (name[0]) {
            search_name(manager, asker, name, ret);
        }
    }
    pthread_mutex_unlock(&manager->lock);
}
