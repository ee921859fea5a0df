/* State.Health: what is known of a container's health, and the rules by which it changes. Pure. */
#ifndef DORY_DAEMON_HEALTH_STATE_H
#define DORY_DAEMON_HEALTH_STATE_H

#include "base/json_table.h"
#include "daemon/health_config.h"

/* Results that are kept, and bytes of each one's output. */
#define HEALTH_LOG_MAX 5
#define HEALTH_OUTPUT_MAX 4096

enum health_status { HEALTH_NONE, HEALTH_STARTING, HEALTH_HEALTHY, HEALTH_UNHEALTHY };

struct health_result {
    int64_t start, end; /* ns since the epoch */
    int64_t exit_code;  /* -1: could not be run, or took too long */
    char *output;
};

/* Zeroed is HEALTH_NONE: there is no check. */
struct health_state {
    enum health_status status;
    int64_t failing_streak;
    struct json_array log; /* struct health_result, oldest first */
};

/* As inspect shows it, and as it is stored. */
extern const struct json_table health_state_table;
#define health_state_release(h) json_table_release(&health_state_table, (h))
/* "none" "starting" "healthy" "unhealthy" */
const char *health_status_name(enum health_status status);

/* A run of the container begins: former results are kept. */
void health_state_begin(struct health_state *health);
/* It ended. Docker calls what is not watched unhealthy. */
void health_state_stop(struct health_state *health);
/*
 * One result, whose output is taken over; since_start: ns from the container's start to the check's. True when the
 * status has changed.
 */
bool health_state_add(struct health_state *health, const struct health_config *config, int64_t since_start,
                      const struct health_result *result);
/* Until the next check, ns. */
int64_t health_state_pause(const struct health_state *health, const struct health_config *config, int64_t since_start);

#endif
