/* Connecting a container to a network and disconnecting it, whether it runs or not. */
#include <errno.h>
#include <fcntl.h>

#include "base/fd.h"
#include "base/log.h"
#include "daemon/container_networks.h"
#include "daemon/engine_internal.h"

/* The namespace of one that runs; -1: it does not. Lock held. */
static int open_namespace(const struct container *c, int *ret, struct error *err)
{
    *ret = -1;
    if (!container_state_is_running(c->state) || c->pid == 0)
        return 0;
    CLEANUP_FREE char *path = xasprintf("/proc/%d/ns/net", c->pid);
    *ret = open(path, O_RDONLY | O_CLOEXEC);
    return *ret < 0 ? error_errno(err, errno, "network namespace of container %s", c->id) : 0;
}

static int check_mode(const struct container *c, const struct network_identity *network, struct error *err)
{
    const char *mode = c->host.network_mode;
    if (strncmp(mode, "container:", 10) == 0 || strcmp(mode, "host") == 0)
        return error_set(err, ERROR_INVALID, 0,
                         "container sharing network namespace with another container or host cannot be connected to "
                         "any other network");
    if (strcmp(network->name, "host") == 0)
        return error_set(err, ERROR_INVALID, 0,
                         "cannot connect container to host network - container must be created in host network mode");
    return 0;
}

/* One that is private, or more than one network. Lock held. */
static bool conflicts_with_none(const struct container *c, const struct network_identity *network)
{
    bool none = strcmp(network->name, "none") == 0 && c->network_count > 0;
    for (size_t i = 0; i < c->network_count; i++)
        none = none || strcmp(c->networks[i].name, "none") == 0;
    return none;
}

/* The container may have ended meanwhile: what it got then goes as the rest went. */
void container_keep_sandbox(struct engine *engine, struct container *c, struct network_sandbox *sandbox)
{
    pthread_mutex_lock(&c->lock);
    bool running = container_state_is_running(c->state);
    if (running) {
        network_sandbox_release(&c->sandbox);
        c->sandbox = *sandbox;
    }
    pthread_mutex_unlock(&c->lock);
    if (running)
        return;
    network_detach(engine->networks, c->id);
    network_sandbox_release(sandbox);
}

/* Ports wait for the first network that they can be published on, and for one that has another way of doing so. */
static void publish_late(struct engine *engine, const struct container *c, struct network_sandbox *sandbox)
{
    struct error err = {0};
    if ((sandbox->port_count > 0 && !sandbox->republish) || c->port_count == 0 || !sandbox->gateway_network[0])
        return;
    sandbox->republish = true;
    if (network_set_ports(engine->networks, c->id, c->ports, c->port_count, sandbox, &err) < 0)
        log_warn("container %s: publishing its ports: %s", c->id, err.message);
}

/* With the turn: nobody else changes the container's networks. */
static int connect_running(struct engine *engine, struct container *c, int netns_fd, const char *network_id,
                           const struct endpoint_settings *settings, struct error *err)
{
    CLEANUP_STRV struct strv aliases = STRV_INIT;
    struct network_attachment attachment;
    struct network_sandbox sandbox;
    container_networks_attachment(c, settings, &aliases, &attachment);
    attachment.network_id = network_id;
    pthread_mutex_lock(&c->lock);
    network_sandbox_copy(&sandbox, &c->sandbox);
    pthread_mutex_unlock(&c->lock);
    CLEANUP_FREE char *name = container_slash_name(engine, c);
    int r = network_connect(engine->networks, c->id, name + 1, netns_fd, &attachment, &sandbox, err);
    if (r == 0)
        publish_late(engine, c, &sandbox);
    container_keep_sandbox(engine, c, &sandbox);
    return r;
}

static int connect_with_turn(struct engine *engine, struct container *c, const struct network_identity *network,
                             struct endpoint_settings *settings, struct error *err)
{
    CLEANUP_CLOSE int netns_fd = -1;
    CLEANUP_FREE char *own_name = container_slash_name(engine, c);
    pthread_mutex_lock(&c->lock);
    int r = open_namespace(c, &netns_fd, err);
    bool there = container_networks_find(c, network->id) != NULL; /* one that is stopped gets other settings there */
    if (r == 0 && there && netns_fd >= 0)
        r = error_set(err, ERROR_FORBIDDEN, 0, "endpoint with name %s already exists in network %s", own_name + 1,
                      network->name);
    if (r == 0 && !there && conflicts_with_none(c, network))
        r = error_set(err, ERROR_INVALID, 0,
                      "container cannot be connected to multiple networks with one of the networks in private (none) "
                      "mode");
    pthread_mutex_unlock(&c->lock);
    if (r == 0 && netns_fd >= 0)
        r = connect_running(engine, c, netns_fd, network->id, settings, err);
    if (r < 0)
        return r;
    pthread_mutex_lock(&c->lock);
    container_networks_add(c, network, settings);
    store_save_state(engine, c);
    pthread_mutex_unlock(&c->lock);
    container_etc_refresh(engine, c);
    if (netns_fd >= 0)
        container_networks_event(engine, c, network->id, "connect");
    return 0;
}

