#include "daemon/network/names.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "daemon/network/network_internal.h"

/* ---- the index ---- */

struct owner {
    const struct record *record;
    const struct endpoint *endpoint;
};

/* Everybody who has a name or an address. */
struct owners {
    struct owner *items;
    size_t count, capacity;
};

typedef void (*change_fn)(struct network *network, const char *key, const struct owner *owner);

static void enter(struct network *network, const char *key, const struct owner *owner)
{
    struct owners *owners = map_get(&network->names, key);
    if (!owners) {
        owners = xcalloc(1, sizeof(*owners));
        map_set(&network->names, key, owners);
    }
    /* The same name twice for one endpoint (an alias that is the name): those come one after the other. */
    if (owners->count > 0 && owners->items[owners->count - 1].endpoint == owner->endpoint) {
        return;
    }
    xgrow((void **)&owners->items, owners->count, &owners->capacity, sizeof(*owners->items));
    owners->items[owners->count++] = *owner;
}

static void leave(struct network *network, const char *key, const struct owner *owner)
{
    struct owners *owners = map_get(&network->names, key);
    size_t kept = 0;
    for (size_t i = 0; owners && i < owners->count; i++) {
        if (owners->items[i].endpoint != owner->endpoint) {
            owners->items[kept++] = owners->items[i];
        }
    }
    if (owners) {
        owners->count = kept;
    }
    if (owners && kept == 0) {
        map_unset(&network->names, key);
        free(owners->items);
        free(owners);
    }
}

static char *lower(const char *name)
{
    char *copy = xstrdup(name);
    for (char *c = copy; *c; c++) {
        *c = (char)tolower((unsigned char)*c);
    }
    return copy;
}

static void change_name(struct network *network, const char *name, const struct owner *owner, change_fn change)
{
    CLEANUP_FREE char *key = lower(name);
    change(network, key, owner);
}

/* Room for the sign that no name begins with, and an address. */
enum { ADDRESS_KEY_MAX = INET6_ADDRSTRLEN + 1 };

static const char *address_key(int family, uint32_t address, const struct in6_addr *address6, char key[ADDRESS_KEY_MAX])
{
    uint32_t big = htonl(address);
    key[0] = '\n';
    return inet_ntop(family, family == AF_INET ? (const void *)&big : address6, key + 1, ADDRESS_KEY_MAX - 1) ? key
                                                                                                              : "";
}

static void change_all(struct network_manager *manager, const struct record *record, const struct endpoint *e,
                       change_fn change)
{
    char key[ADDRESS_KEY_MAX];
    struct owner owner = {record, e};
    if (e->network == manager->bridge) {
        return; /* no names on the default bridge */
    }
    change_name(e->network, record->name, &owner, change);
    for (size_t i = 0; i < e->aliases.count; i++) {
        change_name(e->network, e->aliases.items[i], &owner, change);
    }
    if (e->address) {
        change(e->network, address_key(AF_INET, e->address, NULL, key), &owner);
    }
    if (!IN6_IS_ADDR_UNSPECIFIED(&e->address6)) {
        change(e->network, address_key(AF_INET6, 0, &e->address6, key), &owner);
    }
}

void names_add(struct network_manager *manager, const struct record *record, const struct endpoint *endpoint)
{
    change_all(manager, record, endpoint, enter);
}

void names_remove(struct network_manager *manager, const struct record *record, const struct endpoint *endpoint)
{
    change_all(manager, record, endpoint, leave);
}

void names_add_all(struct network_manager *manager, const struct record *record)
{
    for (size_t i = 0; i < record->count; i++) {
        names_add(manager, record, record->endpoints[i]);
    }
}

void names_remove_all(struct network_manager *manager, const struct record *record)
{
    for (size_t i = 0; i < record->count; i++) {
        names_remove(manager, record, record->endpoints[i]);
    }
}

