/*
 * What a network is: the part of it that lives in the database, in the words of the Engine API's Network object. Plain
 * data; network_complete() says what is valid.
 */
#ifndef DORY_DAEMON_NETWORK_NETWORK_CONFIG_H
#define DORY_DAEMON_NETWORK_NETWORK_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json_table.h"

enum { NETWORK_FURTHER_MAX = 63 };

/* One address family's subnet. Empty strings are NULL. */
struct network_subnet {
    char *subnet;            /* "172.18.0.0/16"; NULL: none (IPv6) or to be chosen (IPv4) */
    char *range;             /* addresses are given out of this part alone */
    char *gateway;           /* NULL: to be chosen */
    bool gateway_chosen;     /* it was, in a subnet that was asked for: clients are not told, as docker's are not */
    struct strmap auxiliary; /* name -> address that is never given out */
    bool chosen;             /* the subnet was chosen, not asked for: no static addresses then, as with docker */
};

struct network_config {
    char *id, *name, *driver;
    int64_t created; /* ns since the epoch */
    bool ipv6, no_ipv4, internal, attachable;
    struct network_subnet v4, v6; /* without the family: kept for clients alone */
    bool v6_first;                /* the order in which clients named them */
    /* struct network_subnet: more subnets of either family (macvlan and ipvlan only). */
    struct json_array further, further6;
    struct strmap options, labels;
    struct strmap ipam_options; /* the default driver has none: kept for clients, as docker does */
    bool ipam_options_asked;    /* also when there are none */
    bool config_only;           /* settings for other networks, and no network itself: nothing of it is made */
    char *config_from;          /* the name of such a one that these settings come from; NULL: none */
    bool interface_made;        /* the interface was not there before the network, and goes with it */
    char *interface;            /* bridge: its name; macvlan, ipvlan: the parent. Filled by network_complete */
};

extern const struct json_table network_config_table;
void network_config_release(struct network_config *config);
/* An empty one more at the end of `further` or `further6`. */
struct network_subnet *network_config_add_subnet(struct json_array *further);

#endif
