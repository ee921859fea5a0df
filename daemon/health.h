/*
 * The monitor of health checks: one thread for all containers, which exists from the first container with a check on.
 * It waits for timers and for the output of checks that run, and never for one container alone.
 */
#ifndef DORY_DAEMON_HEALTH_H
#define DORY_DAEMON_HEALTH_H

#include "base/error.h"

struct engine;
struct container;
struct health_monitor;

struct health_monitor *health_monitor_new(struct engine *engine);
void health_monitor_free(struct health_monitor *monitor); /* NULL is fine */

/*
 * The container runs (began, or was found running): watches it until this run ends, instead of a former run. A
 * container without a check is left alone. Its health is "starting" already, or what it was before the daemon's
 * restart.
 */
void health_watch(struct health_monitor *monitor, struct container *container);

#endif
