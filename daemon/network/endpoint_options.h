/*
 * The driver options of one endpoint (DriverOpts of the API's EndpointSettings), as docker 28 has them:
 *   com.docker.network.endpoint.ifname   the interface's name in the container
 *   com.docker.network.endpoint.sysctls  "net.ipv4.conf.IFNAME.log_martians=1,..." for the interface alone
 * and the link-local addresses that it is to have besides its own.
 */
#ifndef DORY_DAEMON_NETWORK_ENDPOINT_OPTIONS_H
#define DORY_DAEMON_NETWORK_ENDPOINT_OPTIONS_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strmap.h"
#include "base/strv.h"

#define ENDPOINT_SYSCTLS "com.docker.network.endpoint.sysctls"

/* A setting below /proc/sys/net/FAMILY/GROUP/INTERFACE/. */
struct endpoint_sysctl {
    char *family, *group, *name, *value;
};

struct endpoint_link_local {
    bool ipv6;
    uint32_t address; /* host byte order */
    struct in6_addr address6;
};

struct endpoint_options {
    char interface[IF_NAMESIZE]; /* "": chosen */
    struct endpoint_sysctl *sysctls;
    size_t sysctl_count;
    struct endpoint_link_local *link_local;
    size_t link_local_count;
};

/* Either may be NULL. What is not known, or not valid, is refused by name (ERROR_INVALID); *ret is the caller's to
 * release when this succeeds. */
int endpoint_options_parse(const struct strmap *driver_options, const struct strv *link_local,
                           struct endpoint_options *ret, struct error *err);
void endpoint_options_release(struct endpoint_options *options);

#endif
