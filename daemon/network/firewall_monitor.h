/* Notices that somebody has removed our rules ("nft flush ruleset", a firewall that is reloaded), or that iptables'
 * rules have come to stop our packets (firewall_foreign.h), and has ours made again: without them containers would be
 * open to the host's neighbours and published ports dead. One thread, which sleeps. */
#ifndef DORY_DAEMON_NETWORK_FIREWALL_MONITOR_H
#define DORY_DAEMON_NETWORK_FIREWALL_MONITOR_H

#include "base/error.h"
#include "daemon/network/firewall.h"

struct firewall_monitor;

/* bridge: as for firewall_open(). restore(data) makes the rules again and returns 0 or an error. */
int firewall_monitor_start(struct firewall *firewall, const char *bridge, int (*restore)(void *data, struct error *err),
                           void *data, struct firewall_monitor **ret, struct error *err);
/* Waits for the thread. NULL is fine. */
void firewall_monitor_stop(struct firewall_monitor *monitor);

#endif
