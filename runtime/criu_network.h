/*
 * The network lock of criu: while a container is dumped, an nftables table keeps its packets back (--network-lock
 * nftables of criu(8)). Dumped as a part of the network namespace, the table comes back with it, and criu before 4.1
 * looks for one with the name of the new process: all packets would be dropped for ever.
 */
#ifndef DORY_RUNTIME_CRIU_NETWORK_H
#define DORY_RUNTIME_CRIU_NETWORK_H

#include <sys/types.h>

#include "base/error.h"

#define CRIU_LOCK_FILE "network-lock" /* beside the images: the name of the table */
#define CRIU_LOCK_NAME_MAX 64

/* The name of the table of a dump of this process. */
void criu_network_lock_name(pid_t pid, char name[CRIU_LOCK_NAME_MAX]);
/*
 * Removes what a dump has left in the network namespace of `pid`, which is there already (a child of criu's). `name` is
 * the table of the dump; "" for images that do not say it. In a network namespace that is not our own every lock is one
 * of the container's. A table that is no lock of criu's stays, whatever the images say. None, and a kernel without
 * nftables, is no error. Blocks.
 */
int criu_network_unlock(pid_t pid, const char *name, struct error *err);

#endif