int container_connect(struct engine *engine, struct container *c, const char *name, const struct json *value,
                      struct error *err)
{
    CLEANUP_NETWORK_IDENTITY struct network_identity network = {0};
    struct endpoint_settings settings = {0};
    int r = network_registry_find(engine->registry, name, &network, err);
    if (r == 0)
        r = check_mode(c, &network, err);
    if (r == 0)
        r = endpoint_settings_decode(value, &settings, err);
    if (r == 0)
        r = container_networks_check(&network, &settings, false, err);
    if (r == 0)
        r = container_turn_begin(c, CONTAINER_NETWORK, c->id, err);
    if (r == 0) {
        r = connect_with_turn(engine, c, &network, &settings, err);
        container_turn_end(c);
    }
    endpoint_settings_release(&settings);
    return r;
}

/* There is nothing in it but the name of a network. */
static bool is_bare(const struct network_sandbox *sandbox)
{
    return sandbox->count == 1 && !sandbox->endpoints[0].interface[0];
}

static int disconnect_running(struct engine *engine, struct container *c, int netns_fd, const char *network_id,
                              struct error *err)
{
    struct network_sandbox sandbox;
    pthread_mutex_lock(&c->lock);
    network_sandbox_copy(&sandbox, &c->sandbox);
    pthread_mutex_unlock(&c->lock);
    int r = 0;
    if (is_bare(&sandbox)) /* network none: the manager knows nothing of it */
        sandbox.count = 0;
    else
        r = network_disconnect(engine->networks, c->id, netns_fd, network_id, &sandbox, err);
    if (r == 0)
        publish_late(engine, c, &sandbox);
    container_keep_sandbox(engine, c, &sandbox);
    return r;
}

static int disconnect_with_turn(struct engine *engine, struct container *c, const char *name, const char *network_id,
                                bool force, struct error *err)
{
    CLEANUP_CLOSE int netns_fd = -1;
    struct error failed = {0};
    pthread_mutex_lock(&c->lock);
    int r = container_networks_find(c, network_id) == NULL
                ? error_set(&failed, ERROR_SYSTEM, 0, "container %s is not connected to network %s", c->id, name)
                : open_namespace(c, &netns_fd, &failed);
    bool there = container_networks_find(c, network_id) != NULL;
    bool plugged = network_sandbox_find(&c->sandbox, network_id) != NULL;
    pthread_mutex_unlock(&c->lock);
    if (r == 0 && netns_fd >= 0 && plugged)
        r = disconnect_running(engine, c, netns_fd, network_id, &failed);
    if (r < 0 && !(force && there))
        return error_propagate(err, &failed);
    pthread_mutex_lock(&c->lock);
    container_networks_remove(c, network_id);
    store_save_state(engine, c);
    pthread_mutex_unlock(&c->lock);
    container_etc_refresh(engine, c);
    if (netns_fd >= 0)
        container_networks_event(engine, c, network_id, "disconnect");
    return 0;
}

static int check_leaving(const struct container *c, const struct network_identity *network, struct error *err)
{
    return strcmp(c->host.network_mode, "host") == 0 && strcmp(network->name, "host") == 0
               ? error_set(err, ERROR_INVALID, 0,
                           "cannot disconnect container from host network - container was created in host network mode")
               : 0;
}

int container_disconnect(struct engine *engine, struct container *c, const char *name, bool force, struct error *err)
{
    CLEANUP_NETWORK_IDENTITY struct network_identity network = {0};
    int r = network_registry_find(engine->registry, name, &network, err);
    if (r == 0)
        r = check_leaving(c, &network, err);
    if (r == 0)
        r = container_turn_begin(c, CONTAINER_NETWORK, c->id, err);
    if (r == 0) {
        r = disconnect_with_turn(engine, c, network.name, network.id, force, err);
        container_turn_end(c);
    }
    return r;
}
