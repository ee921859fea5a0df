/* What happens to the containers of a project, as it happens: the daemon's events in a loop. */
#ifndef DORY_CMD_DORY_COMPOSE_MONITOR_H
#define DORY_CMD_DORY_COMPOSE_MONITOR_H

#include "api/client.h"
#include "base/loop.h"

struct monitor;

/* One event of a container; the texts live until the callback returns. */
struct monitor_event {
    const char *action;   /* "create", "start", "die", "restart", "destroy", ... */
    const char *id;       /* of the container */
    const char *name;     /* "shop-web-1" */
    const char *service;  /* "" when its label is missing */
    int64_t number;       /* of the container within its service; 0: unknown */
    bool oneoff;          /* made by `run` */
    int exit_code;        /* of "die" */
    const char *replaces; /* name of the container that this one takes the place of, or NULL */
    int64_t time;         /* nanoseconds since the epoch */
    const struct json *attributes;
};

/* event NULL: nothing comes any more, and err tells why. No call follows that. */
typedef void (*monitor_fn)(const struct monitor_event *event, const struct error *err, void *data);

/* The daemon has begun to take notes when this returns: a list that is asked for afterwards misses nothing.
 * *ret: monitor_free. */
int monitor_new(struct client *client, const char *project, struct loop *loop, monitor_fn fn, void *data,
                struct monitor **ret, struct error *err);
void monitor_free(struct monitor *monitor); /* NULL is fine; also from within the callback */

#endif
