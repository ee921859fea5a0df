/*
 * Ports of containers as ranges: a container with ten thousand published ports costs as much as one with one. In memory
 * and in the database entries that follow each other are one; the API's lists are made from that. Pure.
 */
#ifndef DORY_DAEMON_PORT_RANGES_H
#define DORY_DAEMON_PORT_RANGES_H

#include <stdint.h>

#include "base/json_table.h"

#define PORT_NAME_SIZE 24

/* "80/tcp", "80", "8000-8010/UDP". */
struct port_range {
    uint16_t first, last;
    char protocol[5];
};
int port_range_parse(const char *text, struct port_range *ret, struct error *err);

/* ---- names: "80/tcp"; a range is "80-90/tcp" ---- */

/* Sorts by protocol and number, and joins. What is no port stays as it is, in front. */
void port_names_compact(struct strv *names);
/* One name per port, appended. */
void port_names_expand(const struct strv *names, struct strv *ret);

/* ---- bindings: struct port_binding (host_config.h) ---- */

/* Those of one port keep their order. */
void port_bindings_compact(struct json_array *bindings);
/* Makes every entry one port. */
void port_bindings_expand(struct json_array *bindings);
void port_bindings_release(struct json_array *bindings);
/* The API's {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}, of bindings that are sorted as port_bindings_compact()
 * leaves them. */
void port_bindings_write(const struct json_array *bindings, struct json_writer *w);

/* ---- sets of ports ---- */

struct port_set {
    uint64_t bits[3][(UINT16_MAX + 1) / 64];
};
/* False for a protocol that is none. */
bool port_set_has(const struct port_set *set, unsigned port, const char *protocol);
void port_set_add(struct port_set *set, unsigned port, const char *protocol);

#endif
