/* When a container that ended is started again, and how long to wait before. Pure. */
#ifndef DORY_DAEMON_RESTART_POLICY_H
#define DORY_DAEMON_RESTART_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/host_config.h"

#define RESTART_DELAY_FIRST_MS 100
#define RESTART_DELAY_MAX_MS 60000
/* A run at least this long makes the next delay the first one again. */
#define RESTART_RESET_NS (10 * 1000000000LL)

struct restart_facts {
    int exit_code;
    int64_t restart_count;
    bool unhealthy; /* it was ended because of its health */
    bool stopped_by_user;
    bool daemon_start; /* asked when the daemon starts: "always" restarts what was stopped by hand, too */
};
/*
 * Beside docker's policies there is "on-unhealthy": as "on-failure", and a container whose health check has failed for
 * good is ended and started again as well, whatever it says when it ends.
 */
bool restart_policy_applies(const struct restart_policy *policy, const struct restart_facts *facts);

/* An unhealthy container is to be ended. */
bool restart_policy_wants_healthy(const struct restart_policy *policy);

/* *failures counts short runs in a row; updated. Milliseconds. */
int64_t restart_policy_delay(int64_t ran_ns, int *failures);

#endif
