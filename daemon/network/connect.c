/* What changes while a container runs: its networks and its published ports. Only the container's own calls change its
 * record, and they do not overlap: the manager's lock is for those who look at it meanwhile. */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "daemon/network/names.h"
#include "daemon/network/network_internal.h"
#include "daemon/network/network_ports.h"

/* The container's record, held: a detach waits until release(). */
static struct record *hold(struct network_manager *manager, const char *container_id)
{
    pthread_mutex_lock(&manager->lock);
    struct record *record;
    while ((record = map_get(&manager->records, container_id)) && record->busy) {
        pthread_cond_wait(&manager->idle, &manager->lock);
    }
    if (record && record->attached) {
        record->busy = true;
    } else {
        record = NULL;
    }
    pthread_mutex_unlock(&manager->lock);
    return record;
}

static void release(struct network_manager *manager, struct record *record)
{
    if (record) {
        pthread_mutex_lock(&manager->lock);
        record->busy = false;
        pthread_cond_broadcast(&manager->idle);
        pthread_mutex_unlock(&manager->lock);
    }
}

enum ports_kind { PORTS_NONE, PORTS_OF_HOST, PORTS_ROUTED };

static enum ports_kind kind_of(const struct endpoint *gateway, enum gateway_mode mode)
{
    return !endpoint_publishes(gateway) ? PORTS_NONE : mode == GATEWAY_ROUTED ? PORTS_ROUTED : PORTS_OF_HOST;
}

/* What was claimed for the one serves the other. */
static bool same_ports(const struct gateways *a, const struct gateways *b)
{
    return kind_of(a->v4, a->v4 ? a->v4->network->gateway_mode : 0) ==
               kind_of(b->v4, b->v4 ? b->v4->network->gateway_mode : 0) &&
           kind_of(a->v6, a->v6 ? a->v6->network->gateway_mode6 : 0) ==
               kind_of(b->v6, b->v6 ? b->v6->network->gateway_mode6 : 0);
}

static void drop_ports(struct network_manager *manager, struct record *record, struct network_sandbox *sandbox)
{
    bool udp;
    ports_withdraw(manager, record, &udp);
    free(sandbox->ports);
    sandbox->ports = NULL;
    sandbox->port_count = 0;
}

/* The claims lead nowhere until they are published again. */
static int withdraw_rules(struct network_manager *manager, struct record *record, struct error *err)
{
    CLEANUP_FREE struct port_claim *claims = NULL;
    pthread_mutex_lock(&manager->lock);
    size_t count = port_table_of(&manager->ports, record, false, &claims);
    port_table_set_target(&manager->ports, record, 0, NULL);
    pthread_mutex_unlock(&manager->lock);
    return count > 0 ? firewall_withdraw(manager->firewall, claims, count, err) : 0;
}

/* The default routes and the ports follow the gateways, when those have become others. Where ports mean something else
 * than before they are the caller's to publish (sandbox->republish). */
static int follow_gateways(struct network_manager *manager, struct record *record, int netns_fd,
                           const struct gateways *before, struct network_sandbox *sandbox, struct error *err)
{
    struct gateways gateways = record_gateways(record);
    if (gateways.v4 == before->v4 && gateways.v6 == before->v6) {
        return 0;
    }
    int r = namespace_set_gateways(&gateways, netns_fd, err);
    if (r < 0) {
        return r;
    }
    if (!gateways_publish(&gateways)) {
        drop_ports(manager, record, sandbox);
        return 0;
    }
    r = withdraw_rules(manager, record, err);
    if (r == 0 && !same_ports(before, &gateways)) {
        sandbox->republish = true;
        return 0;
    }
    return r < 0 ? r : ports_publish(manager, record, &gateways, err);
}

static int disconnect(struct network_manager *manager, struct record *record, struct endpoint *e, int netns_fd,
                      struct network_sandbox *sandbox, struct error *err)
{
    pthread_mutex_lock(&manager->lock);
    struct gateways before = record_gateways(record);
    names_remove(manager, record, e);
    record_remove(record, e);
    record_describe(record, sandbox);
    pthread_mutex_unlock(&manager->lock);
    int r = follow_gateways(manager, record, netns_fd, &before, sandbox, err);
    endpoint_unplug(e, netns_fd);
    endpoint_retire(manager, e, true);
    return r;
}

/* A new endpoint in the namespace, not yet in the record. */
static int plug_new(struct network_manager *manager, struct record *record, int netns_fd,
                    const struct network_attachment *attachment, struct endpoint **ret, struct error *err)
{
    struct endpoint *e;
    int r = endpoint_new(manager, attachment, &e, err);
    if (r < 0) {
        return r;
    }
    r = record_name_interface(record, e, err);
    if (r == 0) {
        r = endpoints_plug(&e, 1, netns_fd, err);
    }
    if (r < 0) {
        endpoint_retire(manager, e, false);
        return r;
    }
    *ret = e;
    return 0;
}

static int connect_record(struct network_manager *manager, struct record *record, int netns_fd,
                          const struct network_attachment *attachment, struct network_sandbox *sandbox,
                          struct error *err)
{
    struct endpoint *e;
    if (record_find(record, attachment->network_id)) {
        return error_set(err, ERROR_FORBIDDEN, 0, "endpoint already exists in network %s", attachment->network_id);
    }
    int r = plug_new(manager, record, netns_fd, attachment, &e, err);
    if (r < 0) {
        return r;
    }
    pthread_mutex_lock(&manager->lock);
    struct gateways before = record_gateways(record);
    record_add(record, e);
    names_add(manager, record, e);
    record_describe(record, sandbox);
    pthread_mutex_unlock(&manager->lock);
    r = follow_gateways(manager, record, netns_fd, &before, sandbox, err);
    if (r == 0) {
        r = record_resolve(manager, record, netns_fd, err);
    }
    if (r < 0) {
        (void)disconnect(manager, record, e, netns_fd, sandbox, NULL);
    }
    return r;
}

