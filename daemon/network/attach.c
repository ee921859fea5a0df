/* Containers on networks: attached as a whole when they start, connected and disconnected while they run. */
#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/id.h"
#include "base/log.h"
#include "daemon/network/names.h"
#include "daemon/network/network_internal.h"
#include "daemon/network/resolver.h"

void network_sandbox_release(struct network_sandbox *sandbox)
{
    free(sandbox->endpoints);
    free(sandbox->ports);
    *sandbox = (struct network_sandbox){0};
}

void network_sandbox_copy(struct network_sandbox *to, const struct network_sandbox *from)
{
    *to = *from;
    to->endpoints = xcalloc(from->count + 1, sizeof(*to->endpoints));
    to->ports = xcalloc(from->port_count + 1, sizeof(*to->ports));
    if (from->count > 0) {
        memcpy(to->endpoints, from->endpoints, from->count * sizeof(*to->endpoints));
    }
    if (from->port_count > 0) {
        memcpy(to->ports, from->ports, from->port_count * sizeof(*to->ports));
    }
}

struct network_endpoint *network_sandbox_find(const struct network_sandbox *sandbox, const char *network_id)
{
    for (size_t i = 0; i < sandbox->count; i++) {
        if (strcmp(sandbox->endpoints[i].network_id, network_id) == 0) {
            return &sandbox->endpoints[i];
        }
    }
    return NULL;
}

/* ---- records ---- */

/* Its endpoints are somebody else's by now. */
void record_free(struct record *record)
{
    if (record) {
        free(record->endpoints);
        free(record->container_id);
        free(record->name);
        strv_release(&record->dns);
        free(record);
    }
}

struct record *record_new(const char *container_id, const char *name, const struct strv *dns)
{
    struct record *record = xcalloc(1, sizeof(*record));
    record->container_id = xstrdup(container_id);
    record->name = xstrdup(name);
    if (dns) {
        strv_copy(&record->dns, dns);
    }
    return record;
}

void record_add(struct record *record, struct endpoint *e)
{
    xgrow((void **)&record->endpoints, record->count, &record->capacity, sizeof(struct endpoint *));
    record->endpoints[record->count++] = e;
}

struct endpoint *record_find(const struct record *record, const char *network_id)
{
    for (size_t i = 0; i < record->count; i++) {
        if (strcmp(record->endpoints[i]->network->id, network_id) == 0) {
            return record->endpoints[i];
        }
    }
    return NULL;
}

void record_remove(struct record *record, const struct endpoint *e)
{
    size_t kept = 0;
    for (size_t i = 0; i < record->count; i++) {
        if (record->endpoints[i] != e) {
            record->endpoints[kept++] = record->endpoints[i];
        }
    }
    record->count = kept;
}

static const struct endpoint *find_interface(const struct record *record, const char *name)
{
    for (size_t i = 0; i < record->count; i++) {
        if (strcmp(record->endpoints[i]->interface, name) == 0) {
            return record->endpoints[i];
        }
    }
    return NULL;
}

int record_name_interface(const struct record *record, struct endpoint *e, struct error *err)
{
    const struct endpoint *other = e->interface[0] ? find_interface(record, e->interface) : NULL;
    if (other) {
        return error_set(err, ERROR_CONFLICT, EEXIST, "network %s: interface name %s is that of network %s already",
                         e->network->name, e->interface, other->network->name);
    }
    for (uint16_t n = 0; !e->interface[0] || find_interface(record, e->interface); n++) {
        const char *prefix = e->network->prefix[0] ? e->network->prefix : "eth";
        snprintf(e->interface, sizeof(e->interface), "%.10s%u", prefix, n);
    }
    return 0;
}

static int add_record(struct network_manager *manager, struct record *record, struct error *err)
{
    int r = 0;
    pthread_mutex_lock(&manager->lock);
    if (map_get(&manager->records, record->container_id)) {
        r = error_set(err, ERROR_CONFLICT, 0, "container %s is on the network already", record->container_id);
    } else {
        map_set(&manager->records, record->container_id, record);
    }
    pthread_mutex_unlock(&manager->lock);
    return r;
}

/* Takes the record out of the map, so that of two who detach only one does it. */
static struct record *take_record(struct network_manager *manager, const char *container_id, bool attached)
{
    pthread_mutex_lock(&manager->lock);
    struct record *record;
    while ((record = map_get(&manager->records, container_id)) && record->busy) {
        pthread_cond_wait(&manager->idle, &manager->lock);
    }
    if (record && record->attached == attached) {
        map_unset(&manager->records, container_id);
        names_remove_all(manager, record);
    } else {
        record = NULL;
    }
    pthread_mutex_unlock(&manager->lock);
    return record;
}

