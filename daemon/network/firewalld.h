/*
 * firewalld beside us: its table refuses at its end whatever is forwarded out of an interface that no zone of it
 * trusts, and no rule of ours can accept what another table refuses. So our bridges are put into its zone "trusted",
 * over D-Bus, as podman does with its subnets; an interface that the administrator has put into another zone stays
 * there. firewalld is left alone where its nftables table is not there: nothing is started by asking.
 */
#ifndef DORY_DAEMON_NETWORK_FIREWALLD_H
#define DORY_DAEMON_NETWORK_FIREWALLD_H

#include <stdbool.h>

#include "daemon/network/firewall.h"

/* The name of its nftables table. */
#define FIREWALLD_TABLE "firewalld"
/* With its iptables backend: a chain that it always makes in the table "filter". */
#define FIREWALLD_CHAIN "FORWARD_direct"

/* Puts the bridges of those networks that are not internal into the zone. Blocks for as long as firewalld takes; when
 * an answer takes 10 seconds it is given up. What fails is logged. Hold no lock. */
void firewalld_admit(const struct firewall_network *networks, size_t count);
/* Takes the bridge out of the zone. */
void firewalld_forget(const struct firewall_network *network);

#endif
