/*
 * The member IPAM of POST /networks/create: subnets as clients name them, checked in docker's words before anything
 * else looks at them. The checks are pure.
 */
#ifndef DORY_DAEMON_NETWORK_IPAM_REQUEST_H
#define DORY_DAEMON_NETWORK_IPAM_REQUEST_H

#include "base/error.h"
#include "base/json_table.h"
#include "daemon/network/network_config.h"

struct ipam_request {
    char *driver;
    struct json_array pools;
    struct strmap options;
};
extern const struct json_table ipam_request_table;

/*
 * ERROR_INVALID "invalid network config:" with everything that is wrong of the subnets, ranges, gateways and auxiliary
 * addresses: what is no address, not the first of its block, or not of its subnet. Of IPv6 subnets on a network without
 * IPv6 only that they are subnets.
 */
int ipam_request_check(const struct ipam_request *request, bool ipv6, struct error *err);
/* Moves the pools into the configuration, of which they are part afterwards. ERROR_FORBIDDEN when they are too many. */
int ipam_request_take(struct ipam_request *request, struct network_config *config, struct error *err);

#endif