/* Everything that the record has is given back; nobody waits for the kernel. */
static void retire_record(struct network_manager *manager, struct record *record)
{
    bool udp;
    if (record->resolved) {
        resolver_remove(manager->resolver, record->container_id);
    }
    ports_withdraw(manager, record, &udp);
    for (size_t i = 0; i < record->count; i++) {
        endpoint_retire(manager, record->endpoints[i], udp);
    }
    record_free(record);
}

/* Lock held. */
void record_describe(const struct record *record, struct network_sandbox *sandbox)
{
    struct gateways gateways = record_gateways(record);
    const struct endpoint *gateway = gateways.v4 ? gateways.v4 : gateways.v6;
    free(sandbox->endpoints);
    sandbox->endpoints = xcalloc(record->count + 1, sizeof(*sandbox->endpoints));
    sandbox->count = record->count;
    for (size_t i = 0; i < record->count; i++) {
        endpoint_describe(record->endpoints[i], &sandbox->endpoints[i]);
    }
    snprintf(sandbox->gateway_network, sizeof(sandbox->gateway_network), "%s", gateway ? gateway->network->id : "");
}

int record_resolve(struct network_manager *manager, struct record *record, int netns_fd, struct error *err)
{
    struct resolver_sockets sockets;
    bool wanted = false;
    for (size_t i = 0; i < record->count; i++) {
        wanted = wanted || record->endpoints[i]->network != manager->bridge;
    }
    if (!wanted || record->resolved) {
        return 0;
    }
    int r = resolver_sockets_open(netns_fd, &sockets, err);
    if (r == 0) {
        r = resolver_add(manager->resolver, record->container_id, &sockets, &record->dns, err);
    }
    record->resolved = r == 0;
    return r;
}

/* ---- attaching ---- */

static int make_bare(const struct network_request *request, struct error *err)
{
    CLEANUP_CLOSE int fd = request->make_namespace(request->make_data, err);
    int r = fd < 0 ? fd : namespace_prepare(fd, err);
    return r < 0 ? r : TAKE_FD(fd);
}

static int take_bare(struct network_manager *manager, const struct network_request *request, int *ret_netns_fd,
                     struct error *err)
{
    struct namespace ns;
    if (request->make_namespace != NULL) {
        *ret_netns_fd = make_bare(request, err);
        return *ret_netns_fd < 0 ? *ret_netns_fd : 0;
    }
    int r = pool_take(manager->pool, POOL_BARE, &ns, err);
    if (r == 0) {
        *ret_netns_fd = TAKE_FD(ns.netns);
        namespace_release(&ns);
    }
    return r;
}

static int attach_none(struct network_manager *manager, const struct network_request *request, int *ret_netns_fd,
                       struct network_sandbox *ret, struct error *err)
{
    int r = take_bare(manager, request, ret_netns_fd, err);
    if (r < 0) {
        return r;
    }
    *ret = (struct network_sandbox){.endpoints = xcalloc(1, sizeof(*ret->endpoints)), .count = 1};
    network_predefined_id(manager, "none", ret->endpoints[0].network_id);
    id_generate(ret->endpoints[0].endpoint_id);
    return 0;
}

/* A namespace of the pool is a ready endpoint of the default bridge. */
static int take_warm(struct network_manager *manager, const struct network_attachment *attachment, int *ret_netns_fd,
                     struct endpoint **ret, struct error *err)
{
    struct namespace ns;
    uint8_t mac[6];
    int r = attachment->mac ? endpoint_parse_mac(attachment->mac, mac, err) : 0;
    if (r == 0) {
        r = pool_take(manager->pool, POOL_BRIDGE, &ns, err);
    }
    if (r < 0) {
        return r;
    }
    struct endpoint *e = xcalloc(1, sizeof(*e));
    *e = (struct endpoint){.address = ns.address.v4,
                           .address6 = ns.address.v6,
                           .host_index = ns.host_index,
                           .priority = attachment->priority};
    id_generate(e->id);
    memcpy(e->host_name, ns.host_name, sizeof(e->host_name));
    snprintf(e->interface, sizeof(e->interface), "eth0");
    pthread_mutex_lock(&manager->lock);
    e->network = network_ref(manager->bridge);
    manager->bridge->endpoints++;
    pthread_mutex_unlock(&manager->lock);
    if (attachment->mac) {
        r = namespace_set_mac(&ns, mac, err);
    }
    memcpy(e->mac, ns.mac, sizeof(e->mac));
    if (r < 0) {
        endpoint_retire(manager, e, false);
        namespace_release(&ns);
        return r;
    }
    *ret_netns_fd = TAKE_FD(ns.netns);
    namespace_release(&ns);
    *ret = e;
    return 0;
}

