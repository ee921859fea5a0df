/*
 * A small internet for tests: the process's own network namespace is the host, a second one stands for another host
 * that is connected by a cable. Programs in containers are children of the test.
 */
#ifndef DORY_TESTS_NETWORK_RIG_H
#define DORY_TESTS_NETWORK_RIG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/network/network.h"

#define RIG_HOST "198.51.100.1" /* the host on the cable */
#define RIG_REMOTE                                                                                                     \
    "198.51.100.2" /* the other host; it has a route to the containers' subnet and to 127/8 over the cable */
#define RIG_SUBNET "10.88.0.0/16"

/* Puts the process into a namespace of its own and makes the other host. Returns the other host's namespace. */
int rig_setup(void);

/* Runs fn in a child in the namespace and returns what it returns (0-255). */
int rig_run_in(int netns, int (*fn)(void *data), void *data);
/* Runs a shell command in the namespace: its exit status. */
int rig_shell_in(int netns, const char *command);

/* A server in the namespace that tells every client the client's address as the server sees it. Ready on return. */
pid_t rig_serve(int netns, int protocol, const char *address, uint16_t port);
void rig_stop(pid_t server);

/*
 * Asks a server from inside the namespace; true and the answer (the address the server saw) within a second.
 * source_port 0: any.
 */
bool rig_ask(int netns, int protocol, const char *address, uint16_t port, uint16_t source_port, char answer[64]);
/* On this port the server goes on sending after its answer, this many bytes in all. */
#define RIG_CHARGEN_PORT 19
#define RIG_CHARGEN_SIZE 200000
/* How many bytes come from the server's RIG_CHARGEN_PORT until it ends or nothing comes for a second. */
int rig_download(int netns, const char *address);
/* One ICMP echo answered within a second. */
bool rig_ping(int netns, const char *address);

/* A container on the bridge or none; fails the test on error. */
struct rig_container {
    char id[65];
    int netns;
    struct network_sandbox sandbox;
    struct network_endpoint endpoint; /* a copy of the first one */
};
struct rig_container rig_container(struct network_manager *manager, const struct network_port *ports, size_t count);
void rig_remove(struct network_manager *manager, struct rig_container *container);

#endif
