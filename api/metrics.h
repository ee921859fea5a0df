/*
 * Metrics of the daemon in Prometheus' text format (version 0.0.4), under docker's names (engine_daemon_*): what
 * exists, counters, and how long requests that act on containers took. Served over plain HTTP at the address of the
 * setting metrics-addr, GET /metrics.
 */
#ifndef DORY_API_METRICS_H
#define DORY_API_METRICS_H

#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"

struct api_route;
struct engine;
struct metrics;

struct metrics *metrics_new(void);
void metrics_free(struct metrics *metrics); /* NULL is fine */
/* A request that succeeded took so long. Thread-safe. */
void metrics_observe(struct metrics *metrics, const struct api_route *route, int64_t ns);
/* The text of everything. */
void metrics_write(struct metrics *metrics, struct engine *engine, struct strbuf *out);
/* address: "host:port". Once; until metrics_stop(), which comes before the engine's end. */
int metrics_listen(struct metrics *metrics, struct engine *engine, const char *address, struct error *err);
void metrics_stop(struct metrics *metrics);

#endif
