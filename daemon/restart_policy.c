#include "daemon/restart_policy.h"

#include <string.h>

bool restart_policy_applies(const struct restart_policy *policy, const struct restart_facts *facts)
{
    const char *name = policy->name ? policy->name : "";
    if (strcmp(name, "always") == 0)
        return facts->daemon_start || !facts->stopped_by_user;
    if (facts->stopped_by_user)
        return false;
    if (strcmp(name, "unless-stopped") == 0)
        return true;
    bool on_unhealthy = strcmp(name, "on-unhealthy") == 0;
    if (strcmp(name, "on-failure") != 0 && !on_unhealthy)
        return false;
    if (facts->exit_code == 0 && !(on_unhealthy && facts->unhealthy))
        return false;
    return policy->maximum_retry_count == 0 || facts->restart_count < policy->maximum_retry_count;
}

bool restart_policy_wants_healthy(const struct restart_policy *policy)
{
    return policy->name != NULL && strcmp(policy->name, "on-unhealthy") == 0;
}

int64_t restart_policy_delay(int64_t ran_ns, int *failures)
{
    if (ran_ns >= RESTART_RESET_NS)
        *failures = 0;
    int64_t delay = RESTART_DELAY_FIRST_MS;
    for (int i = 0; i < *failures && delay < RESTART_DELAY_MAX_MS; i++)
        delay *= 2;
    if (*failures < 1000)
        (*failures)++;
    return delay < RESTART_DELAY_MAX_MS ? delay : RESTART_DELAY_MAX_MS;
}
