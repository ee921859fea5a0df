/*
 * What a container wants of one network: EndpointSettings of the API, in NetworkingConfig.EndpointsConfig of create and
 * in EndpointConfig of connect. What it has there while it runs is struct network_endpoint.
 */
#ifndef DORY_DAEMON_ENDPOINT_SETTINGS_H
#define DORY_DAEMON_ENDPOINT_SETTINGS_H

#include <stdint.h>

#include "base/json_table.h"

struct endpoint_ipam {
    char *ipv4, *ipv6;
    struct strv link_local;
};

struct endpoint_settings {
    char *name;       /* of the network */
    char *network_id; /* "" or NULL: not known */
    struct endpoint_ipam ipam;
    char *mac;
    struct strv aliases, links;
    struct strmap driver_options;
    int64_t gateway_priority;
};

/* The API's members, and Name and NetworkID: also the form in the database. */
extern const struct json_table endpoint_settings_table;
void endpoint_settings_release(struct endpoint_settings *settings);

/* From the API's object (NULL and null: nothing is wanted). What dory does not do is refused by name. */
int endpoint_settings_decode(const struct json *value, struct endpoint_settings *ret, struct error *err);
/* IPAMConfig as inspect shows it: null when nothing was asked for. */
void endpoint_settings_put_ipam(const struct endpoint_settings *settings, struct json_writer *w);

#endif
