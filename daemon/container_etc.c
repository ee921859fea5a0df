/* hosts, hostname and resolv.conf of a container: what stands in them. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/log.h"
#include "daemon/engine_internal.h"
#include "daemon/etc_files.h"
#include "daemon/links.h"
#include "daemon/userns_remap.h"

/* The addresses that its own name stands for: of every network, IPv4 before IPv6. */
static void add_addresses(const struct network_sandbox *sandbox, struct strv *out)
{
    for (size_t i = 0; i < sandbox->count; i++) {
        if (sandbox->endpoints[i].address[0] != '\0')
            strv_add(out, sandbox->endpoints[i].address);
        if (sandbox->endpoints[i].address6[0] != '\0')
            strv_add(out, sandbox->endpoints[i].address6);
    }
}

/* The host is the bridge, also where default-gateway leads elsewhere; by IPv6 for those that have nothing else. */
static const char *host_gateway(struct engine *engine, const struct network_endpoint *e, char buffer[64])
{
    if (network_bridge_address(engine->networks, e->network_id, buffer))
        return buffer;
    return e->address[0] != '\0' ? e->gateway : e->gateway6;
}

int container_etc_write(struct engine *engine, struct container *c, const struct network_sandbox *sandbox,
                        const struct strv *hosts, struct error *err)
{
    if (mkdirat(engine->etc_fd, c->id, 0710) < 0 && errno != EEXIST)
        return error_errno(err, errno, "%s/%s", engine->etc_dir, c->id);
    CLEANUP_CLOSE int dir = openat(engine->etc_fd, c->id, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir < 0)
        return error_errno(err, errno, "%s/%s", engine->etc_dir, c->id);
    CLEANUP_STRV struct strv addresses = STRV_INIT;
    add_addresses(sandbox, &addresses);
    char bridge[64];
    const struct network_endpoint *gateway = network_sandbox_find(sandbox, sandbox->gateway_network);
    const struct daemon_options *options = engine->options;
    const struct userns_remap *remap = container_remap(engine, c);
    struct etc_files files = {
        .uid = remap != NULL ? remap->root.uid : 0,
        .gid = remap != NULL ? remap->root.gid : 0,
        .hostname = c->config.hostname,
        .domainname = c->config.domainname,
        .addresses = &addresses,
        .gateway = gateway ? host_gateway(engine, gateway, bridge) : NULL,
        .gateways = &options->host_gateway,
        .extra_hosts = hosts,
        .host_network = strcmp(c->host.network_mode, "host") == 0,
        .resolver = container_uses_resolver(c),
        .dns = c->host.dns.count ? &c->host.dns : &options->dns,
        .dns_search = c->host.dns_search.count ? &c->host.dns_search : &options->dns_search,
        .dns_options = c->host.dns_options.count ? &c->host.dns_options : &options->dns_options,
    };
    return etc_files_write(dir, &files, err);
}

void container_etc_refresh(struct engine *engine, struct container *c)
{
    struct network_sandbox sandbox;
    struct error err = {0};
    pthread_mutex_lock(&c->lock);
    bool running = container_state_is_running(c->state);
    network_sandbox_copy(&sandbox, &c->sandbox);
    pthread_mutex_unlock(&c->lock);
    CLEANUP_STRV struct strv hosts = STRV_INIT;
    strv_copy(&hosts, &c->host.extra_hosts);
    (void)links_start(engine, c, &hosts, NULL, NULL); /* those that have ended since are known no more */
    if (running && container_etc_write(engine, c, &sandbox, &hosts, &err) < 0)
        log_error("container %s: %s", c->id, err.message);
    network_sandbox_release(&sandbox);
}