int network_connect(struct network_manager *manager, const char *container_id, const char *container_name, int netns_fd,
                    const struct network_attachment *attachment, struct network_sandbox *sandbox, struct error *err)
{
    struct record *record = hold(manager, container_id);
    if (!record) { /* it had no network so far */
        record = record_new(container_id, container_name, NULL);
        record->attached = record->busy = true;
        pthread_mutex_lock(&manager->lock);
        map_set(&manager->records, container_id, record);
        pthread_mutex_unlock(&manager->lock);
    }
    int r = connect_record(manager, record, netns_fd, attachment, sandbox, err);
    release(manager, record);
    return r;
}

int network_disconnect(struct network_manager *manager, const char *container_id, int netns_fd, const char *network_id,
                       struct network_sandbox *sandbox, struct error *err)
{
    struct record *record = hold(manager, container_id);
    struct endpoint *e = record ? record_find(record, network_id) : NULL;
    int r =
        e ? disconnect(manager, record, e, netns_fd, sandbox, err)
          : error_set(err, ERROR_NOT_FOUND, 0, "container %s is not connected to network %s", container_id, network_id);
    release(manager, record);
    return r;
}

static bool same_port(const struct network_port *has, const struct network_port *wanted)
{
    uint16_t last = wanted->host_port_end > wanted->host_port ? wanted->host_port_end : wanted->host_port;
    bool any = !wanted->host_address[0];
    return has->container_port == wanted->container_port &&
           strcmp(has->protocol, wanted->protocol[0] ? wanted->protocol : "tcp") == 0 &&
           (any || strcmp(has->host_address, wanted->host_address) == 0) &&
           (wanted->host_port == 0 || (has->host_port >= wanted->host_port && has->host_port <= last));
}

/* The list that is to be claimed: what is kept stands for itself, with the host port that it has. */
static struct network_port *merge_ports(const struct network_sandbox *sandbox, const struct network_port *ports,
                                        size_t count, size_t *ret_count)
{
    struct network_port *merged = NULL;
    size_t has_count, wanted_count, start = 0;
    CLEANUP_FREE struct network_port *has = network_ports_expand(sandbox->ports, sandbox->port_count, &has_count);
    CLEANUP_FREE struct network_port *wanted = network_ports_expand(ports, count, &wanted_count);
    CLEANUP_FREE bool *used = xcalloc(has_count + 1, sizeof(*used));
    *ret_count = 0;
    for (size_t i = 0; i < wanted_count; i++) {
        for (size_t n = 0; n < has_count; n++) {
            size_t j = (start + n) % has_count; /* both lists have mostly the same order */
            if (!used[j] && same_port(&has[j], &wanted[i])) {
                used[j] = true;
                start = j + 1;
                wanted[i].host_port = has[j].host_port;
                wanted[i].host_port_end = 0;
                break;
            }
        }
        network_ports_add(&merged, ret_count, &wanted[i]);
    }
    return merged;
}

static int set_ports(struct network_manager *manager, struct record *record, const struct network_port *ports,
                     size_t count, struct network_sandbox *sandbox, struct error *err)
{
    struct gateways gateways = record_gateways(record);
    if (!gateways_publish(&gateways)) {
        return error_set(err, ERROR_CONFLICT, 0, "container %s is on no network that ports can be published on",
                         record->container_id);
    }
    size_t merged_count;
    CLEANUP_FREE struct network_port *merged = merge_ports(sandbox, ports, count, &merged_count);
    struct network_sandbox fresh = {.republish = sandbox->republish}, restored = {.republish = sandbox->republish};
    bool udp;
    ports_withdraw(manager, record, &udp);
    pthread_mutex_lock(&manager->lock);
    int r = ports_claim(manager, record, &gateways, merged, merged_count, &fresh, err);
    if (r < 0) { /* back to what it was: those ports have been free for a moment only */
        struct error lost = {0};
        port_table_drop(&manager->ports, record);
        if (ports_claim(manager, record, &gateways, sandbox->ports, sandbox->port_count, &restored, &lost) < 0) {
            log_error("network: container %s: %s", record->container_id, lost.message);
        }
    }
    pthread_mutex_unlock(&manager->lock);
    sandbox->republish = false;
    int published = ports_publish(manager, record, &gateways, r < 0 ? NULL : err);
    free(restored.ports);
    if (r < 0) {
        free(fresh.ports);
        return r;
    }
    free(sandbox->ports);
    sandbox->ports = fresh.ports;
    sandbox->port_count = fresh.port_count;
    return published;
}

int network_set_ports(struct network_manager *manager, const char *container_id, const struct network_port *ports,
                      size_t count, struct network_sandbox *sandbox, struct error *err)
{
    struct record *record = hold(manager, container_id);
    int r = record ? set_ports(manager, record, ports, count, sandbox, err)
                   : error_set(err, ERROR_CONFLICT, 0, "container %s is on no network", container_id);
    release(manager, record);
    return r;
}

void network_rename(struct network_manager *manager, const char *container_id, const char *name)
{
    pthread_mutex_lock(&manager->lock);
    struct record *record = map_get(&manager->records, container_id);
    if (record) {
        /* One that is being attached is not found yet, and will be by the new name. */
        bool known = record->attached;
        if (known) {
            names_remove_all(manager, record);
        }
        xstrset(&record->name, name);
        if (known) {
            names_add_all(manager, record);
        }
    }
    pthread_mutex_unlock(&manager->lock);
}
