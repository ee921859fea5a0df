/*
 * A network manager with a default bridge in the rig's small internet: made before each test and taken away after it.
 * For programs of one test group: what is here is theirs alone.
 */
#ifndef DORY_TESTS_NETWORK_FIXTURE_H
#define DORY_TESTS_NETWORK_FIXTURE_H

#include <netinet/in.h>

#include "tests/network/rig.h"

#define BRIDGE "rigbr0"
#define TABLE "dory-" BRIDGE
#define GATEWAY "10.88.0.1"

extern int remote; /* the other host's namespace: rig_setup's */
extern struct network_manager *manager;

int fixture_setup(void **state);
int fixture_teardown(void **state);
#define FIXTURE_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

/* Opens the manager (again, after network_manager_close), and says that all containers have been told. */
void fixture_open(void);
void fixture_restored(void);

struct network_port port(const char *protocol, const char *address, uint16_t host, uint16_t container);
/* A container without ports. */
struct rig_container plain(void);
/* The message of an attach that has to fail. */
const char *refused(const struct network_port *ports, size_t count);
/* seen_as: the client's address as the server has to see it; NULL: any. */
void expect_answer(int netns, int protocol, const char *address, uint16_t to, const char *seen_as);
void expect_nothing(int netns, int protocol, const char *address, uint16_t to);
/* For rig_run_in: the errno of a program that wants to listen on port 8080, or 0. */
int listen_on_8080(void *data);
void settle_ms(int ms);

#endif