void names_release(struct network *network)
{
    size_t i = 0;
    const char *key;
    void *value;
    while (map_next(&network->names, &i, &key, &value)) {
        struct owners *owners = value;
        free(owners->items);
        free(owners);
    }
    map_release(&network->names);
}

/* ---- answers ---- */

static void add(struct resolver_answer *answer, const struct endpoint *e)
{
    answer->known = true;
    if (answer->count < RESOLVER_ANSWERS_MAX && e->address) {
        answer->addresses[answer->count++] = e->address;
    }
    if (!IN6_IS_ADDR_UNSPECIFIED(&e->address6) && answer->count6 < RESOLVER_ANSWERS_MAX) {
        answer->addresses6[answer->count6++] = e->address6;
    }
}

/* "container:alias" of the asker's own: the name that the alias stands for, in lower case, or NULL. The caller frees.
 */
static char *linked_name(const struct endpoint *own, const char *name)
{
    for (size_t i = 0; i < own->links.count; i++) {
        const char *link = own->links.items[i], *colon = strchr(link, ':');
        if (strcasecmp(colon ? colon + 1 : link, name) == 0) {
            CLEANUP_FREE char *target = xstrndup(link, colon ? (size_t)(colon - link) : strlen(link));
            return lower(target);
        }
    }
    return NULL;
}

/* Everybody of the network who has the name; when they are many, another part of them each time. */
static void search_network(const struct network *network, const char *name, unsigned int turn,
                           struct resolver_answer *answer)
{
    const struct owners *owners = map_get(&network->names, name);
    size_t count = owners ? owners->count : 0;
    for (size_t i = 0; i < count && i < RESOLVER_ANSWERS_MAX; i++) {
        add(answer, owners->items[count > RESOLVER_ANSWERS_MAX ? (turn + i) % count : i].endpoint);
    }
}

/* "name", or "name.network" of a network that the asker is on. The first network that knows it answers. */
static void search_name(struct network_manager *manager, const struct record *asker, const char *name,
                        struct resolver_answer *answer)
{
    unsigned int turn = manager->turn++;
    for (size_t i = 0; i < asker->count && !answer->known; i++) {
        const struct network *network = asker->endpoints[i]->network;
        CLEANUP_FREE char *linked = linked_name(asker->endpoints[i], name);
        if (network == manager->bridge) {
            continue;
        }
        search_network(network, linked ? linked : name, turn, answer);
        size_t size = strlen(name), tail = strlen(network->name);
        if (!answer->known && size > tail + 1 && name[size - tail - 1] == '.' &&
            strcasecmp(name + size - tail, network->name) == 0) {
            CLEANUP_FREE char *front = xstrndup(name, size - tail - 1);
            search_network(network, front, turn, answer);
        }
    }
}

/* The containers of the asker's networks that have the address: "name.network". */
static void search_address(const struct network_manager *manager, const struct record *asker, const char *key,
                           struct resolver_answer *answer)
{
    for (size_t i = 0; i < asker->count; i++) {
        const struct network *network = asker->endpoints[i]->network;
        const struct owners *owners = network == manager->bridge ? NULL : map_get(&network->names, key);
        for (size_t j = 0; owners && j < owners->count; j++) {
            answer->known = true;
            strv_addf(&answer->names, "%s.%s", owners->items[j].record->name, network->name);
        }
    }
}

void names_lookup(void *data, const char *container_id, const char *name, int family, uint32_t address,
                  const struct in6_addr *address6, struct resolver_answer *ret)
{
    struct network_manager *manager = data;
    char key[ADDRESS_KEY_MAX];
    pthread_mutex_lock(&manager->lock);
    const struct record *asker = map_get(&manager->records, container_id);
    if (asker) {
        struct gateways gateways = record_gateways(asker);
        ret->may_forward = gateways.v4 || gateways.v6;
        if (family) {
            search_address(manager, asker, address_key(family, address, address6, key), ret);
        } else if (name[0]) {
            search_name(manager, asker, name, ret);
        }
    }
    pthread_mutex_unlock(&manager->lock);
}