/* The pool's namespaces have what docker gives on the default bridge: nothing that could be asked for. */
static bool can_be_warm(const struct network_manager *manager, const struct network_attachment *attachment)
{
    bool options = attachment->options && attachment->options->count > 0;
    bool link_local = attachment->link_local && attachment->link_local->count > 0;
    return strcmp(attachment->network_id, manager->bridge->id) == 0 && !attachment->address && !attachment->address6 &&
           !options && !link_local;
}

/* The resolver answers other containers from the record meanwhile. */
static int add_endpoint(struct network_manager *manager, struct record *record, struct endpoint *e, struct error *err)
{
    pthread_mutex_lock(&manager->lock);
    int r = record_name_interface(record, e, err);
    if (r == 0) {
        record_add(record, e);
    }
    pthread_mutex_unlock(&manager->lock);
    if (r < 0) {
        endpoint_retire(manager, e, false);
    }
    return r;
}

/* Namespace, interfaces and default route. On failure the record keeps what it got. */
static int connect_all(struct network_manager *manager, struct record *record, const struct network_request *request,
                       const struct network_attachment *attachments, size_t count, int *ret_netns_fd, struct error *err)
{
    struct endpoint *e;
    bool warm = request->make_namespace == NULL && can_be_warm(manager, &attachments[0]);
    int r = warm ? take_warm(manager, &attachments[0], ret_netns_fd, &e, err)
                 : take_bare(manager, request, ret_netns_fd, err);
    if (r == 0 && warm) {
        r = add_endpoint(manager, record, e, err);
    }
    for (size_t i = warm; r == 0 && i < count; i++) {
        r = endpoint_new(manager, &attachments[i], &e, err);
        if (r == 0) {
            r = add_endpoint(manager, record, e, err);
        }
    }
    if (r == 0 && record->count > warm) {
        r = endpoints_plug(record->endpoints + warm, record->count - warm, *ret_netns_fd, err);
        if (r == 0) {
            struct gateways gateways = record_gateways(record);
            r = namespace_set_gateways(&gateways, *ret_netns_fd, err);
        }
    }
    return r;
}

/* Ports are claimed before anything is made: on the networks that will be the gateways. */
static int claim_ports(struct network_manager *manager, struct record *record, const struct network_request *request,
                       const struct network_attachment *attachments, size_t count, struct network_sandbox *sandbox,
                       struct error *err)
{
    struct endpoint *guesses = xcalloc(count, sizeof(*guesses));
    struct record probe = {.count = 0};
    pthread_mutex_lock(&manager->lock);
    for (size_t i = 0; i < count; i++) {
        guesses[i].network = network_find(manager, attachments[i].network_id);
        guesses[i].priority = attachments[i].priority;
        if (guesses[i].network) {
            guesses[i].address6.s6_addr[15] = guesses[i].network->subnet6.prefix ? 1 : 0; /* it will have one */
            record_add(&probe, &guesses[i]);
        }
    }
    struct gateways gateways = record_gateways(&probe);
    int r = gateways_publish(&gateways)
                ? ports_claim(manager, record, &gateways, request->ports, request->port_count, sandbox, err)
                : 0;
    pthread_mutex_unlock(&manager->lock);
    free(probe.endpoints);
    free(guesses);
    return r;
}

static int publish(struct network_manager *manager, struct record *record, struct error *err)
{
    struct gateways gateways = record_gateways(record);
    return gateways_publish(&gateways) ? ports_publish(manager, record, &gateways, err) : 0;
}

static int attach(struct network_manager *manager, struct record *record, const struct network_request *request,
                  const struct network_attachment *attachments, size_t count, int *ret_netns_fd,
                  struct network_sandbox *sandbox, struct error *err)
{
    CLEANUP_CLOSE int netns_fd = -1;
    int r = claim_ports(manager, record, request, attachments, count, sandbox, err);
    if (r == 0) {
        r = connect_all(manager, record, request, attachments, count, &netns_fd, err);
    }
    if (r == 0) {
        r = record_resolve(manager, record, netns_fd, err);
    }
    if (r == 0) {
        r = publish(manager, record, err);
    }
    if (r < 0) {
        return r;
    }
    pthread_mutex_lock(&manager->lock);
    record->attached = true;
    names_add_all(manager, record);
    record_describe(record, sandbox);
    pthread_mutex_unlock(&manager->lock);
    *ret_netns_fd = TAKE_FD(netns_fd);
    return 0;
}

int network_attach(struct network_manager *manager, const struct network_request *request, const char *container_name,
                   int *ret_netns_fd, struct network_sandbox *ret, struct error *err)
{
    if (request->attachment_count == 0 && (request->mode == NETWORK_NONE || manager->no_bridge)) {
        return attach_none(manager, request, ret_netns_fd, ret, err);
    }
    struct network_attachment on_bridge = {.network_id = manager->bridge->id, .mac = request->mac};
    const struct network_attachment *attachments = request->attachment_count ? request->attachments : &on_bridge;
    struct network_sandbox sandbox = {0};
    struct record *record = record_new(request->container_id, container_name, request->dns);
    int r = add_record(manager, record, err);
    if (r < 0) {
        record_free(record);
        return r;
    }
    size_t count = request->attachment_count ? request->attachment_count : 1;
    struct error failed = {0};
    r = attach(manager, record, request, attachments, count, ret_netns_fd, &sandbox, &failed);
    if (r < 0) {
        char id[65];
        id_generate(id);
        if (request->port_count > 0 && failed.kind != ERROR_FORBIDDEN) {
            r = error_context(&failed, "driver failed programming external connectivity on endpoint %s (%s)",
                              container_name, record->count ? record->endpoints[0]->id : id);
        }
        take_record(manager, request->container_id, false);
        retire_record(manager, record);
        network_sandbox_release(&sandbox);
        return error_propagate(err, &failed);
    }
    *ret = sandbox;
    return 0;
}

void network_detach(struct network_manager *manager, const char *container_id)
{
    struct record *record = take_record(manager, container_id, true);
    if (record) {
        retire_record(manager, record);
    }
}

/* ---- after a restart ---- */

static const struct network_attachment *find_attachment(const struct network_request *request, const char *network_id)
{
    for (size_t i = 0; i < request->attachment_count; i++) {
        if (strcmp(request->attachments[i].network_id, network_id) == 0) {
            return &request->attachments[i];
        }
    }
    return NULL;
}

/* Lock held. What was taken before a failure is the record's. */
static int restore_endpoints(struct network_manager *manager, struct record *record,
                             const struct network_request *request, const struct network_sandbox *sandbox,
                             struct error *err)
{
    static const struct network_attachment nothing_asked;
    int r = 0;
    for (size_t i = 0; r == 0 && i < sandbox->count; i++) {
        const struct network_attachment *attachment = find_attachment(request, sandbox->endpoints[i].network_id);
        struct endpoint *e;
        if (!sandbox->endpoints[i].address[0] && !sandbox->endpoints[i].address6[0]) {
            continue; /* without network */
        }
        r = endpoint_restore(manager, &sandbox->endpoints[i], attachment ? attachment : &nothing_asked, &e, err);
        if (r == 0) {
            record_add(record, e);
        }
    }
    return r < 0 ? r : ports_restore(manager, record, sandbox->ports, sandbox->port_count, err);
}

/* Endpoints with nothing behind them. */
static void drop_lost(struct network_sandbox *sandbox)
{
    size_t kept = 0;
    for (size_t i = 0; i < sandbox->count; i++) {
        const struct network_endpoint *e = &sandbox->endpoints[i];
        if (!e->host_interface[0] || link_index(e->host_interface)) {
            sandbox->endpoints[kept++] = *e;
        }
    }
    sandbox->count = kept;
}

int network_restore(struct network_manager *manager, const struct network_request *request, const char *container_name,
                    int netns_fd, struct network_sandbox *sandbox, struct error *err)
{
    drop_lost(sandbox);
    struct record *record = record_new(request->container_id, container_name, request->dns);
    int r = add_record(manager, record, err);
    if (r < 0) {
        record_free(record);
        return r;
    }
    pthread_mutex_lock(&manager->lock);
    r = restore_endpoints(manager, record, request, sandbox, err);
    size_t record_count = record->count;
    if (r == 0 && record_count > 0) {
        record->attached = true;
        names_add_all(manager, record);
    } else {
        map_unset(&manager->records, request->container_id);
        port_table_drop(&manager->ports, record);
        for (size_t i = 0; i < record->count; i++) {
            record->endpoints[i]->network->endpoints--;
            endpoint_free(record->endpoints[i]);
        }
        record_free(record);
    }
    bool running = r == 0 && record_count > 0;
    pthread_mutex_unlock(&manager->lock);
    if (running && netns_fd >= 0) {
        r = record_resolve(manager, record, netns_fd, err);
    }
    return r < 0 ? error_context(err, "restore the network of container %s", request->container_id) : 0;
}
